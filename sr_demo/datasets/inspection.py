"""What is measured in each picture of a data set: size, brightness, sharpness, spectrum, difficulty, fingerprint.

Legend: Y = BT.601 luma in 0..255; HR, LR = the large and the small picture of a pair; s = scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.codecs.npz import choose, find_stacks, npz_files, read_stack
from sr_demo.errors import BadInput
from sr_demo.image import Image, Limits, bt601_luma, quantize, read, readonly
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.full_reference import psnr_y
from sr_demo.metrics.niqe import niqe
from sr_demo.reports.evaluation import images_in, pairs

SCALE = 4
LARGEST = 1024
"""Of larger pictures the middle, this many pixels a side, is measured."""
FREQUENCIES = 24
"""Rings of the spectrum, from 0 to 0.5 cycles per pixel."""
_SQUARE = 256
"""Side of the square whose spectrum is taken; smaller pictures give their own largest square of 32 or more."""

Pair = tuple[Image, Image | None]
"""HR, and LR where the data set brings it."""
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Entry:
    """One picture of a data set, not read yet."""

    name: str
    read: Callable[[], Pair]
    """Raises BadInput, naming the file."""


@dataclass(frozen=True)
class Look:
    """What was measured in one picture."""

    name: str
    width: int
    height: int
    gray: bool
    brightness: float
    """Mean Y."""
    contrast: float
    """Standard deviation of Y."""
    clipped: float
    """Share of pixels with Y of 0 to 1 or of 254 to 255."""
    sharpness: float
    """Standard deviation of the Laplacian of Y, in levels; a blurred picture has little."""
    niqe: float | None
    psnr_y: float
    """Bicubic against the truth, dB: how easy the picture is for scale 4. `inf` where nothing is lost."""
    spectrum: Doubles | None
    """(24,): mean power in dB of rings of equal width, 0 to 0.5 cycles per pixel; None for pictures under 32 pixels."""
    thumb: NDArray[np.uint8]
    """(32, 32) Y of the whole picture, for finding copies."""


def entries(path: Path, limits: Limits = Limits(), scale: int = SCALE) -> tuple[str, list[Entry]]:  # noqa: B008 - a frozen value
    """What `path` is, in a sentence, and its pictures: a folder of images, DIV2K as unpacked, or paired `.npz` files.

    Raises BadInput.
    """
    if path.suffix.lower() == ".npz" or (path.is_dir() and _only_npz(path)):
        return _stacked(path, scale)
    large = path / "DIV2K_train_HR"
    if large.is_dir():
        small = path / "DIV2K_train_LR_bicubic" / f"X{scale}"
        found = pairs(large, small if small.is_dir() else None, scale)
        what = f"DIV2K, {len(found)} pictures" + (", with its own small ones" if small.is_dir() else "")
        return what, [Entry(p.hr.name, partial(_read_pair, p.hr, p.lr, limits, scale)) for p in found]
    files = images_in(path)
    return f"a folder of {len(files)} pictures", from_files(files, limits)


def from_files(files: Sequence[Path], limits: Limits) -> list[Entry]:
    """Single picture files; their small versions are made when they are looked at."""
    return [Entry(file.name, partial(_read_pair, file, None, limits, SCALE)) for file in files]


def measure(name: str, hr: Image, lr: Image | None, scale: int = SCALE) -> Look:
    """Look at one picture. Raises BadInput where it is too small to be shrunk."""
    height, width = hr.shape[:2]
    if min(height, width) < 2 * scale:
        raise BadInput(f"{name} has {width} x {height} pixels: too small to be shrunk {scale} times.")
    middle, small = _middle(hr, lr, scale)
    luma = luma_of(middle)
    enlarged = resize(small, (middle.shape[0], middle.shape[1]))
    return Look(
        name=name,
        width=width,
        height=height,
        gray=bool((hr[..., 0] == hr[..., 1]).all() and (hr[..., 1] == hr[..., 2]).all()),
        brightness=float(luma.mean()),
        contrast=float(luma.std()),
        clipped=float(np.mean((luma <= 1) | (luma >= 254))),
        sharpness=float(np.asarray(cv2.Laplacian(luma, cv2.CV_32F)).std()),
        niqe=niqe(middle).value,
        psnr_y=psnr_y(enlarged, middle, scale),
        spectrum=radial_spectrum(luma),
        thumb=thumbnail(hr),
    )


def luma_of(image: Image) -> NDArray[np.float32]:
    """(H, W, 3) in [0, 1] -> (H, W) Y in 0..255, of the picture rounded to 8 bit."""
    return bt601_luma(quantize(image).astype(np.float32))


def thumbnail(image: Image) -> NDArray[np.uint8]:
    """(32, 32) Y of the whole picture, averaged."""
    small = cv2.resize(luma_of(image), (32, 32), interpolation=cv2.INTER_AREA)
    return np.rint(np.asarray(small)).clip(0, 255).astype(np.uint8)


def radial_spectrum(luma: NDArray[np.float32]) -> Doubles | None:
    """(24,) dB: power of the middle square under a Hann window, averaged over rings; None under 32 pixels a side.

    White noise of deviation s has 20 log10 s everywhere; photos fall by about 6 dB per octave and more.
    """
    side = min(*luma.shape, _SQUARE)
    if side < 32:
        return None
    top, left = ((length - side) // 2 for length in luma.shape)
    square = luma[top : top + side, left : left + side].astype(np.float64)
    window = np.outer(np.hanning(side), np.hanning(side))
    power = np.abs(np.fft.rfft2((square - square.mean()) * window)) ** 2 / (window**2).sum()
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    ring = (radius * 2 * FREQUENCIES).astype(int)
    inside = ring < FREQUENCIES
    sums = np.bincount(ring[inside], power[inside], FREQUENCIES)
    counts = np.bincount(ring[inside], minlength=FREQUENCIES)
    return 10 * np.log10(np.maximum(sums / np.maximum(counts, 1), 1e-6))


def crops(hr: Image, lr: Image | None, side: int, scale: int = SCALE) -> tuple[Image, Image, Image]:
    """The most detailed of nine places of a picture, as HR (side, side, 3), LR, and LR enlarged by bicubic."""
    middle, small = _middle(hr, lr, scale)
    high = min(side, *(length // scale * scale for length in middle.shape[:2])) // scale
    busy = cv2.boxFilter(np.abs(np.asarray(cv2.Laplacian(luma_of(small), cv2.CV_32F))), -1, (high, high))
    spots = [
        (round(y * (small.shape[0] - high) / 2), round(x * (small.shape[1] - high) / 2))
        for y in range(3) for x in range(3)
    ]  # fmt: skip
    top, left = max(spots, key=lambda spot: float(np.asarray(busy)[spot[0] + high // 2, spot[1] + high // 2]))
    enlarged = resize(small, (middle.shape[0], middle.shape[1]))
    large = (slice(top * scale, (top + high) * scale), slice(left * scale, (left + high) * scale))
    return middle[large], small[top : top + high, left : left + high], enlarged[large]


def finite(values: Sequence[float | None]) -> list[float]:
    """Those that are numbers."""
    return [v for v in values if v is not None and v < inf]


def _middle(hr: Image, lr: Image | None, scale: int) -> Pair2:
    """The middle `LARGEST` pixels of a pair, HR exactly `scale` times LR."""
    small = downscale(hr, scale) if lr is None else lr
    most = LARGEST // scale
    height, width = min(small.shape[0], most), min(small.shape[1], most)
    top, left = (small.shape[0] - height) // 2, (small.shape[1] - width) // 2
    large = hr[top * scale : (top + height) * scale, left * scale : (left + width) * scale]
    return large, small[top : top + height, left : left + width]


Pair2 = tuple[Image, Image]


def _read_pair(path: Path, twin: Path | None, limits: Limits, scale: int) -> Pair:
    hr = _read(path, limits)
    if twin is None:
        return hr, None
    lr = _read(twin, limits)
    spare = [big - small * scale for big, small in zip(hr.shape[:2], lr.shape[:2], strict=True)]
    if min(spare) < 0 or max(spare) >= scale:
        raise BadInput(
            f"{twin.name} is {lr.shape[1]} x {lr.shape[0]} pixels, which is not {path.name} "
            f"({hr.shape[1]} x {hr.shape[0]}) shrunk {scale} times."
        )
    return hr, lr


def _read(path: Path, limits: Limits) -> Image:
    try:
        return read(path, limits).rgb
    except BadInput as problem:
        raise problem if path.name in str(problem) else BadInput(f"{path.name}: {problem}") from problem


def _only_npz(folder: Path) -> bool:
    return any(folder.glob("*.npz")) and not any(folder.glob("*.png")) and not any(folder.glob("*.jpg"))


def _stacked(path: Path, scale: int) -> tuple[str, list[Entry]]:
    found = [stack for file in npz_files(path) for stack in find_stacks(file)]
    if not found:
        raise BadInput(f"{path} holds no arrays of pictures (N x H x W, with 3 channels, 1 or none).")
    large, small = choose(found, scale, path)
    hr = read_stack(large)
    lr = None if small is None else read_stack(small)

    def taken(i: int) -> Pair:
        return _unit(hr[i]), None if lr is None else _unit(lr[i])

    what = str(large) + ("" if small is None else f"; {small}")
    return what, [Entry(f"{large.name}[{i}]", partial(taken, i)) for i in range(large.count)]


def _unit(picture: NDArray[np.uint8]) -> Image:
    return readonly(np.divide(picture, 255, dtype=np.float32))
