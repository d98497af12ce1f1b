"""Finding the same picture twice: within a data set, and between it and pictures that must not be in it.

Two fingerprints of a 32 x 32 thumbnail: a 64-bit perceptual hash of its low frequencies, which survives another size,
another format and small changes, and the thumbnail itself, which confirms what the hash suggests. Mirrored copies are
found too. Parts cut out of a picture are found by `cut_outs`, from local features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image, quantize
from sr_demo.progress import SILENT, Progress

NEAR = 10
"""Bits of 64 that may differ in two copies of one picture."""
_ALIKE = 0.98
"""Correlation of two thumbnails, at least."""
_FLAT = 2.0
"""Deviation of a thumbnail in levels below which it looks like any other flat picture: those are left out."""
_CHUNK = 1024
_FEATURES, _FEATURE_SIDE = 400, 640
"""Local features per picture, found on a picture shrunk to at most this many pixels a side."""
_RATIO = 0.75
"""A match counts when the second best is at least this much worse (Lowe 2004)."""
_AGREEING = 14
"""Places that must agree on one shift, turn and scale."""
_ZOOM, _SPREAD = 6.0, 12.0
"""Largest scale between two copies, and smallest deviation of the agreeing places, in pixels along x and y."""

Thumb = NDArray[np.uint8]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Copy:
    """Two pictures that are one."""

    first: int
    second: int
    how: str
    """"the same picture", "nearly the same", "mirrored", "part of it"."""


@dataclass(frozen=True)
class Features:
    """Local features of one picture."""

    places: NDArray[np.float32]
    """(n, 2) x, y on the shrunk picture."""
    descriptors: NDArray[np.uint8] | None
    """(n, 32), or None for a picture without corners."""


def hashes(thumbs: Sequence[Thumb], mirrored: bool = False) -> Hashes:
    """(N,) 64-bit hashes: signs of the 8 x 8 lowest DCT coefficients, the mean left out, against their median."""
    bits = np.empty((len(thumbs), 64), bool)
    for i, thumb in enumerate(thumbs):
        seen = thumb[:, ::-1] if mirrored else thumb
        low = np.asarray(cv2.dct(seen.astype(np.float32)))[:8, :8].ravel()
        bits[i] = low > np.median(low[1:])
        bits[i, 0] = False
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel()


def duplicates(thumbs: Sequence[Thumb]) -> list[Copy]:
    """Pairs of pictures within a set, each pair once; mirrored ones too."""
    found = _near(thumbs, thumbs, hashes(thumbs), hashes(thumbs), "")
    found += _near(thumbs, [t[:, ::-1] for t in thumbs], hashes(thumbs), hashes(thumbs, True), "mirrored")
    best: dict[tuple[int, int], Copy] = {}
    for copy in found:
        if copy.first < copy.second:
            best.setdefault((copy.first, copy.second), copy)
    return sorted(best.values(), key=lambda c: (c.first, c.second))


def leaks(thumbs: Sequence[Thumb], others: Sequence[Thumb]) -> list[Copy]:
    """Pictures of a set (`first`) that are also among `others` (`second`), whole."""
    found = _near(thumbs, others, hashes(thumbs), hashes(others), "")
    found += _near(thumbs, [t[:, ::-1] for t in others], hashes(thumbs), hashes(others, True), "mirrored")
    best: dict[tuple[int, int], Copy] = {}
    for copy in found:
        best.setdefault((copy.first, copy.second), copy)
    return sorted(best.values(), key=lambda c: (c.first, c.second))


def groups(copies: Sequence[Copy]) -> list[tuple[int, ...]]:
    """Copies of copies together, as sorted groups."""
    leader: dict[int, int] = {}

    def find(i: int) -> int:
        while leader.setdefault(i, i) != i:
            i = leader[i]
        return i

    for copy in copies:
        leader[find(copy.second)] = find(copy.first)
    members: dict[int, list[int]] = {}
    for i in leader:
        members.setdefault(find(i), []).append(i)
    return sorted(tuple(sorted(group)) for group in members.values())


def features(image: Image) -> Features:
    """ORB features (Rublee et al. 2011) of a picture (H, W, 3)."""
    ratio = min(1.0, _FEATURE_SIDE / max(image.shape[:2]))
    gray = cv2.cvtColor(quantize(image), cv2.COLOR_RGB2GRAY)
    if ratio < 1:
        gray = cv2.resize(gray, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    points, descriptors = cv2.ORB_create(nfeatures=_FEATURES).detectAndCompute(np.asarray(gray), None)  # type: ignore[attr-defined]
    places = np.array([point.pt for point in points], np.float32).reshape(-1, 2)
    return Features(places, None if descriptors is None else np.asarray(descriptors, np.uint8))


def cut_outs(found: Sequence[Features], others: Sequence[Features], progress: Progress = SILENT) -> list[Copy]:
    """Pictures of a set that show a part of one of `others`, or the other way round: same places, moved and scaled."""
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
    copies: list[Copy] = []
    for i, one in enumerate(found):
        progress(i / max(len(found), 1), "looking for cut-outs")
        for j, other in enumerate(others):
            if _agreeing(matcher, one, other) >= _AGREEING:
                copies.append(Copy(i, j, "part of it"))
    return copies


def _agreeing(matcher: cv2.BFMatcher, one: Features, other: Features) -> int:
    """Places of two pictures that agree on one shift, turn and scale."""
    if one.descriptors is None or other.descriptors is None or min(len(one.places), len(other.places)) < _AGREEING:
        return 0
    good = [
        pair[0] for pair in matcher.knnMatch(one.descriptors, other.descriptors, k=2)
        if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance
    ]  # fmt: skip
    if len(good) < _AGREEING:
        return 0
    a = np.array([one.places[m.queryIdx] for m in good], np.float32)
    b = np.array([other.places[m.trainIdx] for m in good], np.float32)
    moved: Any
    moved, inside = cv2.estimateAffinePartial2D(a, b, method=cv2.RANSAC, ransacReprojThreshold=4)
    if moved is None or not 1 / _ZOOM < float(np.hypot(moved[0, 0], moved[1, 0])) < _ZOOM:
        return 0
    kept = np.asarray(inside).ravel().astype(bool)
    a, b = a[kept], b[kept]
    # Letters and bricks look alike: many that fall on one spot, or lie on one line, prove nothing.
    if min(float(places.std(axis=0).min()) for places in (a, b)) < _SPREAD:
        return 0
    return min(len(np.unique(np.rint(places / 2), axis=0)) for places in (a, b))


def _near(a: Sequence[Thumb], b: Sequence[Thumb], a_hash: Hashes, b_hash: Hashes, how: str) -> list[Copy]:
    """Pairs whose hashes are near and whose thumbnails correlate."""
    found: list[Copy] = []
    a_unit, b_unit = _units(a), _units(b)
    for start in range(0, len(a_hash), _CHUNK):
        apart = np.bitwise_count(a_hash[start : start + _CHUNK, None] ^ b_hash[None])
        first, second = np.nonzero(apart <= NEAR)
        first = first + start
        if a is b:
            first, second = first[first < second], second[first < second]
        alike = np.einsum("ij,ij->i", a_unit[first], b_unit[second]) >= _ALIKE
        for i, j in zip(first[alike].tolist(), second[alike].tolist(), strict=True):
            found.append(Copy(i, j, how or _same(a[i], b[j])))
    return found


def _same(a: Thumb, b: Thumb) -> str:
    return "the same picture" if int(np.abs(a.astype(int) - b).max()) <= 2 else "nearly the same"


def _units(thumbs: Sequence[Thumb]) -> NDArray[np.float32]:
    """(N, 1024): thumbnails without their mean, of length 1, so that products are correlations; zero where flat."""
    flat = np.array([t.ravel() for t in thumbs], np.float32).reshape(len(thumbs), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > _FLAT * flat.shape[1] ** 0.5, flat / np.maximum(length, 1e-6), 0)
