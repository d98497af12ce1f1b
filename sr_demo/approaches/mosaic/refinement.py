"""Refined retrieval: bicubic plus predicted residuals, back-projected onto the input.

Works on luma only: the residual is added to R, G and B alike, so that Cb and Cr stay those of bicubic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.patch_database import SCALE
from sr_demo.approaches.mosaic.windows import (
    Floats,
    OverlapMean,
    Predictions,
    ResidualPredictor,
    luma,
    upsample,
    window_rows,
)
from sr_demo.checkpoint import Tiling
from sr_demo.image import Image, readonly
from sr_demo.imaging import tiling
from sr_demo.imaging.resize import resize
from sr_demo.progress import Progress

_BATCH = 16_384
"""Windows predicted at once; Stop takes effect between batches."""
_LARGEST = 320
"""Side of a tile in LR pixels, halo not counted: working memory does not grow with the image."""
_WINDOW_HALO = 4
"""A pixel is predicted by windows centred at most 1 LR pixel away, which reach 3 LR pixels further."""
_STEP_HALO = 4
"""One back-projection step: bicubic downscaling by 4 reaches 2 LR pixels, upsampling another 2."""


def halo(steps: int) -> int:
    """Return the LR pixels around a tile that its result depends on, for this many back-projection steps."""
    return _WINDOW_HALO + _STEP_HALO * steps


def refine(
    image: Image, predictor: ResidualPredictor, steps: int, progress: Progress, largest: int = _LARGEST
) -> Image:
    """Upscale an image by 4: bicubic plus predicted residuals, in tiles that give exactly the whole image's result.

    Args:
        image: (H, W, 3) float32 in [0, 1].
        predictor: Predicts the residuals of windows.
        steps: Back-projection steps.
        progress: Receives what is done so far.
        largest: Longest side of a tile in LR pixels, halo not counted.

    Returns:
        (4 H, 4 W, 3) float32 in [0, 1].
    """
    rule = Tiling("tiles", halo=halo(steps))
    plan = tiling.TilePlan((image.shape[0], image.shape[1]), rule, largest)
    return tiling.run(image, plan, SCALE, lambda tile, part: _refine_tile(tile, predictor, steps, part), progress)


def _refine_tile(image: Image, predictor: ResidualPredictor, steps: int, progress: Progress) -> Image:
    height, width = image.shape[:2]
    plane = luma(image)
    residual = OverlapMean(height, width)
    for rows in window_rows(plane, _BATCH):
        progress(0.9 * rows.top / (height + 2), "searching the memory")
        residual.add(rows, predictor.predict(rows.windows).residuals)
    bicubic = resize(image, (height * SCALE, width * SCALE))
    start = luma(bicubic)
    refined = back_project(np.clip(start + residual.mean(), 0, 1), plane, steps, progress.part(0.9, 1.0))
    result = np.add(bicubic, (refined - start)[..., None], dtype=np.float32)
    return readonly(np.clip(result, 0, 1, out=result))


class RecordingPredictor:
    """Predicts as another predictor does, and records the matches. For an image that fits into one tile."""

    def __init__(self, predictor: ResidualPredictor) -> None:
        self._predictor = predictor
        self._recorded: list[Predictions] = []

    def predict(self, windows: Floats) -> Predictions:
        """Predict the residuals of `windows` (n, 49); see `windows.ResidualPredictor`."""
        predictions = self._predictor.predict(windows)
        self._recorded.append(predictions)
        return predictions

    def matches(self, height: int, width: int) -> tuple[NDArray[np.int64], Floats]:
        """Return the nearest entry of the window centred on each LR pixel (-1: flat), and its distance.

        Args:
            height: Rows of the LR image that was refined.
            width: Columns of it.

        Returns:
            Numbers (height, width) and squared distances (height, width).
        """
        match = np.concatenate([part.match for part in self._recorded]).reshape(height + 2, width + 2)
        distance = np.concatenate([part.distance for part in self._recorded]).reshape(height + 2, width + 2)
        return match[1:-1, 1:-1], distance[1:-1, 1:-1]


def back_project(estimate: Floats, plane: Floats, steps: int, progress: Progress) -> Floats:
    """Correct an estimate until it downscales to the input (iterative back-projection, Irani and Peleg 1991).

    Args:
        estimate: (4 H, 4 W) luma in [0, 1].
        plane: (H, W) luma of the input in [0, 1].
        steps: Number of corrections; each adds the upsampled difference.
        progress: Receives what is done so far.

    Returns:
        (4 H, 4 W) float32 in [0, 1].
    """
    for step in range(steps):
        progress(step / steps, "matching the input")
        difference = plane - resize(estimate, (plane.shape[0], plane.shape[1]))
        estimate = np.clip(estimate + upsample(difference, *estimate.shape), 0, 1)
    return estimate
