"""A small U-Net for residual-shift diffusion in pixel space, convolutions only, on the LR grid.

Without attention and without normalisation over the image, each output has a bounded receptive field, so that tiles give the
result of the whole image. 4 x 4 pixels are unshuffled into channels (as in UPSR, Qiu et al. 2025), so that a step is as cheap
as a network at the LR size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.shift_schedule import Schedule

MULTIPLE = 4
"""Tiles begin on multiples of this many LR pixels, because of two levels of downsampling by 2."""
_EMBEDDING = 64


class Block(nn.Module):
    """x + conv(SiLU(FiLM(conv(x)))), modulated by the noise level: (N, width, H, W) -> the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(_EMBEDDING, 2 * width)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        with torch.no_grad():
            self.conv2.weight.mul_(0.3)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Apply the block; `time` (N, _EMBEDDING) is the embedded noise level."""
        scale, shift = self.film(time)[:, :, None, None].chunk(2, dim=1)
        return x + self.conv2(F.silu(self.conv1(x) * (1 + scale) + shift))


class ShiftUNet(nn.Module):
    """Estimates HR from the noisy state of the chain, the initial estimate and LR.

    `spread` is the typical standard deviation of (HR - start) in [0, 1]. It scales inputs and outputs of the convolutions to
    about unit variance at every level (preconditioning as in Karras et al. 2022, arXiv 2206.00364). The optimal linear
    combination of x and y therefore need not be learned, and training starts near it.
    """

    def __init__(
        self, widths: list[int], levels: int, kappa: float, least: float, power: float, spread: float, scale: int = 4
    ) -> None:
        super().__init__()
        self.scale, self.spread = scale, spread
        self.schedule = Schedule(levels, kappa, least, power)
        pixels = 3 * scale * scale
        fine, middle, coarse = widths
        self.embed = nn.Sequential(
            nn.Linear(_EMBEDDING, _EMBEDDING), nn.SiLU(), nn.Linear(_EMBEDDING, _EMBEDDING), nn.SiLU()
        )
        self.head = nn.Conv2d(2 * pixels + 3, fine, 3, padding=1)
        self.fine_in = nn.ModuleList((Block(fine), Block(fine)))
        self.down1 = nn.Conv2d(fine, middle, 2, stride=2)
        self.middle_in = nn.ModuleList((Block(middle), Block(middle)))
        self.down2 = nn.Conv2d(middle, coarse, 2, stride=2)
        self.coarse = nn.ModuleList((Block(coarse), Block(coarse)))
        self.up2 = nn.ConvTranspose2d(coarse, middle, 2, stride=2)
        self.middle_out = nn.ModuleList((Block(middle),))
        self.up1 = nn.ConvTranspose2d(middle, fine, 2, stride=2)
        self.fine_out = nn.ModuleList((Block(fine),))
        self.tail = nn.Conv2d(fine, pixels, 3, padding=1)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, shifted: Tensor, start: Tensor, lr: Tensor, level: Tensor) -> Tensor:
        """Estimate HR.

        Args:
            shifted: x at `level`, (N, 3, s*H, s*W), about [0, 1].
            start: The initial estimate y, same shape and range.
            lr: (N, 3, H, W) in [0, 1].
            level: (N,) integers, 1..T.

        Returns:
            (N, 3, s*H, s*W) float32, not clamped.
        """
        eta = torch.tensor([self.schedule.eta(int(t)) for t in level], device=lr.device)
        signal, noise = (1 - eta) * self.spread, self.schedule.kappa * eta.sqrt()
        total = (signal.square() + noise.square()).sqrt()
        keep = (signal * self.spread / total.square()).view(-1, 1, 1, 1)
        add = (self.spread * noise / total).view(-1, 1, 1, 1)
        shift_from_start = shifted - start
        # Added in fp32 rather than in the precision of the convolutions, since this is the image itself.
        residual = self._network(shift_from_start / total.view(-1, 1, 1, 1), start, lr, noise)
        return start + keep * shift_from_start + add * residual.float()

    def error(self, level: Tensor) -> Tensor:
        """Return the standard deviation of the error of the optimal linear combination of x and y at `level`, (N,)."""
        eta = torch.tensor([self.schedule.eta(int(t)) for t in level], device=level.device)
        signal, noise = (1 - eta) * self.spread, self.schedule.kappa * eta.sqrt()
        return self.spread * noise / (signal.square() + noise.square()).sqrt()

    def _network(self, shift_from_start: Tensor, start: Tensor, lr: Tensor, noise: Tensor) -> Tensor:
        height, width = lr.shape[2:]
        # The network receives the difference of `start` to nearest-neighbour upscaling, scaled to about unit variance.
        colour = F.interpolate(lr, scale_factor=self.scale, mode="nearest")
        parts = (
            F.pixel_unshuffle(shift_from_start, self.scale),
            F.pixel_unshuffle((start - colour) * 8.0, self.scale),
            lr * 2.0 - 1.0,
        )
        x = F.pad(torch.cat(parts, dim=1), (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        x = self.head(x.contiguous(memory_format=torch.channels_last))
        time = self.embed(_embedding(noise))
        fine = _apply(self.fine_in, x, time)
        middle = _apply(self.middle_in, self.down1(fine), time)
        coarse = _apply(self.coarse, self.down2(middle), time)
        middle = _apply(self.middle_out, middle + self.up2(coarse), time)
        fine = _apply(self.fine_out, fine + self.up1(middle), time)
        return F.pixel_shuffle(self.tail(F.silu(fine))[:, :, :height, :width], self.scale)


def _apply(blocks: nn.ModuleList, x: Tensor, time: Tensor) -> Tensor:
    for block in blocks:
        x = block(x, time)
    return x


def _embedding(noise: Tensor) -> Tensor:
    """Embed noise levels, (N,) -> (N, _EMBEDDING): sines and cosines of their logarithm at several frequencies."""
    speeds = torch.exp(torch.linspace(-1.5, 2.5, _EMBEDDING // 2, device=noise.device))
    angles = noise.clamp(min=1e-6).log()[:, None] * speeds[None]
    return torch.cat((angles.sin(), angles.cos()), dim=1)
