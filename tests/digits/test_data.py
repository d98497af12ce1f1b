"""Digits as arrays: downscaling, and both file formats of MNIST."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from sr_demo.digits import data
from sr_demo.errors import BadInput
from sr_demo.image import quantize, readonly
from sr_demo.imaging.resize import resize
from tests.digit_images import written_digits


def test_downscaling_many_digits_equals_resizing_one_by_one() -> None:
    images, _ = written_digits(8)
    lr = data.downscale(images)
    assert lr.shape == (8, 26, 26) and lr.dtype == np.uint8
    for image, got in zip(images, lr, strict=True):
        expected = quantize(resize(readonly(image.astype(np.float32) / 255), (26, 26)))
        assert np.abs(got.astype(int) - expected).max() <= 1
    assert data.bicubic(lr).shape == (8, 28, 28)


def test_downscaling_is_antialiased() -> None:
    """Stripes finer than 26 pixels can hold lose contrast; picking pixels would keep it."""
    stripes = np.zeros((1, 28, 28), np.uint8)
    stripes[0, :, ::2] = 255
    assert data.downscale(stripes)[0, :, 10:14].std() < 100 < stripes.std()


def test_mnist_is_read_from_npz_and_from_its_own_files(tmp_path: Path) -> None:
    images, labels = written_digits(6)
    np.savez(tmp_path / "mnist.npz", x_train=images[:4], y_train=labels[:4], x_test=images[4:], y_test=labels[4:])
    raw = tmp_path / "raw"
    raw.mkdir()
    for part, some in (("train", slice(0, 4)), ("t10k", slice(4, 6))):
        head = np.array([len(labels[some]), 28, 28], ">u4").tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(bytes((0, 0, 8, 3)) + head + images[some].tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(bytes((0, 0, 8, 1)) + head[:4] + labels[some].tobytes())
    packed = tmp_path / "packed" / "MNIST" / "raw"
    packed.mkdir(parents=True)
    for file in raw.iterdir():
        (packed / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    for train, test in (data.load(tmp_path / "mnist.npz"), data.load(raw), data.load(tmp_path / "packed")):
        assert len(train) == 4 and len(test) == 2
        np.testing.assert_array_equal(train.images, images[:4])
        np.testing.assert_array_equal(test.labels, labels[4:])


def test_files_that_are_not_mnist_are_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="SR_DEMO_SHARED_DATA"):
        data.load(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("no zip")
    with pytest.raises(BadInput, match="does not hold MNIST"):
        data.load(tmp_path / "text.npz")
    flat = np.zeros((2, 784), np.uint8)
    np.savez(tmp_path / "flat.npz", x_train=flat, y_train=flat[:, 0], x_test=flat, y_test=flat[:, 0])
    with pytest.raises(BadInput, match="28 x 28"):
        data.load(tmp_path / "flat.npz")
    with pytest.raises(BadInput, match="four files"):
        data.load(tmp_path)
    for content in (b"", bytes((0, 0, 8, 3, 1, 2)), bytes((0, 0, 8, 3, 0, 0, 0, 9)), bytes((0, 0, 8, 3)) + bytes(13)):
        (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
        with pytest.raises(BadInput, match="damaged"):
            data.load(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    for cut in (slice(None, 30), slice(None, -8)):
        packed = bytearray(gzip.compress(bytes((0, 0, 8, 3)) + bytes(range(256)) * 4)[cut])
        packed[12] ^= 0xFF
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(packed)
        with pytest.raises(BadInput, match="four files"):
            data.load(tmp_path)
