"""Decoded uploads are cached within a limit, and decoded anew where the file has changed."""

from __future__ import annotations

import ast
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest

from sr_demo import ui
from sr_demo.errors import BadInput
from sr_demo.image import ImageData, Limits, read, write_png
from sr_demo.system import memory
from sr_demo.ui import uploads
from sr_demo.ui.uploads import UploadCache
from tests.conftest import image_of, noise


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
    write_png(image_of(noise(height, width)), path)
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


def side_by_side(cache: UploadCache, *paths: Path) -> bool:
    """Whether handlers that open these files work at the same time."""
    meeting = Barrier(len(paths))

    def work(path: Path) -> bool:
        with cache.opened(path, Limits()):
            try:
                meeting.wait(0.3)
            except BrokenBarrierError:
                return False
            return True

    with ThreadPoolExecutor(len(paths)) as pool:
        return all(pool.map(work, paths))


def test_handlers_that_open_large_images_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large, other = (photo(tmp_path, f"{i}.png", 20 * size, 20 * size) for i, size in enumerate((1, 3, 3)))
    monkeypatch.setattr(memory, "budget", lambda: 20 * 60 * 60)
    assert not side_by_side(UploadCache(0), large, other)
    assert side_by_side(UploadCache(0), large, small), "small ones pass beside large ones"
    cache = UploadCache()
    for path in (large, other):
        cache.read(path, Limits())
    assert side_by_side(cache, large, other), "no memory is needed for images that are held"


OWN_FILES = {("examples.py", "read(sample_file(sample))"), ("viewer/shared_page.py", "read(file)")}
"""Reads without limits: bundled samples, and results in the viewer."""


def test_the_page_reads_no_file_of_a_visitor_without_its_limits() -> None:
    without: set[tuple[str, str]] = set()
    folder = Path(ui.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "sr_demo.image"
            for alias in node.names
        } & {"read", "stated_pixels", "page_numbers"}
        without |= {
            (path.relative_to(folder).as_posix(), ast.unparse(node))
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in imported
            and not any("limits" in ast.unparse(each).lower() for each in (*node.args[1:], *node.keywords))
        }
    assert without == OWN_FILES
