"""The trial of a user's network on a small image: checks that it is image to image, finite and deterministic; measures it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil, lcm
from pathlib import Path
from typing import Any

import numpy as np

from sr_demo.backends.selection import float_psnr, synthetic_image
from sr_demo.checkpoint import OWN, TILE_ERROR, Tiling
from sr_demo.codecs.sniff import display_name
from sr_demo.errors import BadInput, OutOfMemory, SRError
from sr_demo.image import Image, readonly
from sr_demo.inference.halos import tile_errors
from sr_demo.options import GenerativeOptions, Options
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Family, Upscaler
from sr_demo.user_models import networks
from sr_demo.user_models.networks import Loader, ReadNetwork

SCALES = (1, 2, 3, 4, 8)
_SIDE = 64
"""Side of the image in LR pixels on which memory and time are measured."""
_ODD = (45, 52)
"""Height and width of the image that the network is tried on; not multiples of a window."""
_HALO_SIDE = 96
_HALOS = (4, 8, 14, 20, 28, 40)
"""Halos that are tried; if none suffices, tiles are blended."""
_PATIENCE = 5.0
"""Largest number of seconds for one run on `_HALO_SIDE` pixels to measure the halo; tiles of slower networks are blended."""
_SAME = 1e-4
"""Largest difference between two runs of a deterministic network."""
_AGREEMENT = 40.0
"""Smallest PSNR in dB between the reduced precision and fp32."""
_ROOM = 1.5
"""Ratio of the declared working memory to the bytes of tensors, for the libraries' own buffers."""


@dataclass(frozen=True)
class TrialFindings:
    """Findings of a trial: all facts about a network that its approach needs."""

    loader: Loader
    architecture: str
    """Name of the architecture on the page."""
    family: Family
    parameters: int
    """Number of weights."""
    tiling: Tiling
    bytes_per_pixel: int
    """Assumed working memory per LR pixel in fp32, in bytes."""
    flops_per_pixel: float
    """FLOPs per LR pixel (2 per multiply-add)."""
    seconds: tuple[float, float]
    """Seconds of the first and of a later run on `side` x `side` LR pixels in fp32."""
    side: int = _SIDE
    """Side of the timed image in LR pixels."""


def try_out(path: Path, progress: Progress = SILENT) -> TrialFindings:
    """Read a model file that `model_file.check` accepted, and try out its network. Raises SRError or Cancelled."""
    if path.suffix.lower() == ".onnx":
        from sr_demo.user_models import onnx_trial

        return onnx_trial.try_out(path, progress)
    progress(0.0, "reading the model")
    found, name = networks.read(path), display_name(path.name)
    progress(0.3, "trying it out")
    if found.scale not in SCALES:
        raise BadInput(f"{name} enlarges {found.scale} times; scales of {', '.join(map(str, SCALES))} can be run here.")
    attention = _is_attention(found.module)
    loader = Loader(
        found.kind, found.scale, "convert" if attention and found.kind == "spandrel" else "autocast",
        bare=found.kind == "spandrel" and not attention and _runs_bare(found, name), precisions=found.precisions,
    )  # fmt: skip
    with _named(name):
        in_fp32 = loader.upscaler(found, "fp32")
        check_behaviour(in_fp32, found, name)
        bytes_per_pixel, flops = _memory_and_work(in_fp32, found)
        seconds = timed(in_fp32, found)
        progress(0.5, "measuring how much context tiles need")
        rule = OWN if found.kind == "liif" else _tiling(in_fp32, found, attention, seconds[1], progress)
        progress(0.9, "comparing number formats")
        loader = _with_fast_precision(loader, found, in_fp32, seconds[1])
    family: Family = "implicit" if found.kind == "liif" else "attention" if attention else "convolutional"
    parameters = sum(value.numel() for value in found.module.parameters())
    return TrialFindings(loader, found.architecture, family, parameters, rule, bytes_per_pixel, flops, seconds)


@contextmanager
def _named(name: str) -> Generator[None]:
    """Translate the errors of a network that cannot process the image."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as exc:
        raise BadInput(
            f"{name} cannot be run on a small photo ({type(exc).__name__}): it is not image to image."
        ) from exc


def _run(upscaler: Upscaler, found: ReadNetwork, image: Image) -> Image:
    return upscaler.upscale(image, options_of(found.kind), SILENT)


def options_of(kind: networks.Kind) -> Options:
    """Return the default options of the approach of a network of this kind."""
    if kind == "liif":
        from sr_demo.approaches.liif import LiifOptions

        return LiifOptions()
    return GenerativeOptions()  # it may be generative, since its training is unknown


def check_behaviour(upscaler: Upscaler, found: ReadNetwork, name: str) -> None:
    """Raise BadInput if the network does not return the upscaled image, finite and deterministic."""
    image = readonly(np.ascontiguousarray(synthetic_image(_SIDE)[: _ODD[0], : _ODD[1]]))
    try:
        first, second = _run(upscaler, found, image), _run(upscaler, found, image)
    except (BadInput, OutOfMemory):
        raise
    except SRError as exc:
        raise BadInput(f"{name} returns values that are not numbers for a small photo.") from exc
    expected = (found.scale * _ODD[0], found.scale * _ODD[1], 3)
    if first.shape != expected:
        raise BadInput(f"{name} is not image to image: it returns {first.shape} for a photo, not {expected}.")
    if np.abs(first - second).max() > _SAME:
        raise BadInput(f"{name} returns another result each time for the same photo. Export it without randomness.")


def _is_attention(module: Any) -> bool:
    """Return whether a network computes attention; if so, conversion to bf16 is faster, while autocast is not."""
    from torch import nn

    return any(isinstance(part, nn.Linear | nn.LayerNorm | nn.MultiheadAttention) for part in module.modules())


def _runs_bare(found: ReadNetwork, name: str) -> bool:
    """Return whether the module alone gives the result of its descriptor, at odd sizes and for the smallest images too."""
    import torch

    image = torch.from_numpy(synthetic_image(_SIDE)[: _ODD[0], : _ODD[1]].copy()).permute(2, 0, 1)[None]
    if found.multiple_of > 1:
        return False
    with _named(name), torch.inference_mode():
        # Copies: some networks change their input.
        module, whole = (network.eval()(image.clone()) for network in (found.module, found.network))
    if not isinstance(module, torch.Tensor) or not torch.equal(module.clamp(0, 1), whole.clamp(0, 1)):
        return False
    try:
        with torch.inference_mode():
            found.module(image[..., :1, :1].clone())
    except (RuntimeError, ValueError, IndexError):  # the descriptor pads what is too small to be reflected
        return False
    return True


def _memory_and_work(upscaler: Upscaler, found: ReadNetwork) -> tuple[int, float]:
    """Return the working memory in bytes and the operations, both per LR pixel, counted while the network runs."""
    from torch.utils.flop_counter import FlopCounterMode

    from sr_demo.user_models.live_bytes import LiveBytes

    counter = FlopCounterMode(display=False)
    with counter, LiveBytes() as live:
        _run(upscaler, found, synthetic_image(_SIDE))
    pixels = _SIDE * _SIDE
    return round(_ROOM * live.peak / pixels), max(counter.get_total_flops() / pixels, 1.0)


def timed(upscaler: Upscaler, found: ReadNetwork) -> tuple[float, float]:
    """Return the seconds of a first and of a later run."""
    image = synthetic_image(_SIDE)
    taken: list[float] = []
    for _ in range(3):
        begun = time.perf_counter()
        _run(upscaler, found, image)
        taken.append(time.perf_counter() - begun)
    return taken[0], min(taken[1:])


def _tiling(upscaler: Upscaler, found: ReadNetwork, attention: bool, seconds: float, progress: Progress) -> Tiling:
    if not attention and seconds * (_HALO_SIDE / _SIDE) ** 2 < _PATIENCE:
        halo = needed_halo(lambda image: _run(upscaler, found, image), found.scale, found.multiple_of, progress)
        if halo is not None:
            return exact(halo, found.multiple_of)
    return blended(found.multiple_of, attention=attention)


def needed_halo(upscale: Callable[[Image], Image], scale: int, multiple_of: int, progress: Progress) -> int | None:
    """Return the smallest tested halo with which tiles equal the whole image up to `checkpoint.TILE_ERROR`; None if none."""
    halos = sorted({_rounded_up(halo, multiple_of) for halo in _HALOS})
    side = 2 * _rounded_up(max(_HALO_SIDE // 2, halos[-1]), multiple_of)
    for halo, error in tile_errors(upscale, scale, halos, side=side):
        progress.check()
        if error <= TILE_ERROR:
            return halo
    return None


def exact(halo: int, multiple_of: int) -> Tiling:
    """Return the tiling rule without blending."""
    return Tiling("tiles", halo=halo, multiple_of=multiple_of, max_aspect=2)


def blended(multiple_of: int, *, attention: bool) -> Tiling:
    """Return the tiling rule with blending, similar to that of HAT and of the large network of Real-ESRGAN."""
    if attention:
        step = lcm(16, multiple_of)
        return Tiling("tiles", halo=_rounded_up(32, step), multiple_of=step, blend=16, max_input_width=256)
    return Tiling("tiles", halo=_rounded_up(24, multiple_of), multiple_of=multiple_of, blend=8, max_aspect=2)


def _rounded_up(value: int, multiple_of: int) -> int:
    return ceil(value / multiple_of) * multiple_of


def _with_fast_precision(loader: Loader, found: ReadNetwork, in_fp32: Upscaler, seconds: float) -> Loader:
    """Return the loader with its valid precisions: only fp32 if the reduced precision is slower or differs too much."""
    from sr_demo.backends.torch_backend import choose_precision

    fast = choose_precision("auto", found.precisions)
    if fast == "fp32":
        return loader
    image = synthetic_image(_SIDE)
    whole = _run(in_fp32, found, image)
    try:
        upscaler = loader.upscaler(found, fast)
        agrees = float_psnr(_run(upscaler, found, image), whole) >= _AGREEMENT
        quick = timed(upscaler, found)[1] < seconds
    except SRError:  # the result is not finite
        agrees = quick = False
    return loader if agrees and quick else replace(loader, precisions=("fp32",))
