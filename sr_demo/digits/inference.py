"""Inference with the trained networks of the digits lab: encode an LR digit, draw it at any size, classify it.

Legend: latent (Z,) float32; a drawn digit is (H, W) float32 in [0, 1], white ink on black, read-only. This module
imports torch; the page imports it when the first digit is requested.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sr_demo.backends.torch_backend import device, load_safetensors, out_of_memory_translated
from sr_demo.checkpoint import card, embedded
from sr_demo.digits.data import LR_SIDE, Pixels
from sr_demo.digits.options import LARGEST, DigitModel
from sr_demo.errors import BadInput
from sr_demo.hub import checkpoints
from sr_demo.image import readonly
from sr_demo.networks import digits as networks
from sr_demo.progress import SILENT, Progress

Gray = NDArray[np.float32]
CLOSEST = 16.0
"""Largest zoom factor."""
CHUNK = 4096
"""Points per evaluation; their activations fit into the processor's cache (large chunks take 4 times as long)."""

NETWORKS: dict[str, tuple[str, Callable[..., nn.Module]]] = {
    "digits-vaegan": ("VAE-GAN for digits", networks.vaegan),
    "digits-cppn-vaegan": ("CPPN for digits, trained with a discriminator", networks.cppn),
    "digits-cppn-l2": ("CPPN for digits, trained without a discriminator", networks.cppn),
    "digits-reader": ("Reader of digits", networks.reader),
}
"""Name of the embedded weights and their card -> title, and function that builds the network."""
STEMS: dict[DigitModel, str] = {
    "vaegan": "digits-vaegan",
    "cppn-gan": "digits-cppn-vaegan",
    "cppn-l2": "digits-cppn-l2",
}


@lru_cache
def network(stem: str) -> nn.Module:
    """Return the embedded network `stem`, verified, in eval mode on this machine's device.

    Raises:
        WeightsUnavailable: The file is missing or has another sha256.
    """
    title, build = NETWORKS[stem]
    (path,) = checkpoints.fetch(embedded(stem, stem, title, bytes_per_pixel=0))
    built = build(**card(stem)["architecture"]["settings"])
    return load_safetensors(path, built).eval().requires_grad_(False).to(device())


def coder(system: DigitModel) -> networks.Coder:
    """Return encoder and decoder (or CPPN) of `system`."""
    found = network(STEMS[system])
    assert isinstance(found, networks.Coder)
    return found


@torch.inference_mode()
def encode(small: Pixels, system: DigitModel) -> Gray:
    """Return the latent (Z,) of an LR digit: the mean of its distribution, so that the result is deterministic.

    Args:
        small: (26, 26) uint8.
        system: The system whose encoder is used.

    Raises:
        BadInput: The image has another shape.
    """
    if small.shape != (LR_SIDE, LR_SIDE):
        raise BadInput(f"The encoder reads {LR_SIDE} x {LR_SIDE} pixels, not {small.shape[1]} x {small.shape[0]}.")
    mean, _ = coder(system).encoder(as_batch(small[None]))
    return readonly(mean[0].cpu().numpy())


def typical(digit: int, system: DigitModel) -> Gray:
    """Return the latent (Z,) of the training digit labelled `digit` that is nearest to their mean latent."""
    return readonly(coder(system).typical[digit].float().cpu().numpy().copy())


@torch.inference_mode()
def decode(latent: Gray) -> Gray:
    """Return the VAE-GAN's image of a latent: (28, 28), its only size."""
    return _gray(coder("vaegan").drawer(_row(latent)).sigmoid()[0, 0])


@dataclass(frozen=True)
class Window:
    """The visible part of a digit: all of it, or a square `zoom` times smaller around (`x`, `y`)."""

    zoom: float = 1.0
    x: float = 0.0
    """Centre of the square, -1 (left edge of the digit) to 1."""
    y: float = 0.0

    def nearer(self, across: float, down: float, times: float) -> Window:
        """Return a window zoomed in around a point, kept inside the digit.

        Args:
            across: The point's column, as a fraction of this window's width.
            down: The point's row, as a fraction of its height.
            times: Zoom factor relative to this window.
        """
        zoom = min(max(self.zoom * times, 1.0), CLOSEST)
        room = 1.0 - 1.0 / zoom
        x, y = (at + (2.0 * part - 1.0) / self.zoom for at, part in ((self.x, across), (self.y, down)))
        return Window(zoom, min(max(x, -room), room), min(max(y, -room), room))


WHOLE = Window()


def draw(
    latent: Gray, size: int, system: DigitModel = "cppn-gan", window: Window = WHOLE, progress: Progress = SILENT
) -> Gray:
    """Evaluate a CPPN on a grid.

    Args:
        latent: (Z,).
        size: Pixels per side, 1..1800.
        system: Which CPPN.
        window: Visible part of the digit.
        progress: Reports the rows; raises Cancelled on Stop.

    Returns:
        (size, size) float32 in [0, 1].

    Raises:
        BadInput: The size is out of range, or `system` is not a CPPN.
        OutOfMemory: The device has too little memory.
    """
    drawer = coder(system).drawer
    if not isinstance(drawer, networks.CPPN):
        raise BadInput("The VAE-GAN draws 28 x 28 pixels only; a CPPN draws any size.")
    _check_size(size)
    with torch.inference_mode():
        layers = [(weight[0], bias[0]) for weight, bias in drawer.plain(_row(latent))]
        return _gray(evaluate(_separable(layers, drawer.waves, size, window), size, 1, progress)[..., 0].sigmoid_())


def _check_size(size: int) -> None:
    if not 1 <= size <= LARGEST:
        raise BadInput(f"A picture drawn here has 1 to {LARGEST} pixels a side, not {size}.")


Band = Callable[[int, int], Tensor]
"""Function of some rows: (first row, last row + 1) -> (rows * width, channels)."""


def evaluate(band: Band, size: int, channels: int, progress: Progress = SILENT, width: int | None = None) -> Tensor:
    """Evaluate a function of pixel rows, a few rows at a time.

    Args:
        band: Returns the values of some rows.
        size: Height in pixels.
        channels: Values per pixel.
        progress: Reports the rows; raises Cancelled on Stop.
        width: Width in pixels; None for `size`.

    Returns:
        (size, width, channels) float32 on this machine's device.

    Raises:
        BadInput: More than 1800 rows.
    """
    _check_size(size)
    width = width or size
    rows = max(1, CHUNK // width)
    with out_of_memory_translated():
        out = torch.empty((size, width, channels), device=device())
        for top in range(0, size, rows):
            progress(top / size)
            bottom = min(top + rows, size)
            out[top:bottom] = band(top, bottom).view(bottom - top, width, channels)
    return out


def _separable(layers: list[networks.Layer], waves: int, size: int, window: Window) -> Band:
    """Return the function of rows that evaluates the plain network `layers` on a grid of size x size over `window`.

    All inputs except r depend only on x or only on y; their part of the first layer is computed once per column and row.
    """
    (first, bias), *others = layers
    steps = math.pi * torch.arange(1, waves + 1, device=first.device)
    centres = ((torch.arange(size, device=first.device) + 0.5) * (2.0 / size) - 1.0) / window.zoom
    x, y = centres + window.x, centres + window.y

    def part(at: Tensor, axis: int) -> Tensor:
        # The order of the inputs is that of `CPPN.features`: x, y, r, then sines and cosines of x, then those of y.
        columns = [axis, *range(3 + 2 * waves * axis, 3 + 2 * waves * (axis + 1))]
        angles = at[:, None] * steps
        return torch.cat([at[:, None], angles.sin(), angles.cos()], dim=1) @ first[:, columns].T

    along_x, along_y = part(x, 0), part(y, 1) + bias

    def band(top: int, bottom: int) -> Tensor:
        radius = (x[None, :] ** 2 + y[top:bottom, None] ** 2).sqrt()
        h = along_x[None] + along_y[top:bottom, None] + radius[..., None] * first[:, 2]
        h = h.view(-1, h.shape[-1])
        for weight, shift in others:
            h = F.linear(F.silu(h, inplace=True), weight, shift)
        return h

    return band


@torch.inference_mode()
def classify_digits(images: Pixels) -> NDArray[np.int64]:
    """Classify (N, 28, 28) uint8: the label of each, (N,)."""
    return network("digits-reader")(as_batch(images)).argmax(1).cpu().numpy()


@torch.inference_mode()
def reconstruct(small: Pixels, system: DigitModel) -> Gray:
    """Encode and decode many digits at once: (N, 26, 26) uint8 -> (N, 28, 28) float32 in [0, 1]."""
    both = coder(system)
    mean, _ = both.encoder(as_batch(small))
    drawer = both.drawer
    at_28 = partial(drawer, points=networks.grid(28, device())) if isinstance(drawer, networks.CPPN) else drawer
    return at_28(mean).sigmoid().view(-1, 28, 28).cpu().numpy()


def as_batch(images: Pixels) -> Tensor:
    """Convert (N, H, W) uint8 to (N, 1, H, W) float32 in [0, 1] on this machine's device."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device()).unsqueeze(1).float() / 255.0


def _row(latent: Gray) -> Tensor:
    return torch.from_numpy(np.array(latent, np.float32)[None]).to(device())


def _gray(image: Any) -> Gray:
    return readonly(image.cpu().numpy())
