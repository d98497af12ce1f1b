"""Refined retrieval: bicubic, plus what a memory says bicubic misses, made to agree with the input.

Luma only: eyes and PSNR-Y both live there, and adding one residual to R, G and B leaves Cb and Cr bicubic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.patch_database import SCALE
from sr_demo.approaches.mosaic.windows import Explained, Floats, Residuals, Sum, enlarge, luma, rows_of
from sr_demo.image import Image, readonly
from sr_demo.imaging import tiling
from sr_demo.imaging.resize import resize
from sr_demo.progress import Progress
from sr_demo.spec import Tiling

_WINDOWS = 16_384
"""Windows answered at once; between batches Stop is obeyed."""
_LARGEST = 320
"""Side of a tile in LR pixels, halo not counted: working memory does not grow with the picture."""
_HALO = 4
"""A window's centre lies at most 1 LR pixel from what it answers, and it looks 3 further."""
_HALO_STEP = 4
"""Shrinking by 4 with bicubic reaches 2 LR pixels, enlarging again 2."""


def halo(steps: int) -> int:
    """LR pixels around a tile on which its result depends, for this many back-projection steps."""
    return _HALO + _HALO_STEP * steps


def refine(image: Image, memory: Residuals, steps: int, progress: Progress, largest: int = _LARGEST) -> Image:
    """(H, W, 3) -> (4 H, 4 W, 3), in tiles of at most `largest` whose halo covers everything they depend on."""
    rule = Tiling("tiles", halo=halo(steps))
    plan = tiling.TilePlan((image.shape[0], image.shape[1]), rule, largest)
    return tiling.run(image, plan, SCALE, lambda piece, part: _tile(piece, memory, steps, part), progress)


def _tile(image: Image, memory: Residuals, steps: int, progress: Progress) -> Image:
    height, width = image.shape[:2]
    plane = luma(image)
    total = Sum(height, width)
    for rows in rows_of(plane, _WINDOWS):
        progress(0.9 * rows.top / (height + 2), "asking the memory")
        total.add(rows, memory.explain(rows.windows).residuals)
    base = resize(image, (height * SCALE, width * SCALE))
    start = luma(base)
    refined = back_project(np.clip(start + total.mean(), 0, 1), plane, steps, progress.part(0.9, 1.0))
    result = np.add(base, (refined - start)[..., None], dtype=np.float32)
    return readonly(np.clip(result, 0, 1, out=result))


class Watched:
    """Answers as `memory` does, and keeps who answered: for a look inside a picture that fits into one tile."""

    def __init__(self, memory: Residuals) -> None:
        self._memory = memory
        self._seen: list[Explained] = []

    def explain(self, windows: Floats) -> Explained:
        """See `Residuals`."""
        found = self._memory.explain(windows)
        self._seen.append(found)
        return found

    def who(self, height: int, width: int) -> tuple[NDArray[np.int64], Floats]:
        """Number of the nearest memory (-1: flat) and its distance for the window in the middle of each LR pixel."""
        number = np.concatenate([found.number for found in self._seen]).reshape(height + 2, width + 2)
        distance = np.concatenate([found.distance for found in self._seen]).reshape(height + 2, width + 2)
        return number[1:-1, 1:-1], distance[1:-1, 1:-1]


def back_project(estimate: Floats, plane: Floats, steps: int, progress: Progress) -> Floats:
    """Move `estimate` (4 H, 4 W) towards agreeing with `plane` (H, W) when shrunk (Irani and Peleg 1991).

    Each step adds the enlarged difference.
    """
    for step in range(steps):
        progress(step / steps, "agreeing with the input")
        missing = plane - resize(estimate, (plane.shape[0], plane.shape[1]))
        estimate = np.clip(estimate + enlarge(missing, *estimate.shape), 0, 1)
    return estimate
