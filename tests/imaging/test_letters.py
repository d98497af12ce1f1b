"""Small letters are found in scans and charts, and not in photos."""

from __future__ import annotations

import numpy as np
import pytest

from sr_demo.image import readonly
from sr_demo.imaging.letters import has_fine_text, letters, luma_levels
from sr_demo.imaging.resize import downscale
from sr_demo.imaging.resolution_chart import resolution_chart
from tests.bundled_photos import bundled

WITHOUT = (
    "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "grass.png",
    "gravel.png", "hubble_deep_field.jpg", "moon.png", "motorcycle_left.png", "rocket.jpg",
)  # fmt: skip


def test_small_letters_are_found_on_both_grounds_and_not_in_photos() -> None:
    page = luma_levels(bundled("page.png"), 1024)
    assert letters(page) > 80 and letters(255 - page) > 80
    assert all(letters(luma_levels(bundled(name), 1024)) < 20 for name in WITHOUT)


@pytest.mark.parametrize("side", [384, 512, 768, 1024])
def test_the_text_of_the_chart_is_found(side: int) -> None:
    assert has_fine_text(resolution_chart(side))


def test_a_scanned_page_has_text_and_photos_have_none() -> None:
    assert has_fine_text(bundled("page.png"))
    assert not [name for name in WITHOUT if has_fine_text(bundled(name))]
    assert not [name for name in WITHOUT if has_fine_text(downscale(bundled(name), 2))]


def test_what_has_no_room_for_text_has_none() -> None:
    assert not has_fine_text(readonly(np.zeros((1, 1, 3), np.float32)))
    assert not has_fine_text(readonly(np.full((3, 700, 3), 0.5, np.float32)))
