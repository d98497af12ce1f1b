"""The trial of an ONNX file, which finds its scale and its valid input sizes by running it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from sr_demo.backends import openvino_backend
from sr_demo.backends.selection import float_psnr, synthetic_image
from sr_demo.checkpoint import OWN
from sr_demo.errors import BadInput
from sr_demo.image import Image, readonly
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Family
from sr_demo.system.memory import PeakMemory
from sr_demo.user_models import trial
from sr_demo.user_models.networks import Loader, ReadNetwork
from sr_demo.user_models.onnx_network import OnnxNetwork, OnnxUpscaler

_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
"""Numbers that are tried as common divisor of the input's sides."""
_BASE = 64
_BRIGHTEST = 8.0
"""Largest value in the result for an image in [0, 1]; networks for values from 0 to 255 return far larger values."""
_LEAST_BYTES = 4000
"""Smallest declared working memory per LR pixel, since the growth of the process on a small image is unreliable."""
_ATTENTION = frozenset({"Softmax", "ScaledDotProductAttention"})
_AGREEMENT = 40.0
_SIDE = 64


def try_out(path: Path, progress: Progress = SILENT) -> trial.TrialFindings:
    """Read an ONNX file and try out its network. Raises SRError or Cancelled."""
    progress(0.0, "reading the model")
    network = OnnxNetwork(path)
    progress(0.3, "trying it out")
    scale, multiple_of = _scale_and_multiple(network)
    found = ReadNetwork("onnx", "ONNX", None, scale, multiple_of)
    exact = OnnxUpscaler(network, "fp32", scale, multiple_of)
    trial.check_behaviour(exact, found, network.name)
    with PeakMemory() as grown:
        seconds = trial.timed(exact, found)
    progress(0.5, "measuring how much context tiles need")
    attention = network.has(_ATTENTION)
    rule = OWN
    if network.fixed is None:
        halo = None
        if not attention and seconds[1] < 2.0:
            halo = trial.needed_halo(
                lambda image: exact.upscale(image, Options(), SILENT), scale, multiple_of, progress
            )
        rule = trial.exact(halo, multiple_of) if halo else trial.blended(multiple_of, attention=attention)
    precisions = ("fp32", "bf16") if _gains_from_bf16(network, exact, scale, multiple_of, seconds[1]) else ("fp32",)
    loader = Loader("onnx", scale, precisions=precisions, multiple_of=multiple_of)
    family: Family = "attention" if attention else "convolutional"
    bytes_per_pixel = max(round(grown.bytes / _SIDE**2), _LEAST_BYTES)
    flops_per_pixel = 2.0 * network.parameters
    return trial.TrialFindings(
        loader, "ONNX", family, network.parameters, rule, bytes_per_pixel, flops_per_pixel, seconds
    )


def _scale_and_multiple(network: OnnxNetwork) -> tuple[int, int]:
    """Return the scale, and the number that the input's sides must be multiples of. Raises BadInput."""
    request = OnnxRun(network)
    if network.fixed is not None:
        return _scale(request(synthetic_image_of(network.fixed)), network.fixed, network.name), 1
    refusal: BadInput | None = None
    for multiple_of in _MULTIPLES:
        # The smallest sufficient odd multiple, so that a network that needs a larger divisor does not pass by chance.
        sides = (_odd(multiple_of, 35), _odd(multiple_of, 45))
        try:
            return _scale(request(synthetic_image_of(sides)), sides, network.name), multiple_of
        except BadInput as exc:
            refusal = refusal or exc
    assert refusal is not None
    raise refusal


def _odd(multiple_of: int, least: int) -> int:
    count = max(-(-least // multiple_of), 1)
    return multiple_of * (count if count % 2 else count + 1)


class OnnxRun:
    """A network compiled in fp32, without padding."""

    def __init__(self, network: OnnxNetwork) -> None:
        self._upscaler = OnnxUpscaler(network, "fp32", 1)

    def __call__(self, image: Image) -> Image:
        """Return the network's output for an image (H, W, 3), without the batch axis."""
        return self._upscaler.run(image)


def synthetic_image_of(sides: tuple[int, int]) -> Image:
    """Return `synthetic_image`, cropped to (height, width)."""
    return readonly(np.ascontiguousarray(synthetic_image(max(sides))[: sides[0], : sides[1]]))


def _scale(result: Image, sides: tuple[int, int], name: str) -> int:
    """Return the scale of a result. Raises BadInput if it is not an upscaled image."""
    if result.ndim != 3 or result.shape[2] != 3:
        raise BadInput(f"{name} is not image to image: it must return (1, 3, height, width).")
    if not np.isfinite(result).all():
        raise BadInput(f"{name} returns values that are not numbers for a small photo.")
    scale = result.shape[0] // sides[0]
    if result.shape[:2] != (scale * sides[0], scale * sides[1]) or scale not in trial.SCALES:
        raise BadInput(
            f"{name} returns {result.shape[1]} x {result.shape[0]} pixels for {sides[1]} x {sides[0]}; "
            f"scales of {', '.join(map(str, trial.SCALES))} can be run here."
        )
    if np.abs(result).max() > _BRIGHTEST:
        raise BadInput(f"{name} returns values up to {np.abs(result).max():.0f}. Export it for colours from 0 to 1.")
    return scale


def _gains_from_bf16(network: OnnxNetwork, exact: OnnxUpscaler, scale: int, multiple_of: int, seconds: float) -> bool:
    """Return whether bf16 is faster here and agrees with fp32."""
    if openvino_backend.fast_precision() == "fp32":
        return False
    image = synthetic_image(_SIDE)
    fast = OnnxUpscaler(network, "bf16", scale, multiple_of)
    agreement = float_psnr(fast.upscale(image, Options(), SILENT), exact.upscale(image, Options(), SILENT))
    begun = time.perf_counter()
    fast.upscale(image, Options(), SILENT)
    return agreement >= _AGREEMENT and time.perf_counter() - begun < seconds
