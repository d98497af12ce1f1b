"""What a job needs of memory, addresses and disk, known from sizes alone before any work starts; and its refusal.

Tiles are made as small as memory asks for, so what counts is the result: arrays in memory or on the disk (`large_array`),
and what methods that cut the picture themselves hold beside them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from sr_demo.errors import OutOfMemory, SRError, StorageError
from sr_demo.image import ImageData
from sr_demo.options import Options
from sr_demo.spec import Approach, Checkpoint
from sr_demo.system import large_array, memory, storage

_OTHER_ADDRESSES = 256 * 2**20
"""Addresses for threads and bands, beside the arrays."""
_HELD = 1_200_000_000
"""Of `memory.ALLOWED`, what a method may hold of the whole result; the rest is for its tiles and for writing the result."""


@dataclass(frozen=True)
class Traits:
    """What a job's need depends on, beside the size."""

    approach: Approach
    checkpoint: Checkpoint
    options: Options
    opacity: bool = False
    gray: bool = False
    bits: int = 8


@dataclass(frozen=True)
class Need:
    """Bytes."""

    memory: int
    """Held in memory for the whole result."""
    disk: int
    """Files: large arrays in the cache folder, and the PNG, which may take as much as its samples."""
    addresses: int
    """Mapped at the same time."""
    pixels: int
    """Of the result."""


@dataclass(frozen=True)
class Room:
    """What there is, in bytes."""

    memory: int
    disk: int
    addresses: int


def need_of(traits: Traits, height: int, width: int) -> Need:
    """The need for an input of `height` x `width`."""
    rows, columns = traits.approach.size_with(traits.options, height, width)
    pixels = rows * columns
    arrays = [12 * pixels, *([4 * pixels] if traits.opacity else [])]
    files = sum(size for size in arrays if size > large_array.IN_MEMORY)
    held = traits.approach.tiling_of(traits.checkpoint).held * pixels
    inside = sum(arrays) - files + held
    channels = (1 if traits.gray else 3) + traits.opacity
    png = pixels * channels * traits.bits // 8 if files else 0  # beside a small one there is always room, or a sentence
    return Need(inside, files + png, files + inside, pixels)


def room() -> Room:
    """What this process may use now: the cgroup's and the process's own limits count."""
    return Room(min(memory.available_bytes(), _HELD), _free_disk(), _free_addresses())


def check(traits: Traits, picture: ImageData) -> None:
    """Raise OutOfMemory or StorageError, with a size that fits, where `picture` cannot be enlarged here."""
    refuse(traits, (picture.rgb.shape[0], picture.rgb.shape[1]), room())


def refuse(traits: Traits, size: tuple[int, int], there: Room) -> None:
    """`check`, for an input of `size` (height, width) and the room that is `there`."""
    need = need_of(traits, *size)
    what = f"The result would have {_count(need.pixels / 1e6)} megapixels and needs "
    # Without a place for files, memory takes what is not too large: see `large_array.zeros`.
    if need.disk > there.disk and 12 * need.pixels > large_array.AT_MOST:
        advice = _advice(lambda side: need_of(traits, side, side).disk <= there.disk, size)
        raise StorageError(
            f"{what}{_gigabytes(need.disk)} of disk; {_gigabytes(there.disk, down=True)} are free: {advice}"
        )
    if need.memory > there.memory:
        advice = _advice(lambda side: need_of(traits, side, side).memory <= there.memory, size)
        raise OutOfMemory(
            f"{what}{_gigabytes(need.memory)} of memory; {_gigabytes(there.memory, down=True)} may be used: {advice}"
        )
    if need.addresses > there.addresses:
        advice = _advice(lambda side: need_of(traits, side, side).addresses <= there.addresses, size)
        raise OutOfMemory(
            f"{what}{_gigabytes(need.addresses)} of address space; this process is limited to "
            f"{_gigabytes(there.addresses, down=True)} more (ulimit -v): {advice}"
        )


def traits_of(approach: Approach, checkpoint: Checkpoint, options: Options, picture: ImageData) -> Traits:
    """The traits of a job on `picture`."""
    return Traits(approach, checkpoint, options, picture.alpha is not None, picture.gray, picture.bits)


def _advice(fits: Callable[[int], bool], size: tuple[int, int]) -> str:
    """A square that fits, found by halving: needs grow with the side."""
    low, high = 0, ceil((size[0] * size[1]) ** 0.5)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return f"crop the photo or choose a part of at most {low} x {low} pixels." if low else "make room first."


def _free_disk() -> int:
    """Of the cache folder's disk; where no files can be kept there, nothing."""
    try:
        return storage.free_bytes(storage.ready(storage.cache_folder() / "results"))
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
    """To a tenth, rounded so that what is too much also reads as too much."""
    tenths = count // 10**8 if down else -(-count // 10**8)
    return f"{tenths / 10:.1f} GB"
