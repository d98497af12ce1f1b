"""Upscaling of one image by a loaded model: size plan, tiles, alpha, gray, and the guarantees of the contract."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from typing import NamedTuple

import numpy as np

from sr_demo.checkpoint import Checkpoint
from sr_demo.codecs.conversions import has_srgb_curve
from sr_demo.diffusion.trajectory import TracingUpscaler, Trajectory
from sr_demo.errors import NOT_NUMBERS, OutOfMemory, SRError
from sr_demo.image import Image, ImageData, Pixels, Size, readonly, unit
from sr_demo.imaging import tiling
from sr_demo.imaging.resize import resize, resized_bands
from sr_demo.inference import large_results
from sr_demo.inference.black_and_white import keep_black_and_white
from sr_demo.inference.jobs import Job, LoadedModel
from sr_demo.inference.size_plan import Step
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Approach, BatchUpscaler, RemarkingUpscaler, SizedUpscaler
from sr_demo.system import large_array
from sr_demo.system.memory import budget

_RESAMPLING_SHARE = 0.05
"""Share of the progress for each resampling step of a size plan."""


class MeasuredRun(NamedTuple):
    """The time of one run of the method."""

    step: Step
    seconds: float


@dataclass(frozen=True)
class Upscaled:
    """An upscaled image, and how it was computed."""

    image: ImageData
    tile: int
    """Width of the tiles in LR pixels, without halo; 0 for methods that we do not tile."""
    tiles: int
    """Number of tiles of all runs together."""
    trajectory: tuple[Trajectory, ...] = ()
    """The steps of an iterative method that led to the colours, if the result comes from a single run; else empty."""
    runs: tuple[MeasuredRun, ...] = ()
    remarks: tuple[str, ...] = ()
    """Remarks of the method; see `RemarkingUpscaler`."""

    @property
    def nbytes(self) -> int:
        """Total bytes of the image, its alpha channel and the spread of samples."""
        arrays = (self.image.pixels, self.image.alpha, *(one.spread for one in self.trajectory))
        return sum(array.nbytes for array in arrays if array is not None)


def passes(approach: Approach, checkpoint: Checkpoint, *, opacity: bool) -> int:
    """Return the number of runs of a method for one image: 2 if it also upscales the alpha channel, otherwise 1."""
    return 2 if opacity and not approach.invents_with(checkpoint) else 1


def upscale_image(model: LoadedModel, image: ImageData, progress: Progress, *, exact: bool = False) -> Upscaled:
    """Upscale an image to the size that the job requests, by the steps of its size plan.

    Args:
        model: The loaded method.
        image: The input.
        progress: Receives 0..1, and is checked for Stop before each tile.
        exact: Whether the result is processed further, so that it must not be rounded; see `large_results`.

    Returns:
        The image at the requested size, or at `model.job.scale` times the size, of the same kind (alpha, gray, bit depth,
        profile), with the resolution in dpi of the request, if any.

    Raises:
        BadInput: The requested size is out of range for this image.
        OutOfMemory: Even the smallest tile does not fit.
        Cancelled: Stop was pressed.
    """
    job = model.job
    plan = job.plan(image.size)
    levels = not exact and large_results.is_rounded(plan.size, image.bits)
    tile, tiles, walk, runs, remarks = 0, 0, (), list[MeasuredRun](), list[str]()
    for step, part in zip(plan.steps, _parts(plan.steps, progress), strict=True):
        if step.kind == "resample":
            image = _resampled(image, step.after, part, linear=step is plan.steps[-1])
            continue
        begun = time.perf_counter()
        done = _run(model, image, step.after, part, levels=levels and step is plan.steps[-1])
        runs.append(MeasuredRun(step, time.perf_counter() - begun))
        image, tile, tiles, walk = done.image, done.tile, tiles + done.tiles, done.trajectory
        remarks += done.remarks
    if job.size is not None and job.size.dpi is not None:
        image = replace(image, metadata=replace(image.metadata, dpi=(job.size.dpi, job.size.dpi)))
    if levels:
        image = large_results.rounded(image)
    walk = walk if len(plan.steps) == 1 else ()
    return Upscaled(image, tile, tiles, walk, tuple(runs), tuple(dict.fromkeys(remarks)))


def _parts(steps: tuple[Step, ...], progress: Progress) -> Iterator[Progress]:
    """Yield the progress of each step; runs are weighted by the pixels of their input."""
    pixels = sum(step.before.height * step.before.width for step in steps if step.kind == "run")
    left = 1 - _RESAMPLING_SHARE * sum(step.kind == "resample" for step in steps)
    begun = 0.0
    for step in steps:
        area = step.before.height * step.before.width
        share = left * area / pixels if step.kind == "run" else _RESAMPLING_SHARE
        yield progress.part(begun, begun + share)
        begun += share


def _resampled(image: ImageData, size: Size, progress: Progress, *, linear: bool) -> ImageData:
    """Return `image` resampled to `size`.

    Args:
        image: The image to resample.
        size: Height and width of the result.
        progress: Receives 0..1, and is checked for Stop.
        linear: Whether to average linear light, for final results. It applies only to colours, to downscaling, and to images
            whose values are levels of sRGB. Inputs of another run are averaged as they are, as in the training of networks.
    """
    progress(0.0, "resampling")
    smaller = size.height * size.width < image.rgb.shape[0] * image.rgb.shape[1]
    linear = linear and smaller and image.values is None and has_srgb_curve(image.icc)
    with _memory_error_translated():
        rgb = resize(image.rgb, size, linear=linear, progress=progress)
        alpha = None if image.alpha is None else resize(image.alpha, size)
    return replace(image, pixels=rgb, alpha=alpha)


def _run(model: LoadedModel, image: ImageData, size: Size, progress: Progress, *, levels: bool) -> Upscaled:
    """Run the method once, to `size`: on the colours, which may be rounded to levels, and separately on the alpha channel."""
    alpha_runs = passes(model.job.approach, model.job.checkpoint, opacity=image.alpha is not None) == 2
    # Gray stored as RGB counts as gray, so that methods do not add colours to it.
    finish = _gray if image.gray or large_array.equal_channels(image.rgb) else _unchanged
    result = _guaranteed(
        model, image.rgb, size, progress.part(0, 0.5) if alpha_runs else progress, finish, 3, levels=levels
    )
    invents = model.job.approach.invents_with(model.job.checkpoint)
    pixels = result.image if invents else keep_black_and_white(result.image, image.rgb)
    alpha = image.alpha
    if alpha is not None and alpha_runs:
        alpha = _upscaled_alpha(model, alpha, size, progress.part(0.5, 1))
    elif alpha is not None:
        # Opacity must not be invented, so that it is interpolated for generative methods.
        alpha = resize(alpha, pixels.shape[:2])
    upscaled = replace(image, pixels=pixels, alpha=alpha)
    return Upscaled(upscaled, result.tile, result.tiles, result.trajectory, remarks=result.remarks)


def _upscaled_alpha(model: LoadedModel, alpha: Image, size: Size, progress: Progress) -> Image:
    """Return `alpha` (H, W) upscaled by the method, except where interpolation gives exactly 0 or 1.

    Networks are off by a few thousandths, while fully opaque and fully transparent pixels must stay so.
    """
    stacked = readonly(np.broadcast_to(alpha[..., None], (*alpha.shape, 3)))
    result = unit(_guaranteed(model, stacked, size, progress, _one_channel, 1).image)
    result.flags.writeable = True  # allocated here, and not returned yet
    for rows, plain in resized_bands(alpha[..., None], result.shape[:2]):
        np.copyto(result[rows], plain, where=(plain == 0) | (plain == 1))
        large_array.release(result[rows])
    return readonly(result[..., 0])


@dataclass(frozen=True)
class _Plane:
    """`Upscaled` for one array."""

    image: Pixels
    tile: int
    tiles: int
    trajectory: tuple[Trajectory, ...] = ()
    remarks: tuple[str, ...] = ()


Finish = Callable[[Image], Image]
"""Function from the method's result, or a tile of it, to the values that are kept."""


def _unchanged(result: Image) -> Image:
    return result


def _gray(result: Image) -> Image:
    """Return (H, W, 3) with the mean of each pixel in all channels."""
    out = large_array.zeros(*result.shape)
    for rows in large_array.bands(result, out):
        out[rows] = result[rows].mean(axis=2, keepdims=True, dtype=np.float32)
    return readonly(out)


def _one_channel(result: Image) -> Image:
    """Return the mean of each pixel, (H, W, 1), in a new array."""
    out = large_array.zeros(*result.shape[:2], 1)
    for rows in large_array.bands(result, out):
        out[rows] = result[rows].mean(axis=2, keepdims=True, dtype=np.float32)
    return readonly(out)


def _guaranteed(
    model: LoadedModel, image: Image, size: Size, progress: Progress, finish: Finish, channels: int, *,
    levels: bool = False,
) -> _Plane:  # fmt: skip
    """Upscale (H, W, 3) with the guarantees of the contract: tiled as declared, exact size, finite, in [0, 1], read-only.

    `finish` is applied to each tile and returns `channels` channels. The result is float32; with `levels`, it may be rounded
    to levels of 0..255. When memory runs out, the work starts over with the next smaller plan. A `size` other than that of
    the method's own scale needs a method of any scale, which reaches it without tiles.
    """
    upscaler, options = model.upscaler, model.job.options
    rule = model.job.approach.tiling_of(model.job.checkpoint)

    def own(source: tuple[int, ...]) -> Size:
        return Size(*model.job.approach.size_with(options, source[0], source[1], checkpoint=model.job.checkpoint))

    def check(result: Image, source: tuple[int, ...]) -> Image:
        return finish(_checked(model.job, result, own(source)))

    def one(tile: Image, part: Progress) -> Image:
        with _memory_error_translated():
            return upscaler.upscale(tile, options, part)

    if size != own(image.shape):
        progress(0.0)
        assert isinstance(upscaler, SizedUpscaler), f"{model.job.approach.id} cannot reach {size} by itself"
        with _memory_error_translated():
            result = upscaler.upscale_to(readonly(np.ascontiguousarray(image)), size, options, progress)
        plane = _Plane(finish(_checked(model.job, result, size)), 0, 1)
        progress(1.0)
        return plane
    if rule.mode != "tiles":
        progress(0.0)
        plane = _at_once(model, readonly(np.ascontiguousarray(image)), progress)
        plane = replace(plane, image=check(unit(plane.image), image.shape[:2]))
        progress(1.0)
        return plane
    batched = isinstance(upscaler, BatchUpscaler)
    free, most = (upscaler.budget(), upscaler.at_once) if batched else (budget(), 1)
    plan = tiling.plan_tiles(rule, model.job.checkpoint.bytes_per_pixel, free, image.shape[:2], most)
    while True:
        scale = model.job.default_scale
        try:
            if len(plan.tiles) == 1:
                pixels = tiling.run(image, plan, scale, one, progress, check, channels)
            else:
                many = partial(_in_batches, upscaler, options) if batched else partial(tiling.one_by_one, one)
                pixels = tiling.run_in_batches(image, plan, scale, many, progress, check, channels, levels=levels)
            return _Plane(pixels, plan.columns[0].stop, len(plan.tiles))  # the first column is the widest
        except OutOfMemory:
            smaller = plan.smaller()
            if smaller is None:
                raise
            plan = smaller


def _at_once(model: LoadedModel, image: Image, progress: Progress) -> _Plane:
    """Upscale (H, W, 3) as a whole with a method that we do not tile; include its trajectory or remarks."""
    upscaler, options = model.upscaler, model.job.options
    with _memory_error_translated():
        if isinstance(upscaler, TracingUpscaler):
            result, walk = upscaler.upscale_traced(image, options, progress)
            return _Plane(result, 0, 1, (walk,))
        if isinstance(upscaler, RemarkingUpscaler):
            result, remarks = upscaler.upscale_remarked(image, options, progress)
            return _Plane(result, 0, 1, remarks=remarks)
        return _Plane(upscaler.upscale(image, options, progress), 0, 1)


def _in_batches(upscaler: BatchUpscaler, options: Options, batches: Iterator[tiling.Batch]) -> Iterator[list[Image]]:
    return upscaler.upscale_many((batch.images for batch in batches), options)


def _checked(job: Job, result: Image, size: Size) -> Image:
    """Return `result` clipped to [0, 1] and read-only; any other violation of the contract is a bug of the approach.

    Raises SRError when a user's network returns values that are not finite.
    """
    approach = job.approach
    expected = (*size, 3)
    assert result.shape == expected, f"{approach.id} returned {result.shape}, not {expected}"
    assert result.dtype == np.float32, f"{approach.id} returned {result.dtype}"
    bounds = [(result[rows].min(), result[rows].max()) for rows in large_array.bands(result)]
    low, high = (float(np.min(bounds)), float(np.max(bounds)))  # NaN propagates
    is_finite = isfinite(low) and isfinite(high)
    if not is_finite and job.checkpoint.is_file_of_user:
        raise SRError(NOT_NUMBERS)
    assert is_finite, f"{approach.id} returned values that are not numbers"
    with _memory_error_translated():
        return readonly(result if low >= 0 and high <= 1 else _clipped(result))


def _clipped(result: Image) -> Image:
    out = large_array.zeros(*result.shape)
    for rows in large_array.bands(result, out):
        np.clip(result[rows], 0, 1, out=out[rows])
    return out


@contextmanager
def _memory_error_translated() -> Generator[None]:
    """Translate numpy's MemoryError into OutOfMemory, so that smaller tiles are tried."""
    try:
        yield
    except MemoryError as exc:
        raise OutOfMemory from exc
