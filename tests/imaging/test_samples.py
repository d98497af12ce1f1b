"""Every sample is available without a network, has a credit, and becomes a file."""

from __future__ import annotations

import socket
import subprocess
import sys

import numpy as np
import pytest

from sr_demo.errors import MissingDependency, StorageError
from sr_demo.image import read
from sr_demo.imaging import samples
from sr_demo.imaging.samples import EXAMPLES, SAMPLES, write_sample
from tests.conftest import flip_bit

IDS = [sample.id for sample in SAMPLES]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("an example asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_the_list_of_samples():
    assert IDS == ["cat", "coffee", "astronaut", "text", "cells", "retina", "brick", "rocket", "hubble", "chart"]
    assert [sample.id for sample in EXAMPLES][:7] == ["phone", "scan", "face", "text", "cells", "satellite", "chart"]
    assert set(SAMPLES) < set(EXAMPLES), "the page offers all"


@pytest.mark.parametrize("sample", EXAMPLES, ids=[sample.id for sample in EXAMPLES])
def test_each_one_loads_and_is_credited(sample):
    image = sample.make()
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert min(image.shape[:2]) >= 170
    assert image.dtype == np.float32
    assert not image.flags.writeable
    assert sample.title
    assert "\n" not in sample.credit
    assert any(word in sample.credit for word in ("CC0", "public domain", "copyright", "Apache-2.0"))


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.id in ("cat", "text")], ids=["cat", "text"])
def test_the_file_is_exact_and_written_once(tmp_path, sample):
    path = write_sample(sample, tmp_path / "new" / "folder")
    assert path.name == f"{sample.id}.png"
    image = read(path)
    assert np.array_equal(image.rgb, sample.make())
    assert image.gray == (sample.id == "text")
    stamp = path.stat().st_mtime_ns
    assert write_sample(sample, tmp_path / "new" / "folder") == path
    assert path.stat().st_mtime_ns == stamp
    assert {p.name for p in path.parent.iterdir()} == {path.name, f"{path.name}.sha256"}


@pytest.mark.parametrize("defect", ["flipped", "empty", "text", "no checksum"])
def test_a_damaged_file_is_written_again(tmp_path, defect):
    path = write_sample(SAMPLES[0], tmp_path)
    if defect == "flipped":
        flip_bit(path)
    elif defect == "no checksum":
        path.with_name("cat.png.sha256").unlink()
    else:
        path.write_text("not a picture" if defect == "text" else "")
    assert write_sample(SAMPLES[0], tmp_path) == path
    assert np.array_equal(read(path).rgb, SAMPLES[0].make())


def test_a_folder_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="for example pictures cannot be created"):
        write_sample(SAMPLES[0], tmp_path / "file" / "folder")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(samples, "find_spec", lambda _: None)
    with pytest.raises(MissingDependency, match=r"^The example picture chelsea.png .* pip install scikit-image$"):
        SAMPLES[0].make()


def test_listing_the_samples_imports_nothing_heavy():
    heavy = {"skimage", "scipy", "cv2", "tifffile", "torch"}
    code = f"import sys, sr_demo.imaging.samples; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
