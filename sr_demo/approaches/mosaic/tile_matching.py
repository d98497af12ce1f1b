"""The tile mosaic: every piece of the picture is answered by the best piece of the memory, pasted four times as large.

Legend: p = side of a piece in LR pixels; s = distance of pieces; R x C = grid of pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic import faiss_index as indexes
from sr_demo.approaches.mosaic.patch_database import SCALE, Pixels
from sr_demo.approaches.mosaic.patches import Floats, Ints, Look, Pieces, describe, positions
from sr_demo.errors import BadInput
from sr_demo.image import Image, readonly
from sr_demo.progress import Progress
from sr_demo.system import large_array

_CANDIDATES = 32
_BATCH = 2048
_BAND = 16_384
_MOST_PIECES = 4_000_000
"""Of one mosaic: about 200 bytes are held for each."""
_REACH = 2
"""Neighbourhood in which repeats are avoided: this many pieces to each side."""
_MOST_GAIN = 3.0
_QUIET = 1 / 255


@dataclass(frozen=True)
class Answers:
    """Which memory answered where. All arrays are (R, C); place and distance as they were found."""

    patch: int
    step: int
    """Piece (r, c) lies at (r s, c s) of the picture and covers p x p pixels."""
    photo: Ints
    y: Ints
    x: Ints
    """Photo number and corner in LR pixels of the shrunk photo."""
    distance: Floats
    """Squared distance of the features; 0 is a perfect match."""
    rank: Ints
    """0 where the nearest memory answered, more where variety passed over nearer ones."""
    mean: Floats
    """(R, C, 3) mean colour of the memory."""
    deviation: Floats
    """Deviation of the memory's luma."""
    sources: tuple[str, ...]
    """File names of the photos."""
    hr: tuple[Pixels, ...]
    """The photos as they are pasted."""
    left_out: tuple[str, ...] = ()
    """Photos that did not answer, because they are the picture itself."""

    def piece(self, r: int, c: int) -> Pixels:
        """What was pasted at (r, c), before colour transfer: (4p, 4p, 3) uint8."""
        top, left, side = self.y[r, c] * SCALE, self.x[r, c] * SCALE, self.patch * SCALE
        return self.hr[self.photo[r, c]][top : top + side, left : left + side]

    def at(self, y: int, x: int) -> tuple[int, int]:
        """The piece (r, c) whose middle is nearest to the LR pixel (y, x) of the picture."""
        rows, columns = self.photo.shape
        r, c = (round((place - (self.patch - 1) / 2) / self.step) for place in (y, x))
        return min(max(r, 0), rows - 1), min(max(c, 0), columns - 1)

    def unknown(self) -> Floats:
        """(R, C) in [0, 1]: 0 where the memory knew the very piece, 1 where it knew nothing like it.

        Two shapes of deviation 1 that have nothing in common are a squared distance of 2 apart.
        """
        return np.clip(self.distance * np.float32(0.5), np.float32(0), np.float32(1))

    @property
    def distinct(self) -> int:
        """How many different memories were used."""
        places = np.stack([self.photo.ravel(), self.y.ravel(), self.x.ravel()])
        return np.unique(places, axis=1).shape[1]


def step_of(patch: int, overlap: int) -> int:
    """Distance of pieces for an overlap in percent, at least one pixel."""
    return max(round(patch * (100 - overlap) / 100), 1)


def padded(image: Image, patch: int, step: int) -> Image:
    """`image` continued by its last row and column until pieces fit exactly."""
    extra = [_extra(length, patch, step) for length in image.shape[:2]]
    if extra == [0, 0]:
        return image
    height, width = image.shape[:2]
    out = large_array.zeros(height + extra[0], width + extra[1], 3)
    for rows in large_array.bands(image):
        out[rows, :width], out[rows, width:] = image[rows], image[rows, -1:]
        large_array.release(out[rows])
    out[height:] = out[height - 1]
    return readonly(out)


def _extra(length: int, patch: int, step: int) -> int:
    return patch - length if length <= patch else -(length - patch) % step


def answer(
    image: Image,
    pieces: Pieces,
    step: int,
    variety: float,
    seed: int,
    progress: Progress,
    without: Sequence[int] = (),
    band: int = _BAND,
) -> tuple[Answers, Look]:
    """The memory that answers each piece of `image` (padded to fit), and what the picture's own pieces look like.

    Photos `without` (numbers within the memory) do not answer. Rows are done in bands of about `band` pieces, so that
    working memory does not grow with the picture; a band sees what the one above it chose.
    """
    patch = pieces.patch
    rows, columns = (image.shape[0] - patch) // step + 1, (image.shape[1] - patch) // step + 1
    if rows * columns > _MOST_PIECES:
        raise BadInput(
            f"The mosaic would have {rows * columns / 1e6:.1f} million pieces; {_MOST_PIECES / 1e6:.0f} million is the most. "
            "Choose less overlap, larger pieces, or a smaller part of the picture."
        )
    allowed = _allowed(pieces, without)
    taken = np.full((3, rows + 2 * _REACH, columns + 2 * _REACH), -1, np.int32)
    chosen, rank = np.empty((rows, columns), np.int64), np.empty((rows, columns), np.int32)
    distance = np.empty((rows, columns), np.float32)
    look = Look(np.empty((rows * columns, 3), np.float32), np.empty(rows * columns, np.float32))
    max_aspect = max(band // columns, 1)
    for top in range(0, rows, max_aspect):
        here = slice(top, min(top + max_aspect, rows))
        grid = (here.stop - top, columns)
        y, x = positions(image.shape[0], image.shape[1], patch, step, here)
        own = describe(image[y[0] : y[-1] + patch], y - y[0], x, patch)
        band_progress = progress.part(top / rows, here.stop / rows)
        distances, numbers = _nearest(pieces, own.features, variety, allowed, band_progress)
        best = _vary(distances, numbers, pieces, step, variety, np.random.default_rng((seed, top)), grid, taken, top)
        row = np.arange(len(best))
        chosen[here], rank[here] = numbers[row, best].reshape(grid), best.reshape(grid)
        distance[here] = np.maximum(distances[row, best], 0).reshape(grid)
        part = slice(top * columns, here.stop * columns)
        look.mean[part], look.deviation[part] = own.mean, own.deviation
    answers = Answers(
        patch, step, pieces.photo[chosen], pieces.y[chosen], pieces.x[chosen], distance, rank, pieces.mean[chosen],
        pieces.deviation[chosen], pieces.sources, pieces.hr,
    )  # fmt: skip
    return answers, look


def _allowed(pieces: Pieces, without: Sequence[int]) -> NDArray[np.bool_] | None:
    """(N,) which pieces may answer; None for all."""
    if not without:
        return None
    allowed = ~np.isin(pieces.photo, [here for here, number in enumerate(pieces.numbers) if number in without])
    return allowed if allowed.any() else None


def _nearest(
    pieces: Pieces, features: Floats, variety: float, allowed: NDArray[np.bool_] | None, progress: Progress
) -> tuple[Floats, NDArray[np.int64]]:
    """Squared distances and numbers of the candidates, (n, k) each."""
    k = min(_CANDIDATES if variety > 0 else 1, len(pieces.photo))
    distances, numbers = np.empty((len(features), k), np.float32), np.empty((len(features), k), np.int64)
    for start in range(0, len(features), _BATCH):
        progress(start / len(features), "asking the memory")
        part = slice(start, start + _BATCH)
        distances[part], numbers[part] = indexes.search(pieces.index, features[part], k, allowed)
    return distances, numbers


def _vary(
    distances: Floats, numbers: NDArray[np.int64], pieces: Pieces, step: int, variety: float,
    rng: np.random.Generator, grid: tuple[int, int], taken: Ints, top: int,
) -> NDArray[np.int64]:  # fmt: skip
    """Rank of the candidate chosen for each piece of a band, (n,); notes in `taken` what was chosen.

    A candidate pays for every neighbour that shows nearly the same place of the same photo: at variety 1 one repeat
    costs as much as the whole spread between the best and the last candidate. Pieces that are further apart than the
    neighbourhood cannot disturb each other, so each of nine interleaved classes is decided at once.
    """
    n, k = distances.shape
    if k == 1:
        return np.zeros(n, np.int64)
    spread = np.maximum(distances[:, -1:] - distances[:, :1], 1e-6)
    # The seed moves costs by less than a hundredth of the spread: it only decides between nearly equal pieces.
    jitter = rng.random((n, k), np.float32) * 0.01
    cost = distances + spread * jitter * (distances > distances[:, :1])
    photo, y, x = pieces.photo[numbers], pieces.y[numbers], pieces.x[numbers]
    rank = np.zeros(n, np.int64)
    side = _REACH + 1
    for first in range(side * side):
        r, c = np.meshgrid(
            np.arange(first // side, grid[0], side), np.arange(first % side, grid[1], side), indexing="ij"
        )
        r, c = r.ravel(), c.ravel()
        if not len(r):
            continue
        i = r * grid[1] + c
        repeats = _repeats(taken, (photo[i], y[i], x[i]), r + top, c, pieces.patch, step)
        rank[i] = np.argmin(cost[i] + variety * spread[i] * repeats, axis=1)
        taken[:, r + top + _REACH, c + _REACH] = photo[i, rank[i]], y[i, rank[i]], x[i, rank[i]]
    return rank


def _repeats(
    taken: Ints, candidates: tuple[Ints, Ints, Ints], r: NDArray[np.int64], c: NDArray[np.int64], patch: int, step: int
) -> NDArray[np.int32]:
    """For each candidate (n, k): how many neighbours already show the same place.

    A neighbour that shows the photo shifted just as the picture is shifted continues it: that is no repeat.
    """
    photo, y, x = candidates
    count = np.zeros(photo.shape, np.int32)
    for dr in range(-_REACH, _REACH + 1):
        for dc in range(-_REACH, _REACH + 1):
            if dr == dc == 0:
                continue
            other, oy, ox = taken[:, r + dr + _REACH, c + dc + _REACH][..., None]
            down, right = oy - y, ox - x
            near = (np.abs(down) < patch / 2) & (np.abs(right) < patch / 2)
            continues = (np.abs(down - dr * step) <= 1) & (np.abs(right - dc * step) <= 1)
            count += (other == photo) & near & ~continues
    return count


def feather(patch: int, step: int) -> Floats:
    """Weights along one side of a pasted piece, (4p,): sin² up and down over the overlap (a Hann window's flanks)."""
    side, ramp = patch * SCALE, (patch - step) * SCALE
    if ramp == 0:
        return np.ones(side, np.float32)
    t = (np.arange(side) + 0.5) / ramp
    rise = np.sin(np.pi / 2 * np.clip(t, 0, 1)) ** 2
    return (rise * rise[::-1]).astype(np.float32)


def paste(answers: Answers, own: Look, colour: float, progress: Progress) -> Image:
    """The pasted mosaic, (4 (R s + p - s), 4 (C s + p - s), 3). Weights of overlapping pieces sum to one."""
    rows, columns = answers.photo.shape
    side, stride = answers.patch * SCALE, answers.step * SCALE
    weight = feather(answers.patch, answers.step)
    gain, shift = _transfer(answers, own, colour)
    every = -(-side // stride)
    out = large_array.zeros((rows - 1) * stride + side, (columns - 1) * stride + side, 3)
    band = np.zeros((side, (columns + 2 * every) * stride, 3), np.float32)
    for r in range(rows):
        progress(r / rows, "pasting")
        band[:] = 0
        for phase in range(min(every, columns)):
            # Pieces `every` columns apart do not overlap: they are added in one go.
            apart = np.stack([answers.piece(r, c) for c in range(phase, columns, every)]).astype(np.float32)
            apart *= gain[r, phase::every, None, None, None] / 255
            apart += shift[r, phase::every, None, None, :]
            apart *= (weight[:, None] * weight[None, :])[..., None]
            span = every * stride
            place = band[:, phase * stride : phase * stride + len(apart) * span]
            place = place.reshape(side, len(apart), span, 3)
            place[:, :, :side] += apart.transpose(1, 0, 2, 3)
        out[r * stride : r * stride + side] += band[:, : out.shape[1]]
        large_array.release(out[: r * stride])
    _normalise(out, weight, rows, columns, stride)
    return readonly(out)


def _transfer(answers: Answers, own: Look, colour: float) -> tuple[Floats, Floats]:
    """Gain (R, C) and shift (R, C, 3) that give a piece the mean colour and deviation of its place.

    Mean and deviation transfer (Reinhard et al. 2001, "Color transfer between images"), with one gain for all colours,
    so that hues inside a piece stay; `colour` moves from the piece as it is (0) to the full transfer (1).
    """
    grid = answers.photo.shape
    wanted, mean = own.deviation.reshape(grid), own.mean.reshape(*grid, 3)
    full = np.minimum((wanted + _QUIET) / (answers.deviation + _QUIET), _MOST_GAIN)
    gain = 1 + colour * (full - 1)
    target = answers.mean + colour * (mean - answers.mean)
    return gain.astype(np.float32), (target - gain[..., None] * answers.mean).astype(np.float32)


def _normalise(out: Image, weight: Floats, rows: int, columns: int, stride: int) -> None:
    """Divide by the sum of weights, which is separable, and clip."""
    sums: list[Floats] = []
    for count, length in ((rows, out.shape[0]), (columns, out.shape[1])):
        total = np.zeros(length, np.float32)
        for i in range(count):
            total[i * stride : i * stride + len(weight)] += weight
        sums.append(np.reciprocal(total))
    for band in large_array.bands(out):
        out[band] *= sums[1][None, :, None]
        out[band] *= sums[0][band, None, None]
        np.clip(out[band], 0, 1, out=out[band])
