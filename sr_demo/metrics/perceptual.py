"""Perceptual full-reference measures with optional dependencies: LPIPS, DISTS and FLIP.

LPIPS and DISTS need published weights, and FLIP its authors' package; without these, functions return None. Like the other
measures, all are computed after rounding to 8 bit and cutting a border of `scale` pixels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sr_demo.checkpoint import Checkpoint
from sr_demo.errors import SRError
from sr_demo.hub import checkpoints
from sr_demo.hub.perceptual import DISTS, LPIPS
from sr_demo.image import Image, Pixels, quantize
from sr_demo.imaging.resize import resize
from sr_demo.metrics.full_reference import crop_borders

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger("sr_demo")

_MOST_PIXELS = 4_000_000
"""Largest image that is measured. FLIP takes a second per megapixel on two cores, LPIPS about as long and more memory."""
_LEAST_SIDE = 32
_DISTS_SIDE = 256
"""Shorter side in pixels of the images that DISTS compares, as in its authors' program."""


def lpips(a: Pixels, b: Pixels, border: int = 4) -> float | None:
    """Return LPIPS 0.1 on AlexNet of two images: 0 for equal ones, lower is better.

    The network (`networks/perceptual.py`) gives the same values as the package lpips 0.1.4 with random backbone weights, and
    with random and published heads. It was not compared with the published backbone weights.

    Args:
        a: (H, W, 3) in [0, 1].
        b: An image of the same size.
        border: Pixels to cut at each side.

    Returns:
        The distance; None if the weights are not stored, and after the border is cut for sides below 32 pixels and above
        4 megapixels.

    Raises:
        BadInput: The sizes differ.
    """
    return _distance(LPIPS, *crop_borders(a, b, border))


def dists(a: Pixels, b: Pixels, border: int = 4) -> float | None:
    """Return DISTS of two images, downscaled to a shorter side of 256 pixels as in its authors' program.

    The network was compared with the package DISTS_pytorch 0.1 like that of LPIPS, and agrees to 1e-6. See `lpips` for
    arguments, results and errors.
    """
    return _distance(DISTS, *crop_borders(a, b, border), prepare=_smaller)


def flip(a: Pixels, b: Pixels, border: int = 4) -> float | None:
    """Return the mean LDR-FLIP of two images at 67 pixels per degree, with the package of its authors.

    Andersson et al. 2020 ("FLIP: A Difference Evaluator for Alternating Images", Proceedings of the ACM on Computer Graphics
    and Interactive Techniques 3(2)): the difference that a viewer notices when flipping between both. See `lpips` for
    arguments and errors.

    Returns:
        A value from 0 for equal images to 1; None if the package is not installed, or for the sizes excluded by `lpips`.
    """
    a, b = crop_borders(a, b, border)
    if not _has_value(a) or not is_available("flip"):
        return None
    from flip_evaluator import evaluate

    test, reference = _rounded(a), _rounded(b)
    return float(evaluate(reference, test, "LDR", applyMagma=False)[1])


def is_available(measure: str) -> bool:
    """Return whether the weights or the package of a measure ("lpips", "dists" or "flip") are available."""
    if measure == "flip":
        return find_spec("flip_evaluator") is not None
    return checkpoints.is_available({LPIPS.name: LPIPS, DISTS.name: DISTS}[measure])


def _has_value(image: Pixels) -> bool:
    """Return whether an image is neither too small nor too large for these measures."""
    return min(image.shape[:2]) >= _LEAST_SIDE and image.shape[0] * image.shape[1] <= _MOST_PIXELS


def _rounded(image: Pixels) -> Image:
    return np.divide(quantize(image), 255, dtype=np.float32)


def _smaller(image: Image) -> Image:
    height, width = image.shape[:2]
    short = min(height, width)
    if short <= _DISTS_SIDE:
        return image
    return resize(image, (_DISTS_SIDE * height // short, _DISTS_SIDE * width // short), "bilinear")


def _distance(
    checkpoint: Checkpoint, a: Pixels, b: Pixels, prepare: Callable[[Image], Image] = lambda image: image
) -> float | None:
    """Return the output of a measure's network for two images, which are rounded and then prepared by `prepare`.

    Returns:
        The distance; None if the weights are not stored or damaged, or if the images are too small or too large.
    """
    if not _has_value(a) or not checkpoints.is_available(checkpoint):
        return None
    try:
        network = _network(checkpoint.name, checkpoints.fetch(checkpoint))
    except SRError as exc:  # the files are damaged and cannot be fetched again
        log.warning("%s is left out: %s", checkpoint.title, exc)
        return None
    import torch

    with torch.inference_mode():
        ready = (prepare(_rounded(image)) for image in (a, b))
        first, second = (torch.from_numpy(np.array(image.transpose(2, 0, 1)))[None] for image in ready)
        return float(network(first, second))


@lru_cache(2)
def _network(name: str, files: tuple[Path, ...]) -> nn.Module:
    from sr_demo.networks.perceptual import Dists, Lpips

    backbone, own = (_tensors(path) for path in files)
    network: nn.Module = Lpips() if name == LPIPS.name else Dists()
    kept = {key: value for key, value in backbone.items() if key.startswith("features.")}
    network.load_state_dict({**kept, **_HEADS[name](own)})
    return network.eval()


def _tensors(path: Path) -> dict[str, Any]:
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


_HEADS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    LPIPS.name: lambda own: {f"heads.{index}": own[f"lin{index}.model.1.weight"] for index in range(5)},
    DISTS.name: lambda own: {name: own[name] for name in ("alpha", "beta")},
}
"""Functions that convert a measure's additional weights to tensors of its network, by measure."""
