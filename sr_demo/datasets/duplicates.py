"""Search for copies of images: within a data set, and between it and test images that must not be in it.

Candidates are found by a 64-bit perceptual hash of the low frequencies of a 32 x 32 thumbnail, which survives rescaling,
other formats and small changes. They are confirmed by the correlation of the thumbnails. Mirrored copies are found too.
`find_crops` finds crops of an image by local features.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image, quantize
from sr_demo.progress import SILENT, Progress

NEAR = 10
"""Largest Hamming distance between the 64-bit hashes of two copies."""
_LEAST_CORRELATION = 0.98
"""Smallest correlation of the thumbnails of two copies."""
_FLAT = 2.0
"""Standard deviation in levels below which a thumbnail counts as flat; flat images resemble each other and are left out."""
_CHUNK = 1024
_BLOCK = 20_000
"""Number of pairs with near hashes whose correlation is computed at once; they take 160 MB."""
_FEATURES, _FEATURE_SIDE = 400, 640
"""Number of local features per image, and the largest side in pixels that they are computed at."""
_RATIO = 0.75
"""Ratio test for matches: the best distance must be below this share of the second best (Lowe 2004, section 7.1)."""
_LEAST_INLIERS = 14
"""Smallest number of matches that agree on one shift, rotation and scale."""
_ZOOM, _SPREAD = 6.0, 12.0
"""Largest scale between two copies, and smallest standard deviation of the inliers in pixels, along x and y."""

Thumb = NDArray[np.uint8]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Copy:
    """Two images that are copies of each other, by their positions in two lists."""

    first: int
    second: int
    how: str
    """"the same picture", "nearly the same", "mirrored", "part of it"."""


@dataclass(frozen=True)
class Features:
    """Local features of one image."""

    points: NDArray[np.float32]
    """(n, 2) x, y on the downscaled image."""
    descriptors: NDArray[np.uint8] | None
    """(n, 32), or None for an image without corners."""


def hashes(thumbs: Sequence[Thumb], mirrored: bool = False) -> Hashes:
    """Return the perceptual hashes of thumbnails: the 8 x 8 lowest DCT coefficients, each compared with their median.

    Args:
        thumbs: N thumbnails, (32, 32) uint8.
        mirrored: Hash the mirrored thumbnails.

    Returns:
        (N,) 64-bit hashes; the bit of the mean is always 0.
    """
    bits = np.empty((len(thumbs), 64), bool)
    for i, thumb in enumerate(thumbs):
        oriented = thumb[:, ::-1] if mirrored else thumb
        low = np.asarray(cv2.dct(oriented.astype(np.float32)))[:8, :8].ravel()
        bits[i] = low > np.median(low[1:])
        bits[i, 0] = False
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel()


def duplicates(thumbs: Sequence[Thumb]) -> list[Copy]:
    """Return pairs of copies within a set, mirrored ones too; enough to connect all copies, with each kind of copy once.

    All pairs would be too many: a thousand similar frames have half a million pairs.
    """
    linked, ways = _Groups(), dict[int, set[str]]()
    kept: list[Copy] = []
    for copy in _copies(thumbs, thumbs):
        if copy.first < copy.second:
            known = ways.setdefault(linked.find(copy.first), set()) | ways.setdefault(linked.find(copy.second), set())
            if linked.join(copy.first, copy.second) or copy.how not in known:
                kept.append(copy)
            ways[linked.find(copy.first)] = known | {copy.how}
    return _first_of_each_pair(kept)


def leaks(thumbs: Sequence[Thumb], others: Sequence[Thumb]) -> list[Copy]:
    """Return whole images of a set (`first`) that are also among `others` (`second`), mirrored ones too."""
    return _first_of_each_pair(_copies(thumbs, others))


def _copies(thumbs: Sequence[Thumb], others: Sequence[Thumb]) -> Iterator[Copy]:
    mirrored = [thumb[:, ::-1] for thumb in others]
    return chain(
        _near(thumbs, others, hashes(thumbs), hashes(others), ""),
        _near(thumbs, mirrored, hashes(thumbs), hashes(others, True), "mirrored"),
    )


class _Groups:
    """Disjoint sets of images that are copies of each other (union-find)."""

    def __init__(self) -> None:
        self.leader: dict[int, int] = {}

    def find(self, i: int) -> int:
        """Return the leader of the group of `i`."""
        while self.leader.setdefault(i, i) != i:
            self.leader[i] = self.leader[self.leader[i]]
            i = self.leader[i]
        return i

    def join(self, i: int, j: int) -> bool:
        """Merge the groups of `i` and `j`; return whether they were different groups."""
        i, j = self.find(i), self.find(j)
        self.leader[j] = i
        return i != j


def _first_of_each_pair(copies: Iterable[Copy]) -> list[Copy]:
    found: dict[tuple[int, int], Copy] = {}
    for copy in copies:
        found.setdefault((copy.first, copy.second), copy)
    return [found[pair] for pair in sorted(found)]


def groups(copies: Sequence[Copy]) -> list[tuple[int, ...]]:
    """Return sorted groups of images that are copies of each other, directly or through other copies."""
    linked = _Groups()
    for copy in copies:
        linked.join(copy.first, copy.second)
    members: dict[int, list[int]] = {}
    for i in linked.leader:
        members.setdefault(linked.find(i), []).append(i)
    return sorted(tuple(sorted(group)) for group in members.values())


def features(image: Image) -> Features:
    """Return the ORB features (Rublee et al. 2011) of an image (H, W, 3), float32 in [0, 1]."""
    ratio = min(1.0, _FEATURE_SIDE / max(image.shape[:2]))
    gray = cv2.cvtColor(quantize(image), cv2.COLOR_RGB2GRAY)
    if ratio < 1:
        gray = cv2.resize(gray, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    keypoints, descriptors = cv2.ORB_create(nfeatures=_FEATURES).detectAndCompute(np.asarray(gray), None)  # type: ignore[attr-defined]
    points = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
    return Features(points, None if descriptors is None else np.asarray(descriptors, np.uint8))


def find_crops(found: Sequence[Features], others: Sequence[Features], progress: Progress = SILENT) -> list[Copy]:
    """Find images of a set that are crops of one of `others`, or vice versa.

    Args:
        found: Features of the images of the set.
        others: Features of the images to compare with.
        progress: Receives the progress, and may stop.

    Returns:
        Pairs whose features agree on one shift, rotation and scale.
    """
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
    copies: list[Copy] = []
    for i, one in enumerate(found):
        progress(i / max(len(found), 1), "searching for cut-outs")
        for j, other in enumerate(others):
            if _inliers(matcher, one, other) >= _LEAST_INLIERS:
                copies.append(Copy(i, j, "part of it"))
    return copies


def _inliers(matcher: cv2.BFMatcher, one: Features, other: Features) -> int:
    """Return how many distinct points of two images agree on one shift, rotation and scale (RANSAC)."""
    if one.descriptors is None or other.descriptors is None or min(len(one.points), len(other.points)) < _LEAST_INLIERS:
        return 0
    matches = [
        pair[0] for pair in matcher.knnMatch(one.descriptors, other.descriptors, k=2)
        if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance
    ]  # fmt: skip
    if len(matches) < _LEAST_INLIERS:
        return 0
    a = np.array([one.points[m.queryIdx] for m in matches], np.float32)
    b = np.array([other.points[m.trainIdx] for m in matches], np.float32)
    transform: Any
    transform, mask = cv2.estimateAffinePartial2D(a, b, method=cv2.RANSAC, ransacReprojThreshold=4)
    if transform is None or not 1 / _ZOOM < float(np.hypot(transform[0, 0], transform[1, 0])) < _ZOOM:
        return 0
    inside = np.asarray(mask).ravel().astype(bool)
    a, b = a[inside], b[inside]
    # Letters and bricks resemble each other, so that many matches on one spot or along one line are not sufficient.
    if min(float(points.std(axis=0).min()) for points in (a, b)) < _SPREAD:
        return 0
    return min(len(np.unique(np.rint(points / 2), axis=0)) for points in (a, b))


def _near(a: Sequence[Thumb], b: Sequence[Thumb], a_hash: Hashes, b_hash: Hashes, how: str) -> Iterator[Copy]:
    """Yield pairs whose hashes are near and whose thumbnails correlate; `how` is "" for "the same" or "nearly"."""
    a_unit, b_unit = _units(a), _units(b)
    a_flat, b_flat = (np.asarray(unit.any(axis=1)) == 0 for unit in (a_unit, b_unit))
    for start in range(0, len(a_hash), _CHUNK):
        rows = slice(start, start + _CHUNK)
        near = np.bitwise_count(a_hash[rows, None] ^ b_hash[None]) <= NEAR
        near &= ~(a_flat[rows, None] | b_flat[None])
        first, second = np.nonzero(near)
        first = first + start
        if a is b:
            first, second = first[first < second], second[first < second]
        for at in range(0, len(first), _BLOCK):
            some, others = first[at : at + _BLOCK], second[at : at + _BLOCK]
            alike = np.einsum("ij,ij->i", a_unit[some], b_unit[others]) >= _LEAST_CORRELATION
            for i, j in zip(some[alike].tolist(), others[alike].tolist(), strict=True):
                yield Copy(i, j, how or _same(a[i], b[j]))


def _same(a: Thumb, b: Thumb) -> str:
    return "the same picture" if int(np.abs(a.astype(int) - b).max()) <= 2 else "nearly the same"


def _units(thumbs: Sequence[Thumb]) -> NDArray[np.float32]:
    """Return (N, 1024): zero-mean thumbnails with unit norm, whose products are correlations; zero for flat thumbnails."""
    flat = np.array([t.ravel() for t in thumbs], np.float32).reshape(len(thumbs), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > _FLAT * flat.shape[1] ** 0.5, flat / np.maximum(length, 1e-6), 0)
