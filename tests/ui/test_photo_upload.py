"""Zips of photos are read within limits on names, bytes and time, and all files that are left out are counted."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from sr_demo.codecs.archives import array_headers
from sr_demo.codecs.npz import find_stacks
from sr_demo.errors import MOST_LISTED, BadInput, first_few
from sr_demo.image import Limits, encode_png
from sr_demo.progress import SILENT, Progress
from sr_demo.ui import photo_upload
from sr_demo.ui.background_work import WorkResult, run_in_thread
from sr_demo.ui.photo_upload import ReadPhotos, read_photos
from tests.conftest import image_of, noise

GOOD = encode_png(image_of(noise(8, 8)))
pytestmark = pytest.mark.timeout(30)


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def taken_from(tmp_path: Path, *files: Path, limits: Limits = Limits()) -> ReadPhotos:  # noqa: B008 - a frozen value
    folder = tmp_path / "taken"
    folder.mkdir()
    taken = read_photos(files, folder, limits, SILENT)
    assert sorted(folder.iterdir()) == taken.written, "nothing else is left in the folder"
    return taken


def test_thousands_of_empty_members_are_counted_and_a_few_are_named(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", {"good.png": GOOD, **{f"{i:05d}.png": b"" for i in range(5000)}})
    begun = time.monotonic()
    taken = taken_from(tmp_path, archive)
    assert time.monotonic() - begun < 5
    assert len(taken.written) == 1 and taken.left_out == 5000
    assert taken.sentences[0] == "Only the first 2,000 files in a.zip are read: 3,001 more are left out."
    assert taken.sentences[1].startswith("00000.png is empty (0 bytes).")
    assert all(sentence.count(".png") == 1 for sentence in taken.sentences[1:])
    few = first_few(taken.sentences)
    assert len(few) == MOST_LISTED + 1 and few[-1] == "And 1,990 more."


def test_nothing_usable_is_a_short_sentence(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", {f"{i}.png": b"" for i in range(300)})
    with pytest.raises(
        BadInput, match=r"^None of these files can be remembered.\n0.png (?s:.*)And 290 more.$"
    ) as raised:
        taken_from(tmp_path, archive)
    assert len(str(raised.value)) < 1500


def test_a_list_of_too_many_names_is_not_read(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", {f"{i:090d}.png": b"" for i in range(40_000)})
    (tmp_path / "good.png").write_bytes(GOOD)
    begun = time.monotonic()
    taken = taken_from(tmp_path, archive, tmp_path / "good.png")
    assert time.monotonic() - begun < 2
    assert len(taken.written) == 1
    assert taken.sentences == ["a.zip lists more files than can be read here. Split it into smaller ones."]


def test_zeros_are_not_unpacked_and_images_only_up_to_a_limit(tmp_path: Path) -> None:
    zeros = bytes(2**20)
    members = {f"zeros{i}.png": zeros for i in range(50)}
    members |= {f"big{i:02d}.png": GOOD + zeros[: 2**20 - len(GOOD)] for i in range(14)}
    taken = taken_from(tmp_path, packed(tmp_path / "a.zip", members), limits=Limits(max_bytes=2**20))
    assert len(taken.written) == 10 and taken.left_out == 54
    assert taken.sentences[0].startswith("zeros0.png is not a picture of a kind this app reads.")
    assert taken.sentences[-1] == "big13.png is left out: all photos together unpack to more than 0.0 GB."


def test_time_is_limited_and_what_was_not_read_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(photo_upload.time, "monotonic", lambda: next(clock))
    archive = packed(tmp_path / "a.zip", {f"{i}.png": GOOD for i in range(20)})
    taken = taken_from(tmp_path, archive)
    assert 1 <= len(taken.written) < 10 and len(taken.written) + taken.left_out == 20
    assert taken.sentences[0].startswith("Only what could be read in 60 seconds is used: ")


def test_only_so_many_photos_are_used_and_the_rest_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_upload, "_MOST_PHOTOS", 3)
    archive = packed(tmp_path / "a.zip", {f"{i}.png": GOOD for i in range(5)})
    taken = taken_from(tmp_path, archive)
    assert len(taken.written) == 3 and taken.left_out == 2
    assert taken.sentences == ["Only the first 3 photos are used: 2 more are left out."]


def test_what_is_no_image_is_named_and_what_systems_add_is_not(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("inside.png", GOOD)
    members = {
        "inner.zip": inner.getvalue(), "folder/good.dat": GOOD, "x" * 300 + ".png": b"text", "__MACOSX/._good.png": b"x",
        ".DS_Store": b"x", "..\\..\\up.png": GOOD,
    }  # fmt: skip
    broken = packed(tmp_path / "broken.zip", {"a.png": GOOD})
    broken.write_bytes(broken.read_bytes().replace(b"PK\x01\x02", b"PK\x01\x03"))
    taken = taken_from(tmp_path, packed(tmp_path / "a.zip", members), broken)
    assert [path.name for path in taken.written] == ["000_good.png", "001_up.png"]
    assert (taken.left_out, taken.hidden) == (3, 2)
    assert len(taken.sentences) == 4 and taken.sentences[-1] == "2 hidden files left out."
    assert taken.sentences[0].startswith("inner.zip is not a picture this app reads but a ZIP archive")
    assert "not a picture but a text file" in taken.sentences[1] and len(taken.sentences[1]) < 200
    assert taken.sentences[2].startswith("broken.zip is damaged or incomplete")


def test_an_image_with_a_zip_behind_it_is_an_image(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", {"inside.png": GOOD})
    (tmp_path / "both.png").write_bytes(GOOD + archive.read_bytes())
    assert [path.name for path in taken_from(tmp_path, tmp_path / "both.png").written] == ["000_both.png"]


def test_a_slow_page_sees_the_newest_of_what_is_done(tmp_path: Path) -> None:
    done = Event()

    def work(progress: Progress) -> int:
        for i in range(5000):
            progress(i / 5000, str(i))
        done.set()
        return 7

    events = run_in_thread(work, Event(), "test")
    shown: list[Any] = [next(events)]
    assert done.wait(10)
    shown += list(events)
    assert len(shown) <= 3
    assert isinstance(shown[-1], WorkResult) and shown[-1].value == 7


def npz(path: Path, shape: tuple[int, ...], content: bytes, dtype: str = "|u1") -> Path:
    header = io.BytesIO()
    npy.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    return packed(path, {"a.npy": header.getvalue() + content})


def test_arrays_that_say_they_are_larger_than_they_are_get_a_sentence(tmp_path: Path) -> None:
    for shape in ((10**6, 10**4, 10**4, 3), (10**9, 10**9, 3), (2, 8, 9, 3)):
        with pytest.raises(BadInput, match=r"^a.npz: a.npy says that it is larger than it is. Save it again.$"):
            find_stacks(npz(tmp_path / "a.npz", shape, bytes(2 * 8 * 8 * 3)))
    assert find_stacks(npz(tmp_path / "a.npz", (2, 8, 8, 3), bytes(2 * 8 * 8 * 3)))[0].count == 2


def test_arrays_that_unpack_to_more_than_the_memory_get_a_sentence(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros((2, 100, 100), np.uint8))
    assert len(array_headers(tmp_path / "a.npz", 2**20)) == 1
    with pytest.raises(BadInput, match=r"^a.npz unpacks to .* GB, and only .* Split it into smaller files.$"):
        array_headers(tmp_path / "a.npz", 10_000)
