"""Uploads as tabs and previews see them: small, and opaque."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sr_demo.image import ImageData, Limits, Size, read, readonly, write_png
from sr_demo.ui.small_image import on_background, read_small
from sr_demo.ui.source import source_of, write_preview
from tests.conftest import image_of, noise


def drawing(brightness: float) -> ImageData:
    """A transparent image of 64 x 96 with one opaque square in the middle."""
    alpha = np.zeros((64, 96), np.float32)
    alpha[16:48, 32:64] = 1
    return ImageData(readonly(np.full((64, 96, 3), brightness, np.float32)), alpha=readonly(alpha))


@pytest.mark.parametrize(("brightness", "background"), [(0.0, 1.0), (0.5, 1.0), (1.0, 0.0)])
def test_a_drawing_on_transparency_stays_visible(tmp_path: Path, brightness: float, background: float) -> None:
    path = tmp_path / "drawing.png"
    write_png(drawing(brightness), path)
    image = read(path)
    preview = write_preview(source_of(str(path), image), image, tmp_path)
    for shown in (read_small(str(path), 48, Limits()), read_small(str(path), 200, Limits()), read(preview).rgb):
        height, width = shown.shape[:2]
        assert shown[0, 0] == pytest.approx([background] * 3, abs=0.01)
        assert shown[height // 2, width // 2] == pytest.approx([brightness] * 3, abs=0.01)


def test_an_opaque_image_is_left_as_it_is() -> None:
    image = image_of(noise(20, 30))
    assert on_background(image, image.size) is image.rgb
    nowhere = replace(image, alpha=readonly(np.zeros((20, 30), np.float32)))
    assert on_background(nowhere, Size(20, 30)).min() == 1.0, "nothing is visible"
