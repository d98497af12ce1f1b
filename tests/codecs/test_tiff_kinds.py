"""TIFF files whose pages do not show all they hold: read completely, or refused with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from sr_demo.codecs.conversions import upright
from sr_demo.errors import BadInput
from sr_demo.image import Limits, page_numbers, read

RGB = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)
GRAY = RGB[..., 0].astype(np.uint16) * 257
RAW = r"^This is a camera raw file.* Develop it first, and export it as TIFF, PNG or JPEG.$"


def with_sub(path: Path, first: Any, second: Any, first_kind: int = 0, **options: Any) -> Path:
    with tifffile.TiffWriter(path) as tif:
        tif.write(first, subifds=1, photometric="rgb", subfiletype=first_kind)
        tif.write(second, **options)
    return path


@pytest.mark.parametrize("first_kind", [0, 1])
def test_camera_raw_is_refused_whatever_its_name(tmp_path: Path, first_kind: int) -> None:
    pattern = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, (0, 1, 1, 2), True)]
    sensor, large = np.zeros((48, 64), np.uint16), np.zeros((48, 64, 3), np.uint8)
    with pytest.raises(BadInput, match=RAW):
        read(with_sub(tmp_path / "a.tif", RGB, sensor, first_kind, photometric=32803, extratags=pattern))
    with pytest.raises(BadInput, match=RAW):
        read(with_sub(tmp_path / "a.tif", RGB, large, first_kind, photometric="rgb"))


def test_a_page_with_smaller_versions_of_itself_is_read(tmp_path: Path) -> None:
    path = with_sub(tmp_path / "a.tif", RGB, RGB[::2, ::2].copy(), photometric="rgb", subfiletype=1)
    assert read(path).rgb.shape == (12, 16, 3)


def test_a_preview_in_front_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB, subfiletype=1, photometric="rgb")
    with pytest.raises(BadInput, match=r"^The first page of this TIFF is only a preview"):
        read(tmp_path / "a.tif")


def test_images_behind_one_page_are_not_lost(tmp_path: Path) -> None:
    for text in ("ImageJ=1.11a\nimages=4\nslices=4\n", '{"shape": [4, 12, 16], "truncated": true}'):
        tifffile.imwrite(tmp_path / "a.tif", GRAY, description=text, metadata=None)
        with pytest.raises(BadInput, match=r"^This TIFF holds 4 images, but only 1 of them as a page"):
            read(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", np.stack([GRAY] * 4), imagej=True)
    assert page_numbers(tmp_path / "b.tif", Limits()) == (0, 1, 2, 3)
    assert read(tmp_path / "b.tif", page=3).bits == 16


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("channels", "photometric", "kind"),
    [(2, "minisblack", "gray and 1 more"), (5, "minisblack", "gray and 4 more"), (4, "rgb", "RGB and 1 more"),
     (5, "rgb", "RGB and 2 more")],
)  # fmt: skip
def test_channels_that_would_be_lost_are_named(
    tmp_path: Path, dtype: Any, channels: int, photometric: Any, kind: str
) -> None:
    array = np.random.default_rng(2).integers(0, 256, (6, 5, channels)).astype(dtype)
    extra = channels - (3 if photometric == "rgb" else 1)
    tifffile.imwrite(
        tmp_path / "a.tif", array, photometric=photometric, planarconfig="contig", extrasamples=["unspecified"] * extra
    )
    with pytest.raises(BadInput) as caught:
        read(tmp_path / "a.tif")
    assert str(caught.value).startswith(f"This TIFF has {channels} channels of a kind that is not read here: {kind}. ")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_channel_that_is_only_padding_is_left_out(tmp_path: Path, dtype: Any) -> None:
    array = np.dstack([RGB, np.zeros((12, 16), np.uint8)]).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unspecified"])
    image = read(tmp_path / "a.tif")
    assert image.alpha is None
    assert np.array_equal(image.rgb, RGB.astype(np.float32) / np.float32(np.iinfo(dtype).max))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_with_alpha_keeps_both(tmp_path: Path, dtype: Any) -> None:
    array = RGB[..., :2].astype(dtype)
    tifffile.imwrite(
        tmp_path / "a.tif", array, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]
    )
    image = read(tmp_path / "a.tif")
    assert image.alpha is not None and image.gray
    assert np.array_equal(image.alpha, array[..., 1].astype(np.float32) / np.float32(np.iinfo(dtype).max))
    assert image.bits == array.itemsize * 8


def packed_tiff(depth: int, values: np.ndarray, orientation: int = 1) -> bytes:
    """Gray (6, 8) of 12 bits, in a file that states `depth` bits."""
    bits = "".join(f"{value:012b}" for value in values.ravel())
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    entries = [(256, 8), (257, 6), (258, depth), (259, 1), (262, 1), (273, 8), (274, orientation), (277, 1), (278, 6)]
    entries.append((279, len(packed)))
    table = len(entries).to_bytes(2, "little")
    for tag, value in entries:
        table += tag.to_bytes(2, "little") + b"\4\0\1\0\0\0" + value.to_bytes(4, "little")
    return b"II*\0" + (8 + len(packed)).to_bytes(4, "little") + packed + table + bytes(4)


def test_gray_of_12_bits_is_read_and_other_depths_are_named(tmp_path: Path) -> None:
    values = np.arange(48, dtype=np.uint16).reshape(6, 8) * 87
    (tmp_path / "a.tif").write_bytes(packed_tiff(12, values))
    image = read(tmp_path / "a.tif")
    assert (image.bits, image.gray) == (16, True)
    assert np.allclose(image.rgb[..., 0], values / 4095, atol=1e-5)
    (tmp_path / "a.tif").write_bytes(packed_tiff(10, values))
    with pytest.raises(BadInput, match=r"^This TIFF has 10 bits per channel, of a kind that is not read here"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_gray_of_12_bits_is_turned_upright_once(tmp_path: Path, orientation: int) -> None:
    values = np.arange(48, dtype=np.uint16).reshape(6, 8) * 87
    (tmp_path / "a.tif").write_bytes(packed_tiff(12, values, orientation))
    expected = upright(values[..., None] / np.float32(4095), orientation)
    found = read(tmp_path / "a.tif").rgb[..., :1]
    assert found.shape == expected.shape and np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_smaller_versions_of_a_page_are_not_counted_as_pages(tmp_path: Path, dtype: Any) -> None:
    image = (RGB * 3.0).astype(dtype)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(image, photometric="rgb", metadata=None)
        for step in (2, 4):
            tif.write(image[::step, ::step].copy(), photometric="rgb", subfiletype=1, metadata=None)
    assert page_numbers(tmp_path / "a.tif", Limits()) == (0,)
    notes = " ".join(read(tmp_path / "a.tif").notes)
    assert "pages" not in notes and ("were mapped linearly" in notes) == (dtype == np.float32)


def test_a_plain_stack_is_read(tmp_path: Path) -> None:
    pages = [Pillow.fromarray(RGB) for _ in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert read(tmp_path / "a.tif").notes == ("The first of 3 pages is used.",)
