"""Networks of the digits lab: an encoder, two ways to draw from its latent, a critic and a reader.

Legend: N digits, Z latent numbers per digit, P points, F features per point. Pictures are (N, 1, H, W) in [0, 1], white
ink on black. Coordinates run from -1 (left or upper edge of the picture) to 1, whatever its size in pixels.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

Layer = tuple[Tensor, Tensor]
"""Weight (outputs, inputs) and bias (outputs) of one linear layer."""


class Encoder(nn.Module):
    """(N, 1, 26, 26) -> mean and log variance of the latent, each (N, Z)."""

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__()
        c = channels
        self.body = nn.Sequential(
            nn.Conv2d(1, c, 5, 2, 2), nn.SiLU(),
            nn.Conv2d(c, 2 * c, 3, 2, 1), nn.SiLU(),
            nn.Conv2d(2 * c, 2 * c, 3, 2, 1), nn.SiLU(),
            nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(2 * c * 16, 2 * latent)

    def forward(self, lr: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.head(self.body(lr)).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 6.0)


class Decoder(nn.Module):
    """(N, Z) -> logits of a picture, (N, 1, 28, 28): one fixed size."""

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__()
        c = channels
        self.start = nn.Linear(latent, 4 * c * 49)
        self.body = nn.Sequential(
            nn.Unflatten(1, (4 * c, 7, 7)), nn.SiLU(),
            nn.ConvTranspose2d(4 * c, 2 * c, 4, 2, 1), nn.SiLU(),
            nn.ConvTranspose2d(2 * c, c, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(c, 1, 3, 1, 1),
        )  # fmt: skip

    def forward(self, latent: Tensor) -> Tensor:
        return self.body(self.start(latent))


class CPPN(nn.Module):
    """Intensity as a function of latent, x, y and the distance r from the middle (Stanley 2007).

    The latent scales and shifts every hidden layer, so for one digit the whole is a small plain network of x, y, r.
    """

    def __init__(self, latent: int, width: int, layers: int, waves: int) -> None:
        """`layers` hidden layers of `width`; `waves`: sines and cosines of 1 .. `waves` half periods per axis."""
        super().__init__()
        self.waves = waves
        sizes = [3 + 4 * waves, *[width] * layers]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.last = nn.Linear(width, 1)
        self.modulate = nn.Sequential(nn.Linear(latent, 2 * width), nn.SiLU(), nn.Linear(2 * width, 2 * width * layers))

    def features(self, points: Tensor) -> Tensor:
        """(..., 2) coordinates x, y -> (..., F)."""
        x, y = points[..., :1], points[..., 1:]
        steps = math.pi * torch.arange(1, self.waves + 1, device=points.device, dtype=points.dtype)
        radius = (x * x + y * y).sqrt()
        return torch.cat([x, y, radius, (x * steps).sin(), (x * steps).cos(), (y * steps).sin(), (y * steps).cos()], -1)

    def forward(self, latent: Tensor, points: Tensor) -> Tensor:
        """(N, Z) and (P, 2), the same points for every digit -> logits (N, P)."""
        h = self.features(points).unsqueeze(0)
        for layer, changes in zip(self.hidden, self.modulate(latent).chunk(len(self.hidden), dim=1), strict=True):
            scale, shift = changes.unsqueeze(1).chunk(2, dim=2)
            h = F.silu(layer(h) * (1.0 + scale) + shift)
        return self.last(h).squeeze(2)

    def plain(self, latent: Tensor) -> list[Layer]:
        """The plain network that draws the one digit of `latent` (Z): SiLU between its layers, none after the last."""
        layers: list[Layer] = []
        for layer, changes in zip(self.hidden, self.modulate(latent).chunk(len(self.hidden)), strict=True):
            scale, shift = changes.chunk(2)
            weight, bias = layer.parameters()
            layers.append((weight * (1.0 + scale[:, None]), bias * (1.0 + scale) + shift))
        return [*layers, (self.last.weight, self.last.bias)]


class Coder(nn.Module):
    """An encoder and what draws from its latent, with the mean latent of each kind of digit."""

    typical: Tensor
    """(10, Z): mean latent of the training digits 0 to 9, filled at the end of training."""

    def __init__(self, latent: int, encoder: nn.Module, drawer: nn.Module) -> None:
        super().__init__()
        self.encoder, self.drawer = encoder, drawer
        self.register_buffer("typical", torch.zeros(10, latent))


class Discriminator(nn.Module):
    """(N, 1, 28, 28) -> (N,): high where a digit looks real. Spectrally normalised (Miyato et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c = channels
        self.body = nn.Sequential(
            spectral_norm(nn.Conv2d(1, c, 4, 2, 1)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(c, 2 * c, 4, 2, 1)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * c, 4 * c, 3, 2, 1)), nn.LeakyReLU(0.2),
            nn.Flatten(), spectral_norm(nn.Linear(4 * c * 16, 1)),
        )  # fmt: skip

    def forward(self, picture: Tensor) -> Tensor:
        return self.body(picture).squeeze(1)


class Reader(nn.Module):
    """(N, 1, 28, 28) -> logits of the ten digits, (N, 10)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c = channels
        self.body = nn.Sequential(
            nn.Conv2d(1, c, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(c, 2 * c, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(2 * c, 2 * c, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(2 * c * 9, 64), nn.ReLU(), nn.Linear(64, 10),
        )  # fmt: skip

    def forward(self, picture: Tensor) -> Tensor:
        return self.body(picture)


def vaegan(latent: int = 32, encoder: int = 24, decoder: int = 16) -> Coder:
    """Latent to a picture of 28 x 28."""
    return Coder(latent, Encoder(latent, encoder), Decoder(latent, decoder))


def cppn(latent: int = 32, encoder: int = 24, width: int = 64, layers: int = 3, waves: int = 6) -> Coder:
    """Latent to a function of coordinates."""
    return Coder(latent, Encoder(latent, encoder), CPPN(latent, width, layers, waves))


def reader(channels: int = 16) -> Reader:
    """Tells which digit it sees."""
    return Reader(channels)


def grid(size: int, device: torch.device | str = "cpu") -> Tensor:
    """(size * size, 2): x, y of the pixel middles of a square picture, row by row."""
    middle = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2.0 / size) - 1.0
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    return torch.stack([x.reshape(-1), y.reshape(-1)], dim=1)
