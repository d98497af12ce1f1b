"""Networks of the digits lab: an encoder, two kinds of decoder, a discriminator and a classifier.

Legend: N digits, Z latent values per digit, P points, F features per point. Images are (N, 1, H, W) in [0, 1], white
ink on black. Coordinates run from -1 (left or upper edge of the image) to 1, whatever its size in pixels.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

Layer = tuple[Tensor, Tensor]
"""Weight (..., outputs, inputs) and bias (..., outputs) of one linear layer."""


class Residual(nn.Module):
    """(N, C, H, W) -> the same shape: the input plus two convolutions of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.SiLU(), nn.Conv2d(channels, channels, 3, 1, 1),
            nn.SiLU(), nn.Conv2d(channels, channels, 3, 1, 1),
        )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        """Return `features` plus the convolutions of them."""
        return features + self.body(features)


class Encoder(nn.Module):
    """(N, 1, 26, 26) -> mean and log variance of the latent, each (N, Z)."""

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__()
        c = channels
        self.body = nn.Sequential(
            nn.Conv2d(1, c, 5, 2, 2), nn.SiLU(),
            nn.Conv2d(c, 2 * c, 3, 2, 1), Residual(2 * c), nn.SiLU(),
            nn.Conv2d(2 * c, c // 2, 1), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(c // 2 * 49, 2 * latent)
        # Little noise at first: with a standard deviation of 1, the decoder would first learn to ignore the latent.
        nn.init.constant_(self.head.bias[latent:], -4.0)

    def forward(self, lr: Tensor) -> tuple[Tensor, Tensor]:
        """Encode `lr`."""
        mean, log_variance = self.head(self.body(lr)).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 6.0)


class Decoder(nn.Module):
    """(N, Z) -> logits of an image, (N, 1, 28, 28)."""

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__()
        c = channels
        self.start = nn.Linear(latent, 32 * 49)
        self.body = nn.Sequential(
            nn.Unflatten(1, (32, 7, 7)), nn.Conv2d(32, 2 * c, 3, 1, 1), Residual(2 * c), nn.SiLU(),
            nn.Conv2d(2 * c, 4 * c, 1), nn.PixelShuffle(2), Residual(c), nn.SiLU(),
            nn.Conv2d(c, 32, 3, 1, 1), nn.PixelShuffle(2), nn.SiLU(),
            nn.Conv2d(8, 1, 3, 1, 1),
        )  # fmt: skip

    def forward(self, latent: Tensor) -> Tensor:
        """Decode `latent`."""
        return self.body(self.start(latent))


class CPPN(nn.Module):
    """Intensity as a function of latent, x, y and the distance r from the centre.

    Stanley 2007, doi:10.1007/s10710-007-9028-8. For one digit, it is a small plain network of x, y, r. The latent changes all
    weights of the first and the last layer of this network (a hypernetwork, arXiv 1609.09106), and scales and shifts the
    units of the layers between them (FiLM, arXiv 1709.07871).
    """

    def __init__(self, latent: int, width: int, layers: int, waves: int, trunk: int) -> None:
        """Build the network.

        Args:
            latent: Number of latent values, Z.
            width: Units in each hidden layer.
            layers: Number of hidden layers.
            waves: Sines and cosines of 1..`waves` periods per axis.
            trunk: Units of the layer from which the changes of all other layers are computed.
        """
        super().__init__()
        self.waves = waves
        sizes = [3 + 4 * waves, *[width] * layers, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.sizes = [sizes[0] * width + width, *[2 * width] * (layers - 1), width + 1]
        changes = nn.Linear(trunk, sum(self.sizes))
        self.modulate = nn.Sequential(nn.Linear(latent, trunk), nn.SiLU(), changes)
        nn.init.normal_(changes.weight, std=0.02)
        nn.init.zeros_(changes.bias)

    @property
    def last(self) -> Tensor:
        """Weight of the last layer before the changes by the latent."""
        weight, _ = self.layers[-1].parameters()
        return weight

    def features(self, points: Tensor) -> Tensor:
        """Compute the input features of points: coordinates x, y (..., 2) -> (..., F)."""
        x, y = points[..., :1], points[..., 1:]
        steps = math.pi * torch.arange(1, self.waves + 1, device=points.device, dtype=points.dtype)
        radius = (x * x + y * y).sqrt()
        return torch.cat([x, y, radius, (x * steps).sin(), (x * steps).cos(), (y * steps).sin(), (y * steps).cos()], -1)

    def forward(self, latent: Tensor, points: Tensor) -> Tensor:
        """Evaluate the same points for every digit: `latent` (N, Z) and `points` (P, 2) -> logits (N, P)."""
        (weight, bias), *others = self.plain(latent)
        h = self.features(points) @ weight.mT + bias.unsqueeze(1)
        for weight, bias in others:
            h = torch.baddbmm(bias.unsqueeze(1), F.silu(h), weight.mT)
        return h.squeeze(2)

    def plain(self, latent: Tensor) -> list[Layer]:
        """Return the plain networks of N digits as layers, with SiLU between them but not after the last.

        Args:
            latent: (N, Z).

        Returns:
            Weight (N, outputs, inputs) and bias (N, outputs) of each layer.
        """
        layers: list[Layer] = []
        for layer, changes in zip(self.layers, self.modulate(latent).split(self.sizes, dim=1), strict=True):
            weight, bias = layer.parameters()
            if changes.shape[1] == weight.numel() + bias.numel():
                more, shift = changes.split([weight.numel(), bias.numel()], dim=1)
                layers.append((weight + more.view(-1, *weight.shape), bias + shift))
            else:
                scale, shift = changes.chunk(2, dim=1)
                layers.append((weight * (1.0 + scale.unsqueeze(2)), bias * (1.0 + scale) + shift))
        return layers


class Coder(nn.Module):
    """An encoder and a decoder (`drawer`), with a typical latent of each class."""

    typical: Tensor
    """(10, Z): latents of ten training digits, 0 to 9, each the nearest to the mean of its class; set after training."""

    def __init__(self, latent: int, encoder: nn.Module, drawer: nn.Module) -> None:
        super().__init__()
        self.encoder, self.drawer = encoder, drawer
        self.register_buffer("typical", torch.zeros(10, latent))


class Discriminator(nn.Module):
    """(N, 1, 28, 28) -> (N,), high for real digits. Spectral normalisation (Miyato et al. 2018, arXiv 1802.05957)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c = channels
        self.body = nn.Sequential(
            spectral_norm(nn.Conv2d(1, c, 4, 2, 1)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(c, 2 * c, 4, 2, 1)), nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * c, 4 * c, 3, 2, 1)), nn.LeakyReLU(0.2),
            nn.Flatten(), spectral_norm(nn.Linear(4 * c * 16, 1)),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        """Score `image`."""
        return self.body(image).squeeze(1)


class Reader(nn.Module):
    """A classifier: (N, 1, 28, 28) -> logits of the ten digits, (N, 10)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c = channels
        self.body = nn.Sequential(
            nn.Conv2d(1, c, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(c, 2 * c, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(2 * c, 2 * c, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(2 * c * 9, 64), nn.ReLU(), nn.Linear(64, 10),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        """Classify `image`."""
        return self.body(image)


def vaegan(latent: int = 128, encoder: int = 24, decoder: int = 24) -> Coder:
    """Return an encoder with a convolutional decoder to 28 x 28."""
    return Coder(latent, Encoder(latent, encoder), Decoder(latent, decoder))


def cppn(
    latent: int = 128, encoder: int = 24, width: int = 64, layers: int = 3, waves: int = 6, trunk: int = 112
) -> Coder:
    """Return an encoder with a CPPN as decoder."""
    return Coder(latent, Encoder(latent, encoder), CPPN(latent, width, layers, waves, trunk))


def reader(channels: int = 16) -> Reader:
    """Return the classifier."""
    return Reader(channels)


def grid(size: int, device: torch.device | str = "cpu") -> Tensor:
    """Return x, y of the pixel centres of a square image, row by row: (size * size, 2)."""
    centres = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2.0 / size) - 1.0
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x.reshape(-1), y.reshape(-1)], dim=1)
