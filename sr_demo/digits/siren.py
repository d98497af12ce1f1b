"""SIREN: a photo as a function of x and y, represented by a small network with sine activations.

Source: Sitzmann et al. 2020, arXiv 2006.09661.
"""

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
from sr_demo.digits.inference import evaluate
from sr_demo.digits.options import Fit
from sr_demo.image import Image, readonly
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.progress import SILENT, Progress

LONGEST = 192
"""The photo is downscaled to this longer side first, so that it is fitted in seconds."""
_BATCH = 8192
_LAYERS = 3
_PREVIEW_SECONDS = 1.0
"""Seconds between two previews."""


@dataclass(frozen=True)
class FitPreview:
    """State of the fit at one moment."""

    image: Image
    """The function at the size of the reference, (H, W, 3) float32 in [0, 1]."""
    psnr: float
    """PSNR-RGB in dB against the reference."""
    steps: int
    seconds: float
    parameters: int
    fraction: float
    """Elapsed share of the time, 0..1."""


class Siren(nn.Module):
    """Linear layers with sines between them, initialised as in section 3.2 of the paper.

    (P, 2) -> (P, 3): x, y to RGB.
    """

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
        """Evaluate `points`: (P, 2) in [-1, 1] -> (P, 3), about [0, 1]."""
        h = points
        for index, layer in enumerate(self.layers):
            h = layer(h)
            if index < len(self.layers) - 1:
                h = torch.sin((self.omega if index == 0 else 30.0) * h)
        return 0.5 + 0.5 * h


def target(photo: Image) -> Image:
    """Downscale `photo` (H, W, 3) to a longer side of at most 192 pixels (area average), read-only."""
    height, width = photo.shape[:2]
    ratio = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return readonly(np.ascontiguousarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.float32))


class SirenFit:
    """One photo and the network that is fitted to it."""

    def __init__(self, photo: Image, options: Fit, seed: int = 0) -> None:
        self.reference = target(photo)
        self.options = options
        torch.manual_seed(seed)
        self._network = Siren(options.width, _LAYERS, options.frequency).to(device())
        self._noise = torch.Generator().manual_seed(seed)
        self._optimiser = torch.optim.Adam(self._network.parameters(), 1e-3)
        height, width = self.reference.shape[:2]
        self._points = self._grid(height, width, 0, height)
        self._colours = torch.from_numpy(np.array(self.reference)).view(-1, 3).to(device())
        self.steps = 0

    def fit(self, progress: Progress = SILENT) -> Iterator[FitPreview]:
        """Fit for `options.seconds`, yielding a preview about once a second and at the end.

        Args:
            progress: Reports the elapsed share of the time; raises Cancelled on Stop, between two steps.
        """
        start = previewed = time.monotonic()
        limit = float(self.options.seconds)
        while (spent := time.monotonic() - start) < limit:
            progress(spent / limit)
            self.step(1e-3 * max(0.05, 1.0 - spent / limit))
            if time.monotonic() - previewed > _PREVIEW_SECONDS:
                yield self.preview(time.monotonic() - start)
                previewed = time.monotonic()
        yield self.preview(time.monotonic() - start)

    def step(self, rate: float) -> float:
        """Take one step on random pixels with learning rate `rate`; return the mean squared error before it."""
        with out_of_memory_translated():
            count = len(self._points)
            chosen = torch.randint(count, (min(_BATCH, count),), generator=self._noise).to(device())
            loss = F.mse_loss(self._network(self._points[chosen]), self._colours[chosen])
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self._optimiser.step()
        self.steps += 1
        return float(loss.detach())

    def preview(self, seconds: float) -> FitPreview:
        """Evaluate the function at the size of the reference; `seconds` is the time spent so far."""
        drawn = self.draw(1.0)
        parameters = sum(p.numel() for p in self._network.parameters())
        fraction = min(1.0, seconds / self.options.seconds)
        return FitPreview(drawn, psnr_rgb(drawn, self.reference, border=0), self.steps, seconds, parameters, fraction)

    def draw(self, scale: float, progress: Progress = SILENT) -> Image:
        """Evaluate the function on a grid of another size.

        Args:
            scale: Side of the grid relative to the reference's.
            progress: Reports the rows; raises Cancelled on Stop.

        Returns:
            (round(scale * H), round(scale * W), 3) float32 in [0, 1], read-only.
        """
        height, width = (max(1, round(side * scale)) for side in self.reference.shape[:2])

        def band(top: int, bottom: int) -> Tensor:
            return self._network(self._grid(height, width, top, bottom))

        with torch.inference_mode():
            drawn = evaluate(band, height, 3, progress, width=width)
            return readonly(drawn.clamp_(0.0, 1.0).cpu().numpy())

    def _grid(self, height: int, width: int, top: int, bottom: int) -> Tensor:
        """Return x, y of the pixel centres of some rows, ((bottom - top) * width, 2); the longer side covers -1..1."""
        longest = max(self.reference.shape[:2])
        reach_y, reach_x = (side / longest for side in self.reference.shape[:2])
        y = ((torch.arange(top, bottom, device=device()) + 0.5) * (2.0 / height) - 1.0) * reach_y
        x = ((torch.arange(width, device=device()) + 0.5) * (2.0 / width) - 1.0) * reach_x
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        return torch.stack([columns, rows], dim=2).view(-1, 2)
