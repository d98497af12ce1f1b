"""The comparison that is shown before anything has run."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from sr_demo.ui.compare import welcome


def test_it_is_there_small_and_complete() -> None:
    images = welcome.images()
    assert len(images) >= 3
    for image in images:
        file = welcome.FOLDER / Path(image.url).name
        pixels = cv2.imread(str(file))
        assert pixels is not None and pixels.shape[:2] == (image.height, image.width)
    assert sum(file.stat().st_size for file in welcome.FOLDER.iterdir()) <= 600_000


def test_generative_methods_are_marked() -> None:
    notes = {image.label: image.note for image in welcome.images()}
    assert (
        "may invent detail" in notes["Real-ESRGAN (ours, imitates x4plus)"] and "invent detail" not in notes["Bicubic"]
    )


def test_a_page_without_its_files_starts_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(welcome, "FOLDER", tmp_path)
    assert welcome.images() == []
