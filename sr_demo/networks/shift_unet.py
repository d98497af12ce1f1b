"""A small U-Net for residual-shift diffusion in pixel space: convolutions only, on the grid of the small picture.

No attention and no normalisation over the picture: each result depends on a known neighbourhood. Four by four pixels
become channels of one (as in UPSR, Qiu et al. 2025), which makes a step as cheap as a network at the small size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.shift_schedule import Schedule

MULTIPLE = 4
"""Tiles begin on multiples of this many LR pixels: two levels of halving."""
_TIME = 64


class Block(nn.Module):
    """conv - scale and shift by the level (FiLM) - SiLU - conv, added to the input. (N, width, H, W), both ways."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(_TIME, 2 * width)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        with torch.no_grad():
            self.conv2.weight.mul_(0.3)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.film(time)[:, :, None, None].chunk(2, dim=1)
        return x + self.conv2(F.silu(self.conv1(x) * (1 + scale) + shift))


class ShiftUNet(nn.Module):
    """Estimates the truth from a shifted, noisy picture, the start picture and the small picture.

    `spread` is the usual standard deviation of (truth - start), in [0, 1]. With it the network's in- and outputs are
    kept near 1 at every level, as Karras et al. 2022 (arXiv 2206.00364) do for plain noise: what can be told by simple
    weighing of x and y is not left to be learned. Learning begins near that weighing.
    """

    def __init__(
        self, widths: list[int], levels: int, kappa: float, least: float, power: float, spread: float, scale: int = 4
    ) -> None:
        super().__init__()
        self.scale, self.spread = scale, spread
        self.schedule = Schedule(levels, kappa, least, power)
        pixels = 3 * scale * scale
        fine, middle, coarse = widths
        self.embed = nn.Sequential(nn.Linear(_TIME, _TIME), nn.SiLU(), nn.Linear(_TIME, _TIME), nn.SiLU())
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

    def forward(self, shifted: Tensor, start: Tensor, small: Tensor, level: Tensor) -> Tensor:
        """`shifted`, `start`: (N, 3, s H, s W); `small`: (N, 3, H, W), all about [0, 1]; `level`: (N,) integers, 1..T.

        Returns the estimate of the truth, (N, 3, s H, s W), not clamped.
        """
        eta = torch.tensor([self.schedule.eta(int(t)) for t in level], device=small.device)
        signal, noise = (1 - eta) * self.spread, self.schedule.kappa * eta.sqrt()
        total = (signal.square() + noise.square()).sqrt()
        keep = (signal * self.spread / total.square()).view(-1, 1, 1, 1)
        add = (self.spread * noise / total).view(-1, 1, 1, 1)
        moved = shifted - start
        # Not in the reduced precision of the convolutions: this is the picture itself.
        drawn = self._network(moved / total.view(-1, 1, 1, 1), start, small, noise)
        return start + keep * moved + add * drawn.float()

    def error(self, level: Tensor) -> Tensor:
        """What simple weighing is off by at `level` (N,): the standard deviation that is left to be explained."""
        eta = torch.tensor([self.schedule.eta(int(t)) for t in level], device=level.device)
        signal, noise = (1 - eta) * self.spread, self.schedule.kappa * eta.sqrt()
        return self.spread * noise / (signal.square() + noise.square()).sqrt()

    def _network(self, moved: Tensor, start: Tensor, small: Tensor, noise: Tensor) -> Tensor:
        height, width = small.shape[2:]
        # What the network sees of the start picture is how it differs from each pixel's own colour, about 1 in size.
        colour = F.interpolate(small, scale_factor=self.scale, mode="nearest")
        parts = (
            F.pixel_unshuffle(moved, self.scale),
            F.pixel_unshuffle((start - colour) * 8.0, self.scale),
            small * 2.0 - 1.0,
        )
        x = F.pad(torch.cat(parts, dim=1), (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        x = self.head(x.contiguous(memory_format=torch.channels_last))
        time = self.embed(_waves(noise))
        fine = _through(self.fine_in, x, time)
        middle = _through(self.middle_in, self.down1(fine), time)
        coarse = _through(self.coarse, self.down2(middle), time)
        middle = _through(self.middle_out, middle + self.up2(coarse), time)
        fine = _through(self.fine_out, fine + self.up1(middle), time)
        return F.pixel_shuffle(self.tail(F.silu(fine))[:, :, :height, :width], self.scale)


def _through(blocks: nn.ModuleList, x: Tensor, time: Tensor) -> Tensor:
    for block in blocks:
        x = block(x, time)
    return x


def _waves(noise: Tensor) -> Tensor:
    """(N,) noise levels -> (N, _TIME): sines and cosines of their logarithm at several speeds."""
    speeds = torch.exp(torch.linspace(-1.5, 2.5, _TIME // 2, device=noise.device))
    angles = noise.clamp(min=1e-6).log()[:, None] * speeds[None]
    return torch.cat((angles.sin(), angles.cos()), dim=1)
