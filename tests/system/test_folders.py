"""Listing a folder: hidden files are left out and counted, what cannot be read is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sr_demo.codecs.image_files import find_images
from sr_demo.errors import BadInput
from sr_demo.system.folders import list_files


def tree(folder: Path) -> Path:
    for name in (
        "a.jpg",
        "._a.jpg",
        "sub/b.jpg",
        "sub/.DS_Store",
        ".thumbnails/c.jpg",
        ".thumbnails/d.jpg",
        "out/e.jpg",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    os.mkfifo(folder / "pipe.jpg")
    return folder


def test_hidden_files_and_folders_are_counted_once_each(tmp_path: Path) -> None:
    listing = list_files(tree(tmp_path), recursive=True, without=tmp_path / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in listing.files] == ["a.jpg", "sub/b.jpg"]
    found = find_images(tmp_path, recursive=True, without=tmp_path / "out")
    assert listing.hidden == 3 and found.left_out == "3 hidden files left out"
    flat = list_files(tmp_path)
    assert [path.name for path in flat.files] == ["a.jpg"] and flat.hidden == 1


def test_the_folder_that_macos_puts_into_zips_is_hidden_and_counted(tmp_path: Path) -> None:
    (tmp_path / "__MACOSX").mkdir()
    for name in ("a.jpg", "__MACOSX/._a.jpg", "__MACOSX/b.jpg"):
        (tmp_path / name).write_text("x")
    found = find_images(tmp_path, recursive=True)
    assert [path.name for path in found.images] == ["a.jpg"]
    assert (found.others, found.hidden) == ((), 1)


def test_links_that_are_not_followed_are_counted_or_named(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "photo.jpg").symlink_to(tmp_path / "moved.jpg")
    (tmp_path / "round.jpg").symlink_to(tmp_path / "round.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "linked").symlink_to(tmp_path / "sub")
    found = find_images(tmp_path, recursive=True)
    assert [path.name for path in found.images] == ["a.jpg", "link.jpg", "e.jpg", "b.jpg"]
    assert found.left_out == "3 hidden files and 1 linked folder left out"
    assert sorted(found.unreadable) == [
        f"The link {tmp_path / 'photo.jpg'} cannot be followed: No such file or directory.",
        f"The link {tmp_path / 'round.jpg'} cannot be followed: Too many levels of symbolic links.",
    ]
    assert find_images(tmp_path).left_out == "1 hidden file left out", "folders do not count without --recursive"


def test_a_folder_whose_files_cannot_be_reached_is_named_and_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with permission to read the folder (`chmod 444`), but not to enter it."""
    real = os.stat

    def refuse(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if "/sub/" in str(path):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path, *args, **kwargs)

    tree(tmp_path)
    (tmp_path / "sub" / "c.jpg").write_text("x")
    monkeypatch.setattr(os, "stat", refuse)
    listing = list_files(tmp_path, recursive=True)
    assert listing.unreadable == [f"The folder {tmp_path / 'sub'} cannot be read: Permission denied."]
    assert [path.name for path in listing.files] == ["a.jpg", "e.jpg"]
    with pytest.raises(BadInput, match="sub cannot be read: Permission denied"):
        list_files(tmp_path / "sub")


def test_a_link_into_a_place_that_cannot_be_read_is_named_and_the_folder_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat

    def refuse(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if os.fspath(path).endswith("link.jpg") and kwargs.get("follow_symlinks", True):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path, *args, **kwargs)

    (tmp_path / "a.jpg").write_text("x")
    (tmp_path / "link.jpg").symlink_to("/root/secret.jpg")
    monkeypatch.setattr(os, "stat", refuse)
    listing = list_files(tmp_path)
    assert listing.unreadable == [f"The link {tmp_path / 'link.jpg'} cannot be followed: Permission denied."]
    assert [path.name for path in listing.files] == ["a.jpg"]


def test_a_folder_that_cannot_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def refuse(path: Any) -> Iterator[Any]:
        if os.fspath(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    tree(tmp_path)
    monkeypatch.setattr(os, "scandir", refuse)  # root may read everything
    listing = list_files(tmp_path, recursive=True)
    assert listing.unreadable == [f"The folder {tmp_path / 'sub'} cannot be read: Permission denied."]
    assert [path.name for path in listing.files] == ["a.jpg", "e.jpg"]
    with pytest.raises(BadInput, match=r"sub cannot be read: Permission denied\. Change"):
        list_files(tmp_path / "sub")
    with pytest.raises(BadInput, match="There is no folder"):
        list_files(tmp_path / "none")
