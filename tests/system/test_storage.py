"""Files that appear when they are complete."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sr_demo.errors import StorageError
from sr_demo.system import scratch, storage
from sr_demo.system.storage import unfinished_folder, write_atomically


@pytest.mark.parametrize("durable", [False, True])
def test_bytes_and_writers_replace_the_file_that_was_there(tmp_path: Path, durable: bool) -> None:
    target = tmp_path / "figures.json"
    target.write_bytes(b"old")
    write_atomically(target, b"new", durable=durable)
    assert target.read_bytes() == b"new"
    write_atomically(target, lambda part: part.write_bytes(b"newer"), durable=durable)
    assert target.read_bytes() == b"newer"
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    target.write_bytes(b"old")

    def fail(part: Path) -> None:
        part.write_bytes(b"half")
        assert target.read_bytes() == b"old"
        assert scratch.unfinished(tmp_path) == [part], "found by the sweep if this process is killed here"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_atomically(target, fail)
    assert target.read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == ["figures.json"]


def test_an_unfinished_folder_goes_with_what_was_not_moved_out_of_it(tmp_path: Path) -> None:
    with unfinished_folder(tmp_path) as folder:
        (folder / "whole").write_bytes(b"whole")
        (folder / "half").write_bytes(b"half")
        assert scratch.unfinished(tmp_path) == [folder]
        (folder / "whole").replace(tmp_path / "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENAMETOOLONG, errno.ESTALE])
def test_every_refusal_of_a_folder_is_a_sentence(tmp_path: Path, number: int) -> None:
    with pytest.raises(StorageError, match="Files cannot be kept"), storage.disk_errors_translated(tmp_path):
        raise OSError(number, os.strerror(number), str(tmp_path))
    with pytest.raises(ConnectionResetError), storage.disk_errors_translated(tmp_path):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


def test_only_errors_of_the_folder_are_its_refusals(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "kind"
    for where in (folder, folder / "a" / "b", tmp_path / "cache", os.fsencode(folder), 5, None):
        with pytest.raises(StorageError, match="Files cannot be kept"), storage.disk_errors_translated(folder):
            raise OSError(errno.EACCES, "refused", where)
    with pytest.raises(PermissionError, match="photo"), storage.disk_errors_translated(folder):
        raise OSError(errno.EACCES, "refused", str(tmp_path / "photo.png"))
    with pytest.raises(StorageError, match="Files cannot be kept"), storage.disk_errors_translated(folder):
        raise OSError(errno.EXDEV, "refused", str(tmp_path / "photo.png"), None, str(folder / "photo.png"))
