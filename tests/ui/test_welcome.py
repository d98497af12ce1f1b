"""The finished results that are shown before anything has run."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sr_demo.ui import welcome
from sr_demo.ui.welcome import Tab

TABS: tuple[Tab, ...] = ("compare", "diffusion")


def shown(url: str) -> np.ndarray:
    pixels = cv2.imread(str(welcome.FOLDER / Path(url).name), cv2.IMREAD_COLOR_RGB)
    assert pixels is not None
    return pixels


def test_they_are_there_small_and_complete() -> None:
    for tab in TABS:
        images = welcome.images(tab)
        assert len(images) >= 3
        for image in images:
            assert shown(image.url).shape[:2] == (image.height, image.width)
    assert sum(file.stat().st_size for file in welcome.FOLDER.iterdir()) <= 1_100_000


@pytest.mark.slow
@pytest.mark.parametrize("tab", TABS)
def test_they_come_from_the_weights_that_are_shipped(tab: Tab) -> None:
    """A network that is trained again leaves them behind: `python -m sr_demo.ui.welcome` computes them anew."""
    images = {image.id: image for image in welcome.images(tab)}
    for now in welcome.compute_results(tab):
        image = images.pop(f"welcome-{now.name}")
        assert (image.label, image.note) == (now.label, now.note)
        # Processors round differently; guesses add that up over their steps.
        difference = np.abs(shown(image.url).astype(np.int16) - now.pixels)
        assert difference.mean() <= 0.05, f"the image of {now.name} is of other weights"
    assert not images


def test_generative_methods_are_marked() -> None:
    notes = {image.label: image.note for tab in TABS for image in welcome.images(tab)}
    assert (
        "may invent detail" in notes["Real-ESRGAN (ours, imitates x4plus)"] and "may invent detail" in notes["Guess 1"]
    )
    assert "invent" not in notes["Bicubic"] + notes["Start image"]


@pytest.mark.parametrize("tab", TABS)
def test_a_page_without_the_files_starts_empty(tab: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(welcome, "FOLDER", tmp_path)
    assert welcome.images(tab) == []
