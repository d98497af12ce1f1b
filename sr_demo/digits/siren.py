"""A photo as a function of x and y: a small network of sines (SIREN, Sitzmann et al. 2020) that learns one picture."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_demo.backends.torch_backend import device, out_of_memory_translated
from sr_demo.digits.lab import evaluate
from sr_demo.digits.options import Fit
from sr_demo.image import Image, readonly
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.progress import SILENT, Progress

LONGEST = 192
"""The photo is shrunk to this longer side before it is learned, so that seconds are enough."""
_BATCH = 8192
_LAYERS = 3
_BETWEEN = 1.0
"""Seconds between two looks at what is learned."""


@dataclass(frozen=True)
class Learned:
    """What the network knows after a while."""

    picture: Image
    """Drawn at the size it learned from."""
    psnr: float
    """PSNR-RGB in dB against the shrunk photo."""
    steps: int
    seconds: float
    parameters: int
    fraction: float


class Siren(nn.Module):
    """x, y -> r, g, b: linear layers with sines between them, drawn from the distribution of the paper (section 3.2)."""

    def __init__(self, width: int, layers: int, omega: float) -> None:
        super().__init__()
        sizes = [2, *[width] * layers, 3]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.omega = omega
        with torch.no_grad():
            for index, layer in enumerate(self.layers):
                inputs = sizes[index]
                bound = 1.0 / inputs if index == 0 else (6.0 / inputs) ** 0.5 / 30.0
                for values in layer.parameters():
                    values.uniform_(-bound, bound)

    def forward(self, points: Tensor) -> Tensor:
        h = points
        for index, layer in enumerate(self.layers):
            h = layer(h)
            if index < len(self.layers) - 1:
                h = torch.sin((self.omega if index == 0 else 30.0) * h)
        return 0.5 + 0.5 * h


def target(photo: Image) -> Image:
    """`photo` with its longer side at most 192 pixels (area average), read-only."""
    height, width = photo.shape[:2]
    ratio = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return readonly(np.ascontiguousarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.float32))


class Photo:
    """One photo and the network that learns it."""

    def __init__(self, photo: Image, options: Fit, seed: int = 0) -> None:
        self.truth = target(photo)
        self.options = options
        torch.manual_seed(seed)
        self._network = Siren(options.width, _LAYERS, options.frequency).to(device())
        self._noise = torch.Generator().manual_seed(seed)
        self._optimiser = torch.optim.Adam(self._network.parameters(), 1e-3)
        height, width = self.truth.shape[:2]
        self._points = self._grid(height, width, 0, height)
        self._colours = torch.from_numpy(np.array(self.truth)).view(-1, 3).to(device())
        self.steps = 0

    def learn(self, progress: Progress = SILENT) -> Iterator[Learned]:
        """Yield what is learned about once a second until the time is over. Raises Cancelled between two steps on Stop."""
        start = shown = time.monotonic()
        limit = float(self.options.seconds)
        while (spent := time.monotonic() - start) < limit:
            progress(spent / limit)
            self.step(1e-3 * max(0.05, 1.0 - spent / limit))
            if time.monotonic() - shown > _BETWEEN:
                yield self.look(time.monotonic() - start)
                shown = time.monotonic()
        yield self.look(time.monotonic() - start)

    def step(self, rate: float) -> float:
        """One update on a few thousand random pixels; returns the mean squared error before it."""
        with out_of_memory_translated():
            count = len(self._points)
            which = torch.randint(count, (min(_BATCH, count),), generator=self._noise).to(device())
            loss = F.mse_loss(self._network(self._points[which]), self._colours[which])
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self._optimiser.step()
        self.steps += 1
        return float(loss.detach())

    def look(self, seconds: float) -> Learned:
        """What the network draws now, at the size it learned from."""
        drawn = self.draw(1.0)
        parameters = sum(p.numel() for p in self._network.parameters())
        fraction = min(1.0, seconds / self.options.seconds)
        return Learned(drawn, psnr_rgb(drawn, self.truth, border=0), self.steps, seconds, parameters, fraction)

    def draw(self, scale: float, progress: Progress = SILENT) -> Image:
        """The same function, asked at `scale` times as many points a side."""
        height, width = (max(1, round(side * scale)) for side in self.truth.shape[:2])

        def band(top: int, bottom: int) -> Tensor:
            return self._network(self._grid(height, width, top, bottom))

        with torch.inference_mode():
            drawn = evaluate(band, height, 3, progress, width=width)
            return readonly(drawn.clamp_(0.0, 1.0).cpu().numpy())

    def _grid(self, height: int, width: int, top: int, bottom: int) -> Tensor:
        """((bottom - top) * width, 2): x, y of pixel middles; the longer side runs from -1 to 1."""
        longest = max(self.truth.shape[:2])
        reach_y, reach_x = (side / longest for side in self.truth.shape[:2])
        y = ((torch.arange(top, bottom, device=device()) + 0.5) * (2.0 / height) - 1.0) * reach_y
        x = ((torch.arange(width, device=device()) + 0.5) * (2.0 / width) - 1.0) * reach_x
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        return torch.stack([columns, rows], dim=2).view(-1, 2)
