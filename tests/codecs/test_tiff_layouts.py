"""TIFF files of every layout and compression: each value is read as written, or the file is refused with the reason."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from sr_demo.errors import BadInput
from sr_demo.image import read

COMPRESSION = r"^The pixels of this TIFF are compressed in a way that is not read here. Save it with LZW or ZIP"


def lzw(data: bytes, *_: object, **__: object) -> bytes:
    """Pack bytes as LZW codes of 9 bits, with a clear code before the table would need more bits."""
    codes = "".join(("" if i % 250 else f"{256:09b}") + f"{byte:09b}" for i, byte in enumerate(bytes(data)))
    bits = codes + f"{257:09b}"
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def packbits(data: bytes, *_: object, **__: object) -> bytes:
    """Pack bytes as literal runs."""
    parts = [bytes(data)[i : i + 128] for i in range(0, len(bytes(data)), 128)]
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


def floating_point(values: np.ndarray, *_: object, **__: object) -> np.ndarray:
    """Apply predictor 3 along the columns of (..., columns, samples)."""
    columns, samples = values.shape[-2:]
    data = np.ascontiguousarray(values.astype(values.dtype.newbyteorder(">"))).view(np.uint8)
    planes = (
        data.reshape(-1, columns * samples, values.itemsize)
        .transpose(0, 2, 1)
        .reshape(-1, columns * values.itemsize, samples)
    )
    planes[:, 1:] -= planes[:, :-1].copy()
    return planes.reshape(-1).view(values.dtype).reshape(values.shape)


@pytest.fixture(autouse=True)
def encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add what tifffile cannot write without another package."""
    encoders = {"lzw_encode": lzw, "packbits_encode": packbits, "floatpred_encode": floating_point}
    for name, encode in encoders.items():
        monkeypatch.setattr(tifffile.tifffile.imagecodecs, name, encode, raising=False)  # pyright: ignore[reportAttributeAccessIssue]


def values(dtype: Any, channels: int) -> np.ndarray:
    """(20, 35, channels): colours that take the whole range of an integer dtype, which is mapped to [0, 1]; no alpha of 0."""
    unit = np.random.default_rng(3).random((20, 35, channels))
    unit[0, 0], unit[0, 1] = 0, 1
    if channels in (2, 4):
        unit[..., -1] = 0.2 + 0.6 * unit[..., -1]
    return unit.astype(dtype) if np.dtype(dtype).kind == "f" else np.rint(unit * np.iinfo(dtype).max).astype(dtype)


LAYOUTS = [("minisblack", 1), ("miniswhite", 1), ("minisblack", 2), ("miniswhite", 2), ("rgb", 3), ("rgb", 4)]
CMYK = [("separated", 4), ("separated", 5)]
DTYPES = [np.uint8, np.uint16, np.int16, np.uint32, np.float32]


def write(path: Path, array: np.ndarray, photometric: Any, **options: Any) -> None:
    channels = array.shape[2]
    if channels > 1 and options.get("planarconfig") == "separate":
        array = np.moveaxis(array, -1, 0)
    elif channels == 1:
        array = array[..., 0]
        options.pop("planarconfig", None)
    extra = ["unassalpha"] if channels in (2, 5) or (channels == 4 and photometric == "rgb") else None
    tifffile.imwrite(path, array, photometric=photometric, extrasamples=extra, metadata=None, **options)


def store(tile: tuple[int, int] | None) -> dict[str, Any]:
    return {"tile": tile} if tile else {"rowsperstrip": 6}


@pytest.mark.parametrize("tile", [None, (16, 16)], ids=["strips", "tiles"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
def test_every_layout_is_read_as_written(tmp_path: Path, compression: Any, dtype: Any, planes: Any, tile: Any) -> None:
    for photometric, channels in LAYOUTS:
        array = values(dtype, channels)
        write(tmp_path / "a.tif", array, photometric, compression=compression, planarconfig=planes, **store(tile))
        unit = array / (1 if array.dtype.kind == "f" else np.iinfo(dtype).max)
        colours = unit[..., : 3 if channels > 2 else 1]
        image = read(tmp_path / "a.tif")
        case = f"{photometric} with {channels} channels"
        assert np.allclose(image.rgb, 1 - colours if photometric == "miniswhite" else colours, atol=1e-6), case
        assert (image.alpha is not None) == (channels in (2, 4)), case
        assert image.alpha is None or np.allclose(image.alpha, unit[..., -1], atol=1e-6), case
        assert (image.gray, image.bits) == (channels < 3, 8 if dtype == np.uint8 else 16), case


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_cmyk_is_read_in_every_layout(tmp_path: Path, compression: Any, dtype: Any) -> None:
    for photometric, channels in CMYK:
        array = np.full((20, 35, channels), np.iinfo(dtype).max, dtype)
        array[..., [0, 3]] = 0
        for planes in ("contig", "separate"):
            write(tmp_path / "a.tif", array, photometric, compression=compression, planarconfig=planes, rowsperstrip=6)
            image = read(tmp_path / "a.tif")
            assert np.allclose(image.rgb, [1, 0, 0], atol=0.02)
            assert ("The transparency of this CMYK picture is left out." in image.notes) == (channels == 5)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", ["zlib", "lzw"])
def test_predictors_are_undone(tmp_path: Path, compression: Any, order: Any) -> None:
    cases: list[tuple[Any, int]] = [(np.uint8, 2), (np.uint16, 2), (np.float32, 3), (np.float64, 3)]
    for dtype, predictor in cases:
        array = values(dtype, 3)
        for tile in (None, (16, 16)):
            tifffile.imwrite(
                tmp_path / "a.tif", array, photometric="rgb", compression=compression, predictor=predictor, byteorder=order,
                **store(tile),
            )  # fmt: skip
            unit = array if array.dtype.kind == "f" else array / np.iinfo(dtype).max
            assert np.allclose(read(tmp_path / "a.tif").rgb, unit, atol=1e-6), (dtype, tile)


def replaced(path: Path, tag: int, value: int, at: int = 0) -> None:
    with tifffile.TiffFile(path, mode="r+") as file:
        found = file.pages.first.tags[tag]
        old = found.value if isinstance(found.value, tuple) else (found.value,)
        found.overwrite((*old[:at], value, *old[at + 1 :]) if len(old) > 1 else value)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [6, 7, 34712, 34887, 50001])
def test_compression_that_is_not_read_is_named(tmp_path: Path, dtype: Any, compression: int) -> None:
    write(tmp_path / "a.tif", values(dtype, 2), "minisblack", planarconfig="separate", compression="zlib")
    replaced(tmp_path / "a.tif", 259, compression)
    with pytest.raises(BadInput, match=COMPRESSION):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_strips_that_are_cut_off_are_refused(tmp_path: Path, compression: Any, planes: Any) -> None:
    write(tmp_path / "a.tif", values(np.uint16, 3), "rgb", planarconfig=planes, compression=compression, rowsperstrip=6)
    replaced(tmp_path / "a.tif", 279, 50, at=1)
    with pytest.raises(BadInput, match="is damaged or incomplete"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["zlib", "lzw"])
def test_strips_that_are_not_in_the_file_are_zero(tmp_path: Path, compression: Any) -> None:
    array = values(np.uint16, 3)
    write(tmp_path / "a.tif", array, "rgb", planarconfig="contig", compression=compression, rowsperstrip=6)
    for strip, rows in ((1, slice(6, 12)), (3, slice(18, 20))):
        replaced(tmp_path / "a.tif", 279, 0, at=strip)
        array[rows] = 0
        assert np.allclose(read(tmp_path / "a.tif").rgb, array / 65535, atol=1e-6)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_fewer_strips_than_rows_are_refused(tmp_path: Path, compression: Any) -> None:
    array = values(np.uint16, 3)[:18]
    write(tmp_path / "a.tif", array, "rgb", planarconfig="contig", compression=compression, rowsperstrip=6)
    replaced(tmp_path / "a.tif", 257, 24)
    with pytest.raises(BadInput, match="is damaged or incomplete"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("store", [{"rowsperstrip": 6}, {"rowsperstrip": 20}, {"tile": (16, 16)}], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_plain_segments_without_their_sizes_are_read(tmp_path: Path, dtype: Any, store: dict[str, Any]) -> None:
    array = values(dtype, 3)
    write(tmp_path / "a.tif", array, "rgb", planarconfig="contig", **store)
    tag = 325 if "tile" in store else 279
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        count = file.pages.first.tags[tag].count
    for at in range(count):
        replaced(tmp_path / "a.tif", tag, 0, at=at)
    assert np.allclose(read(tmp_path / "a.tif").rgb, array / np.iinfo(dtype).max, atol=1e-6)


@pytest.mark.parametrize("store", [{"rowsperstrip": 6}, {"rowsperstrip": 20}, {"tile": (16, 16)}], ids=str)
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_plain_segments_are_read_without_the_tag_of_their_sizes(
    tmp_path: Path, planes: Any, store: dict[str, Any]
) -> None:
    array = values(np.uint16, 3)
    write(tmp_path / "a.tif", array, "rgb", planarconfig=planes, **store)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        place = file.pages.first.tags[325 if "tile" in store else 279].offset
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[place : place + 2] = struct.pack("<H", 65_000)
    (tmp_path / "a.tif").write_bytes(content)
    assert np.allclose(read(tmp_path / "a.tif").rgb, array / 65535, atol=1e-6)


@pytest.mark.parametrize("rows", [6, 20])
def test_plain_segments_that_are_not_in_the_file_are_zero(tmp_path: Path, rows: int) -> None:
    array = values(np.uint16, 3)
    write(tmp_path / "a.tif", array, "rgb", planarconfig="contig", rowsperstrip=rows)
    for tag in (273, 279):
        replaced(tmp_path / "a.tif", tag, 0)
    array[:rows] = 0
    assert np.allclose(read(tmp_path / "a.tif").rgb, array / 65535, atol=1e-6)


@pytest.mark.parametrize("compression", ["lzw", "packbits"])
def test_strips_may_have_more_bytes_than_pillow_allows_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: Any
) -> None:
    array = values(np.uint16, 3)
    write(tmp_path / "a.tif", array, "rgb", planarconfig="contig", compression=compression)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
    assert np.allclose(read(tmp_path / "a.tif").rgb, array / 65535, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(
    ("compression", "predictor"), [(None, 2), (None, 3), ("packbits", 2), ("packbits", 3), ("lzw", 0), ("zlib", 0)]
)
def test_predictors_without_a_meaning_are_ignored(tmp_path: Path, compression: Any, predictor: int, dtype: Any) -> None:
    array = values(dtype, 3)
    for rows in (6, 20):
        tifffile.imwrite(
            tmp_path / "a.tif", array, photometric="rgb", compression=compression, rowsperstrip=rows, metadata=None,
            extratags=[(316, "H", 1, predictor, True)],
        )  # fmt: skip
        content = (tmp_path / "a.tif").read_bytes()
        marked = content.replace(struct.pack("<HHI", 316, 3, 1), struct.pack("<HHI", 317, 3, 1))
        assert marked != content
        (tmp_path / "a.tif").write_bytes(marked)
        unit = array / (1 if array.dtype.kind == "f" else np.iinfo(dtype).max)
        assert np.allclose(read(tmp_path / "a.tif").rgb, unit, atol=1e-6), rows


def test_a_band_beside_jpeg_compressed_rgb_is_not_dropped_because_of_a_value_for_no_data(tmp_path: Path) -> None:
    array = values(np.uint8, 4)
    options: dict[str, Any] = {"extrasamples": ["unspecified"], "extratags": [(42113, "s", 2, "0", True)]}
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", compression="zlib", metadata=None, **options)
    replaced(tmp_path / "a.tif", 259, 7)
    with pytest.raises(BadInput, match=COMPRESSION):
        read(tmp_path / "a.tif")


def test_lab_in_separate_planes_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 4, 5), np.uint8), photometric="cielab", planarconfig="separate")
    with pytest.raises(
        BadInput, match=r"^This TIFF has 3 channels of a kind that is not read here. Export it as gray or RGB"
    ):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_pixels_without_data_are_transparent(tmp_path: Path, dtype: Any, channels: int, compression: Any) -> None:
    array = np.maximum(values(dtype, channels), 1)
    array[5:9, 3:7] = 0
    options: dict[str, Any] = {"compression": compression, "extratags": [(42113, "s", 2, "0", True)]}
    write(tmp_path / "a.tif", array, "rgb" if channels > 1 else "minisblack", planarconfig="contig", **options)
    image = read(tmp_path / "a.tif")
    assert (
        image.alpha is not None and np.argwhere(image.alpha == 0).tolist() == np.argwhere(array[..., 0] == 0).tolist()
    )
    assert image.bits == array.itemsize * 8
    assert image.notes[-1].startswith("16 pixels without data (the value 0) are transparent")


def test_jpeg_compressed_gray_with_a_value_for_no_data_is_read(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    Pillow.new("L", (32, 24), 200).save(tmp_path / "a.tif", compression="jpeg", tiffinfo={42113: "0"})
    assert np.allclose(read(tmp_path / "a.tif").rgb, 200 / 255, atol=0.01)
