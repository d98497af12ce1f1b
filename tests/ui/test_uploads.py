"""Decoded uploads are cached within a limit, and decoded anew where the file has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sr_demo.errors import BadInput
from sr_demo.image import ImageData, Limits, read, write_png
from sr_demo.ui import uploads
from sr_demo.ui.uploads import UploadCache
from tests.conftest import noise, picture_of


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were decoded, in order."""
    names: list[str] = []

    def counting(path: Path, limits: Limits) -> ImageData:
        names.append(path.name)
        return read(path, limits)

    monkeypatch.setattr(uploads, "read", counting)
    return names


def photo(folder: Path, name: str, height: int = 8, width: int = 10) -> Path:
    path = folder / name
    write_png(picture_of(noise(height, width)), path)
    return path


def test_an_unchanged_file_is_decoded_once(tmp_path: Path, decoded: list[str]) -> None:
    cache, path = UploadCache(), photo(tmp_path, "a.png")
    first = cache.read(path, Limits())
    assert cache.read(str(path), Limits()) is first and decoded == ["a.png"]


def test_a_changed_file_is_decoded_again(tmp_path: Path, decoded: list[str]) -> None:
    cache, path = UploadCache(), photo(tmp_path, "a.png")
    cache.read(path, Limits())
    photo(tmp_path, "a.png", height=12)
    os.utime(path, ns=(1, 1))
    assert cache.read(path, Limits()).rgb.shape == (12, 10, 3) and len(decoded) == 2


def test_the_oldest_go_when_all_together_take_too_much(tmp_path: Path, decoded: list[str]) -> None:
    one = 8 * 10 * 3 * 4
    cache = UploadCache(max_bytes=2 * one)
    a, b, c = (photo(tmp_path, name) for name in ("a.png", "b.png", "c.png"))
    for path in (a, b, a, c, a, b):
        cache.read(path, Limits())
    assert decoded == ["a.png", "b.png", "c.png", "b.png"]


def test_a_large_image_is_returned_and_pushes_nothing_out(tmp_path: Path, decoded: list[str]) -> None:
    cache = UploadCache(max_bytes=8 * 10 * 3 * 4)
    small, large = photo(tmp_path, "small.png"), photo(tmp_path, "large.png", height=9)
    for path in (small, large, large, small):
        cache.read(path, Limits())
    assert decoded == ["small.png", "large.png", "large.png"]


def test_failures_are_not_cached(tmp_path: Path, decoded: list[str]) -> None:
    cache, path = UploadCache(), tmp_path / "a.png"
    for content in (b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(BadInput):
            cache.read(path, Limits())
    with pytest.raises(BadInput):
        cache.read(tmp_path / "gone.png", Limits())
    photo(tmp_path, "a.png")
    assert cache.read(path, Limits()).rgb.shape == (8, 10, 3)
