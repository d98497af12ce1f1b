"""Checksums beside cached files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sr_demo.system import integrity
from tests.conftest import flip_bit


def test_a_sealed_file_is_intact_until_a_bit_flips(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(bytes(1000))
    assert not integrity.is_intact(path), "it has no checksum"
    integrity.write_checksums(path)
    assert integrity.is_intact(path)
    flip_bit(path)
    caplog.clear()
    for _ in range(3):
        assert not integrity.is_intact(path)
    assert [record.getMessage().count("is damaged") for record in caplog.records] == [1], "one line"


def test_it_is_read_once_per_process_unless_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"one")
    integrity.write_checksums(path)
    reads: list[Path] = []
    real = integrity.sha256_of
    monkeypatch.setattr(integrity, "sha256_of", lambda path: (reads.append(path), real(path))[1])
    assert all(integrity.is_intact(path) for _ in range(3)) and reads == [path]
    path.write_bytes(b"other")
    assert not integrity.is_intact(path) and len(reads) == 2


def test_the_checksum_beside_a_file_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    integrity.write_checksums(tmp_path / "model.bin")
    done = subprocess.run(["sha256sum", "-c", "model.bin.sha256"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "model.bin: OK\n"


@pytest.mark.parametrize("wrong", ["[]", "null", "{", '{"a": 1}', '{"a": 2, "sha256": "0"}', "", "[" * 100_000])
def test_json_that_is_not_as_it_was_written_is_refused(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "record.json"
    values = {"a": 1, "list": [1.5, None, {"7": "x"}]}
    path.write_bytes(integrity.json_with_checksum(values))
    assert integrity.read_json_with_checksum(path) == values
    path.write_text(path.read_text().replace("1.5", "1.6"))
    with pytest.raises(ValueError, match="damaged"):
        integrity.read_json_with_checksum(path, unsealed=True)
    path.write_text(wrong)
    with pytest.raises(ValueError, match="damaged"):
        integrity.read_json_with_checksum(path)


def test_json_of_earlier_versions_can_be_accepted(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(json.dumps({"a": 1}))
    assert integrity.read_json_with_checksum(tmp_path / "record.json", unsealed=True) == {"a": 1}
