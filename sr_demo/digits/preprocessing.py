"""Conversion of drawings and photos to the form of MNIST's digits: 28 x 28, white ink on black, centred.

As in MNIST, the ink is cropped, scaled so that its longer side has 20 pixels, and placed with its centre of mass at the
centre of 28 x 28 pixels. This is the reference; the 26 x 26 input of the networks is downscaled from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.digits.data import HR_SIDE, Pixels, downscale
from sr_demo.errors import BadInput
from sr_demo.image import Image

_INK = 20
"""Longer side of the ink in pixels, as in MNIST."""
_MAX_SIDE = 560
"""Larger images are downscaled to this longer side first."""
_FAINT = 0.12
"""Images whose pixels differ from the paper by less than this are blank."""
_THIN, _WANTED = 0.07, 0.11
"""Stroke widths relative to the longer side of the ink: thinner strokes than the first are dilated to the second
(MNIST: 0.1 to 0.2)."""

Ink = NDArray[np.float32]
"""(H, W) float32 in [0, 1]: difference of each pixel from the paper."""


@dataclass(frozen=True)
class Prepared:
    """A digit in the form of the networks' training data."""

    reference: Pixels
    """(28, 28) uint8."""
    lr: Pixels
    """(26, 26) uint8, `reference` downscaled."""
    notes: tuple[str, ...] = ()
    """The changes, one plain sentence each."""


def from_reference(reference: Pixels, *notes: str) -> Prepared:
    """Return a digit that has the right form already, (28, 28) uint8."""
    return Prepared(reference, downscale(reference[None])[0], notes)


def prepare(image: Image, alpha: Ink | None = None) -> Prepared:
    """Convert a drawing or photo of one digit; ink and paper may have any two colours.

    Args:
        image: (H, W, 3) float32 in [0, 1].
        alpha: Opacity (H, W) in [0, 1], if there is any; transparent pixels count as white.

    Raises:
        BadInput: The image is blank or smaller than 8 x 8 pixels.
    """
    notes: list[str] = []
    rgb = _on_white(image, alpha)
    if min(rgb.shape[:2]) < 8:
        raise BadInput(
            f"This picture has {rgb.shape[1]} x {rgb.shape[0]} pixels; a digit needs at least 8 x 8. Take a larger one."
        )
    if max(rgb.shape[:2]) > _MAX_SIDE:
        ratio = _MAX_SIDE / max(rgb.shape[:2])
        size = (max(8, round(rgb.shape[1] * ratio)), max(8, round(rgb.shape[0] * ratio)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.float32)
    ink, dark_paper, coloured = _ink(rgb)
    if not dark_paper and not coloured:
        notes.append("Dark ink on light paper was turned into white on black, as the networks know it.")
    elif coloured:
        notes.append("Colours were turned into white ink on black, as the networks know it.")
    if rgb.shape[:2] == (HR_SIDE, HR_SIDE):
        return from_reference(np.rint(ink * 255).astype(np.uint8), *notes)
    crop = _cropped(ink)
    share = float((crop > 0.5).mean())
    if share > 0.75:
        notes.append(
            "Most of this picture counts as ink. The networks know single digits on plain paper and nothing else."
        )
    crop, thickened = _thickened(crop)
    if thickened:
        notes.append("Thin lines were made thicker, as if drawn with a felt-tip pen.")
    return from_reference(_centred(crop), *notes)


def _on_white(image: Image, alpha: Ink | None) -> NDArray[np.float32]:
    if alpha is None:
        return image
    return image * alpha[..., None] + (np.float32(1) - alpha[..., None])


def _ink(rgb: NDArray[np.float32]) -> tuple[Ink, bool, bool]:
    """Return the ink, whether the paper is dark, and whether ink or paper is coloured.

    The paper is the median colour of the outermost pixels.

    Raises:
        BadInput: The image is blank.
    """
    edge = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    paper = np.median(edge, axis=0).astype(np.float32)
    away = np.abs(rgb - paper).max(axis=2)
    strongest = float(np.quantile(away, 0.999))
    top = max(strongest, float(away.max()) * 0.5)
    if top < _FAINT:
        raise BadInput(
            "There is no digit to see: the picture is one even colour. Draw one digit, large, with a thick pen."
        )
    ink = ((away / top - 0.15) / 0.75).clip(0.0, 1.0).astype(np.float32)
    marked = rgb[ink > 0.5]
    spread = max(float(np.ptp(paper)), float(np.ptp(marked, axis=1).mean()) if len(marked) else 0.0)
    return ink, float(paper.mean()) < 0.5, spread > 0.15


def _cropped(ink: Ink) -> Ink:
    """Return the ink cropped to its bounding box, without specks that are much smaller than the rest."""
    mask = (ink > 0.3).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[1:count, cv2.CC_STAT_AREA]
    large = [index + 1 for index, area in enumerate(areas) if area >= 0.05 * areas.max()]
    kept = np.isin(labels, large)
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # Soft edges belong to the stroke they touch.
    near = cv2.dilate(kept.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.where(near, ink, np.float32(0))[part]


def _thickened(ink: Ink) -> tuple[Ink, bool]:
    """Dilate strokes thinner than about a tenth of the digit; return the ink and whether that was needed."""
    longest = max(ink.shape)
    mask = np.pad((ink > 0.5).astype(np.uint8), 1)
    inner = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    ridge = inner[inner >= 0.7 * inner.max()] if inner.max() > 0 else np.zeros(1, np.float32)
    stroke = 2.0 * float(np.median(ridge))
    if stroke >= _THIN * longest or longest < _INK:
        return ink, False
    reach = max(1, round((_WANTED * longest - stroke) / 2))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(np.pad(ink, reach), disc), np.float32), True


def _centred(ink: Ink) -> Pixels:
    """Return (28, 28) uint8: the longer side of `ink` is scaled to 20 pixels, its centre of mass is in the centre."""
    ratio = _INK / max(ink.shape)
    size = (max(1, round(ink.shape[1] * ratio)), max(1, round(ink.shape[0] * ratio)))
    kernel = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    fitted = np.asarray(cv2.resize(ink, size, interpolation=kernel), np.float32).clip(0.0, 1.0)
    fitted /= max(float(fitted.max()), 1e-6)
    total = max(float(fitted.sum()), 1e-6)
    y = float((fitted.sum(axis=1) * (np.arange(fitted.shape[0]) + 0.5)).sum()) / total
    x = float((fitted.sum(axis=0) * (np.arange(fitted.shape[1]) + 0.5)).sum()) / total
    top = min(max(round(HR_SIDE / 2 - y), 0), HR_SIDE - fitted.shape[0])
    left = min(max(round(HR_SIDE / 2 - x), 0), HR_SIDE - fitted.shape[1])
    canvas = np.zeros((HR_SIDE, HR_SIDE), np.float32)
    canvas[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return np.rint(canvas * 255).astype(np.uint8)
