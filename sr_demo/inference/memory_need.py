"""Memory, disk and address space that a job needs, computed from sizes alone, and the refusal of jobs that do not fit.

Tiles are as small as memory requires, so that only the result matters: arrays in memory or on disk (`large_array`), and the
memory of methods that we do not tile.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from sr_demo.checkpoint import Checkpoint
from sr_demo.errors import OutOfMemory, SRError, StorageError
from sr_demo.image import ImageData, Size
from sr_demo.imaging.output_size import OutputSize
from sr_demo.inference import large_results
from sr_demo.inference.faithful import partner
from sr_demo.inference.jobs import Job
from sr_demo.inference.size_plan import Step, plan_size
from sr_demo.options import Options
from sr_demo.spec import Approach
from sr_demo.system import large_array, memory, storage

_OTHER_ADDRESSES = 256 * 2**20
"""Address space of threads and bands, in addition to the arrays."""
_HELD = 1_200_000_000
"""Share of `memory.ALLOWED` that a method may hold for the whole result; the rest is for tiles and for writing."""


@dataclass(frozen=True)
class Traits:
    """All properties of a job that its need depends on, except the size."""

    approach: Approach
    checkpoint: Checkpoint
    options: Options
    opacity: bool = False
    gray: bool = False
    bits: int = 8
    size: OutputSize | None = None
    blended: bool = False
    """Whether the result is a blend of two others, which are held at the same time."""
    limited: bool = False
    """Whether a map limits the detail of the blend; see `faithful.detail_map`."""


@dataclass(frozen=True)
class Need:
    """Bytes that one job needs."""

    memory: int
    """RAM for the whole result."""
    disk: int
    """Large arrays in the cache folder, and the PNG, whose size is that of its uncompressed samples at most."""
    addresses: int
    """Address space that is mapped at the same time."""
    pixels: int
    """Number of pixels of the result (not bytes)."""


@dataclass(frozen=True)
class AvailableResources:
    """Bytes available to this process."""

    memory: int
    disk: int
    addresses: int


def need_of(traits: Traits, height: int, width: int) -> Need:
    """Return the need for an input of `height` x `width` LR pixels, which is that of the largest step of the size plan.

    Raises BadInput if the requested size is out of range for this input.
    """
    plan = plan_size(traits.approach, traits.checkpoint, traits.options, traits.size, Size(height, width))
    steps = [_held_in(traits, step, plan.size, first=index == 0) for index, step in enumerate(plan.steps)]
    pixels = plan.size.height * plan.size.width
    exact = _arrays(traits, plan.size)
    beside = exact.plus(exact) if traits.blended else _Held(0, 0)
    if traits.limited:
        beside = beside.plus(_held([4 * pixels]))
    levels = large_results.is_rounded(plan.size, traits.bits)
    files = (_arrays(traits, plan.size, levels=True) if levels else exact).files
    channels = (1 if traits.gray else 3) + traits.opacity
    png = pixels * channels * traits.bits // 8 if exact.files else 0  # a small PNG is not counted
    return Need(
        beside.memory + max(held.memory for held in steps),
        beside.files + max(files + png, *(held.files for held in steps)),
        beside.memory + beside.files + max(held.memory + held.files for held in steps),
        pixels,
    )


@dataclass(frozen=True)
class _Held:
    """Bytes of arrays."""

    memory: int
    files: int

    def plus(self, other: _Held) -> _Held:
        """Return the sum of both."""
        return _Held(self.memory + other.memory, self.files + other.files)


def _arrays(traits: Traits, size: Size, *, levels: bool = False) -> _Held:
    """Return the bytes of an image of `size`, in float32 or with its colours as 8-bit levels."""
    pixels = size.height * size.width
    arrays = [(3 if levels else 12) * pixels, *([4 * pixels] if traits.opacity else [])]
    return _held(arrays)


def _held(arrays: Sequence[int]) -> _Held:
    """Return where arrays with these numbers of bytes are held."""
    files = sum(count for count in arrays if count > large_array.IN_MEMORY)
    return _Held(sum(arrays) - files, files)


def _held_in(traits: Traits, step: Step, last: Size, *, first: bool) -> _Held:
    """Return the bytes that are held during a step: its result, its input unless it is the image, and memory of the method.

    A large 8-bit result is rounded when its tiles are placed, or when it is complete; in the latter case both forms are held.
    """
    rule = traits.approach.tiling_of(traits.checkpoint)
    levels = step.after == last and large_results.is_rounded(last, traits.bits)
    in_place = levels and not traits.blended and step.kind == "run" and rule.mode == "tiles" and not rule.blend
    after = _arrays(traits, step.after, levels=in_place)
    if levels and not in_place:
        after = after.plus(_arrays(replace(traits, opacity=False), last, levels=True))
    before = _Held(0, 0) if first else _arrays(traits, step.before)
    each = rule.bytes_per_result_pixel if step.kind == "run" else 0
    return after.plus(before).plus(_Held(each * step.after.height * step.after.width, 0))


def available_resources() -> AvailableResources:
    """Return the bytes that this process may use now, within the limits of its cgroup and its own limits."""
    return AvailableResources(min(memory.available_bytes(), _HELD), _free_disk(), _free_addresses())


def check(traits: Traits, image: ImageData) -> None:
    """Raise OutOfMemory or StorageError, which names a size that fits, if `image` cannot be upscaled here."""
    refuse(traits, (image.rgb.shape[0], image.rgb.shape[1]), available_resources())


def refuse(traits: Traits, size: tuple[int, int], there: AvailableResources) -> None:
    """Like `check`, for given sizes.

    Args:
        traits: Properties of the job.
        size: Height and width of the input in LR pixels.
        there: Available bytes.

    Raises:
        StorageError: The disk is too small.
        OutOfMemory: RAM or the address space is too small.
    """
    need = need_of(traits, *size)
    if traits.size is not None:  # the advice names parts of the image at the same scale
        traits = replace(traits, size=traits.size.for_part(Size(*size)))
    smaller = "" if traits.size is None else "ask for a smaller size, "
    what = f"The result would have {_count(need.pixels / 1e6)} megapixels and needs "
    # If there is no disk for files, arrays that are not too large are held in memory; see `large_array.zeros`.
    if need.disk > there.disk and 12 * need.pixels > large_array.AT_MOST:
        advice = smaller + _advice(lambda side: need_of(traits, side, side).disk <= there.disk, size)
        raise StorageError(
            f"{what}{_gigabytes(need.disk)} of disk; {_gigabytes(there.disk, down=True)} are free: {advice}"
        )
    if need.memory > there.memory:
        advice = smaller + _advice(lambda side: need_of(traits, side, side).memory <= there.memory, size)
        raise OutOfMemory(
            f"{what}{_gigabytes(need.memory)} of memory; {_gigabytes(there.memory, down=True)} may be used: {advice}"
        )
    if need.addresses > there.addresses:
        advice = smaller + _advice(lambda side: need_of(traits, side, side).addresses <= there.addresses, size)
        raise OutOfMemory(
            f"{what}{_gigabytes(need.addresses)} of address space; this process is limited to "
            f"{_gigabytes(there.addresses, down=True)} more (ulimit -v): {advice}"
        )


def largest_side(job: Job, most: int) -> int:
    """Return the side, at most `most`, of the largest square image that `job` may upscale if all its memory is free."""
    traits = Traits(job.approach, job.checkpoint, job.options, size=job.size, blended=partner(job) is not None)
    return _largest_side(lambda side: need_of(traits, side, side).memory <= _HELD, most + 1)


def traits_of(job: Job, image: ImageData) -> Traits:
    """Return the traits of running `job` on `image`."""
    opacity = image.alpha is not None
    blended = partner(job) is not None
    return Traits(job.approach, job.checkpoint, job.options, opacity, image.gray, image.bits, job.size, blended)


def _advice(fits: Callable[[int], bool], size: tuple[int, int]) -> str:
    """Return advice with the largest square that fits."""
    low = _largest_side(fits, ceil((size[0] * size[1]) ** 0.5))
    return f"crop the photo or choose a part of at most {low} x {low} pixels." if low else "make room first."


def _largest_side(fits: Callable[[int], bool], below: int) -> int:
    """Return the largest side below `below` that fits, found by bisection; 0 if none does."""
    low, high = 0, below
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _free_disk() -> int:
    """Return the free bytes on the disk of the cache folder; 0 if no files can be written there."""
    try:
        return storage.free_bytes(storage.ensure_folder(storage.cache_folder() / "results"))
    except SRError:
        return 0


def _free_addresses() -> int:
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return max(limit - used - _OTHER_ADDRESSES, 0)


def _count(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _gigabytes(count: int, *, down: bool = False) -> str:
    """Format to a tenth of a gigabyte, rounded up for needs and down for available bytes, so that both never seem to fit."""
    tenths = count // 10**8 if down else -(-count // 10**8)
    return f"{tenths / 10:.1f} GB"
