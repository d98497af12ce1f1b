"""Image files: every kind that is read, the wording of every refusal, and PNG output bit by bit."""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms

from sr_demo.codecs import png
from sr_demo.errors import BadInput, MissingDependency, StorageError
from sr_demo.image import ImageData, Limits, crop, encode_png, quantize, read, readonly, write_png

SHARED = Path(os.environ.get("SR_DEMO_SHARED_DATA", Path(__file__).parents[1] / "../shared/data")).resolve()
CHOOSE = "Choose a PNG, JPEG, WebP, TIFF, BMP, GIF, HEIC or AVIF file."
DAMAGED = "is damaged or incomplete and cannot be decoded. Export it or download it again."
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
rng = np.random.default_rng(7)
RGB8 = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
GRAY8 = rng.integers(0, 256, (6, 5), dtype=np.uint8)
RGB16 = rng.integers(0, 65536, (6, 5, 3), dtype=np.uint16)
GRAY16 = rng.integers(0, 65536, (6, 5), dtype=np.uint16)
ACROSS, DOWN = np.meshgrid(np.linspace(20, 230, 32), np.linspace(200, 30, 24))
SMOOTH8 = np.stack([ACROSS, DOWN, np.full((24, 32), 90.0)], -1).astype(np.uint8)


def unit(array):
    """Integers -> [0, 1] float32; gray to three channels."""
    array = array if array.ndim == 3 else np.repeat(array[..., None], 3, 2)
    return array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width, height, colour_type, bits, rows: bytes, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    packed = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + packed + chunk(b"IEND", b"")


def deep_png(array, extra: bytes = b"") -> bytes:
    """(H, W, C) uint16 as PNG, filter 0."""
    height, width, channels = array.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return raw_png(width, height, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 16, rows, extra)


def exif(orientation: int) -> bytes:
    data = Pillow.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def save(array, path: Path, **options) -> Path:
    Pillow.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("file", "options"),
    [("a.png", {}), ("a.tif", {}), ("a.tiff", {"compression": "tiff_lzw"}), ("a.bmp", {}),
     ("a.webp", {"lossless": True, "exact": True}), ("wrong.jpg", {"format": "PNG"}), ("none", {"format": "TIFF"})],
)  # fmt: skip
def test_lossless_files_keep_every_value(tmp_path, file, options):
    image = read(save(RGB8, tmp_path / file, **options))
    assert np.array_equal(image.rgb, unit(RGB8))
    assert image == replace(image, alpha=None, gray=False, bits=8, icc=None, name=file, notes=())
    assert image.rgb.dtype == np.float32
    assert not image.rgb.flags.writeable


MPO = {"save_all": True, "append_images": [Pillow.new("RGB", (9, 9))]}


@pytest.mark.parametrize(
    ("file", "options"),
    [("a.jpg", {"quality": 95}), ("a.avif", {"quality": 95}), ("a.webp", {}), ("a.mpo", MPO)],
)
def test_lossy_files_are_close(tmp_path, file, options):
    image = read(save(SMOOTH8, tmp_path / file, **options))
    assert image.rgb.shape == (24, 32, 3)
    assert np.abs(image.rgb - unit(SMOOTH8)).mean() < 0.02
    assert image.notes == ()


def heif(path: Path, image: Pillow.Image, **options) -> Path:
    pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif")
    pillow_heif.from_pillow(image).save(path, quality=95, **options)
    return path


def test_heic_is_read(tmp_path):
    image = read(heif(tmp_path / "a.heic", Pillow.fromarray(SMOOTH8)))
    assert image.rgb.shape == (24, 32, 3)
    assert np.abs(image.rgb - unit(SMOOTH8)).mean() < 0.02


def test_heic_without_the_package_says_what_to_install(tmp_path, monkeypatch):
    path = heif(tmp_path / "a.heic", Pillow.fromarray(SMOOTH8))
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(MissingDependency, match=r"^HEIC pictures need .* Install it with: pip install pillow-heif$"):
        read(path)


@pytest.mark.parametrize(("mode", "extension"), [("L", "png"), ("L", "tif"), ("L", "bmp"), ("1", "png"), ("1", "tif"),
                                                 ("P", "png"), ("P", "gif")])  # fmt: skip
def test_gray_stays_gray(tmp_path, mode, extension):
    source = Pillow.fromarray(GRAY8).convert(mode)
    source.save(tmp_path / f"a.{extension}")
    image = read(tmp_path / f"a.{extension}")
    assert image.gray
    assert image.alpha is None
    assert np.array_equal(image.rgb, unit(np.asarray(source.convert("L"))))


def test_gray_jpeg_is_gray(tmp_path):
    assert read(save(GRAY8, tmp_path / "a.jpg")).gray


def test_coloured_palette_is_rgb(tmp_path):
    source = Pillow.fromarray(SMOOTH8).quantize(7)
    source.save(tmp_path / "a.png")
    image = read(tmp_path / "a.png")
    assert not image.gray
    assert np.array_equal(image.rgb, unit(np.asarray(source.convert("RGB"))))


def test_palette_with_transparency_has_alpha(tmp_path):
    source = Pillow.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    source.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    source.save(tmp_path / "a.png", transparency=bytes([255, 128, 0]))
    image = read(tmp_path / "a.png")
    assert image.alpha is not None
    assert np.allclose(image.alpha, [[1, 128 / 255, 0]])
    assert np.array_equal(image.rgb, unit(np.array([[[255, 0, 0], [0, 255, 0], [0, 255, 0]]], np.uint8)))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_keeps_16_bits(tmp_path, channels):
    array = rng.integers(1, 65536, (6, 5, channels), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(deep_png(array))
    image = read(tmp_path / "a.png")
    colours = array[..., :1].repeat(3, 2) if channels < 3 else array[..., :3]
    assert image.bits == 16
    assert image.gray == (channels < 3)
    assert np.array_equal(image.rgb, unit(colours))
    if channels in (2, 4):
        assert image.alpha is not None
        assert np.array_equal(image.alpha, array[..., -1].astype(np.float32) / np.float32(65535))


@pytest.mark.parametrize(("array", "hidden"), [(GRAY8, int(GRAY8[2, 3])), (RGB8, tuple(int(v) for v in RGB8[2, 3]))])
def test_one_value_that_means_transparent_becomes_alpha(tmp_path, array, hidden):
    image = read(save(array, tmp_path / "a.png", transparency=hidden))
    assert image.alpha is not None
    assert image.alpha[2, 3] == 0
    assert image.gray == (array.ndim == 2)
    assert np.array_equal(image.rgb[image.alpha > 0], unit(array)[image.alpha > 0])


def test_16_bit_rgba_that_looks_gray_stays_rgb(tmp_path):
    array = rng.integers(1, 65536, (4, 4, 1), dtype=np.uint16).repeat(4, 2)
    (tmp_path / "a.png").write_bytes(deep_png(array))
    assert not read(tmp_path / "a.png").gray


def test_camera_raw_is_named(tmp_path):
    tifffile.imwrite(tmp_path / "a.dng", RGB8, extratags=[(50706, 1, 4, (1, 4, 0, 0), True)])
    with pytest.raises(
        BadInput, match=r"^This is a camera raw file \(DNG\). Develop it first, and export it as TIFF, PNG"
    ):
        read(tmp_path / "a.dng")


def test_16_bit_gray_png_with_a_transparent_value(tmp_path):
    array = np.array([[[7], [900], [65535]]], np.uint16)
    (tmp_path / "a.png").write_bytes(deep_png(array, chunk(b"tRNS", struct.pack(">H", 7))))
    image = read(tmp_path / "a.png")
    assert image.alpha is not None and np.array_equal(image.alpha, [[0, 1, 1]])
    assert np.allclose(image.rgb[0, 0], 900 / 65535)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("array", [GRAY16, RGB16], ids=["gray", "rgb"])
def test_16_bit_tiff_keeps_16_bits(tmp_path, array, compression, predictor):
    path = tmp_path / "a.tif"
    if compression == "lzw":
        flags = [cv2.IMWRITE_TIFF_COMPRESSION, 5, cv2.IMWRITE_TIFF_PREDICTOR, 2 if predictor else 1]
        cv2.imwrite(str(path), array if array.ndim == 2 else array[..., ::-1], flags)
    else:
        tifffile.imwrite(path, array, compression=compression, predictor=predictor and compression is not None)
    image = read(path)
    assert (image.bits, image.gray) == (16, array.ndim == 2)
    assert np.array_equal(image.rgb, unit(array))


def test_16_bit_tiff_is_read_in_every_layout(tmp_path):
    rgba = rng.integers(1, 65536, (6, 5, 4), dtype=np.uint16)
    layouts: list[dict[str, Any]] = [
        {}, {"planarconfig": "separate"}, {"byteorder": ">"}, {"bigtiff": True}, {"tile": (16, 16)}
    ]  # fmt: skip
    for options in layouts:
        data = np.moveaxis(rgba, -1, 0) if options.get("planarconfig") else rgba
        tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", extrasamples=["unassalpha"], **options)
        image = read(tmp_path / "a.tif")
        assert np.array_equal(image.rgb, unit(rgba[..., :3])), options
        assert image.alpha is not None
        assert np.array_equal(image.alpha, rgba[..., 3].astype(np.float32) / np.float32(65535)), options
    tifffile.imwrite(tmp_path / "a.tif", GRAY16, photometric="miniswhite")
    assert np.array_equal(read(tmp_path / "a.tif").rgb, unit(65535 - GRAY16))


def test_premultiplied_16_bit_tiff_is_divided_by_its_alpha(tmp_path):
    array = np.array([[[1000, 2000, 3000, 32768], [0, 0, 0, 0]]], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["assocalpha"])
    image = read(tmp_path / "a.tif")
    assert np.allclose(image.rgb[0, 0], np.array([1000, 2000, 3000]) / 32768, atol=1e-4)
    assert image.bits == 16


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 3)])
def test_float_tiff_within_0_and_1_is_taken_as_it_is(tmp_path, dtype, shape):
    array = rng.random(shape).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array)
    image = read(tmp_path / "a.tif")
    assert (image.bits, image.gray, image.notes) == (16, len(shape) == 2, ())
    assert np.array_equal(image.rgb[..., 0], array.reshape(4, 3, -1)[..., 0].astype(np.float32))


@pytest.mark.parametrize(
    ("array", "note"),
    [
        (np.array([[-3, 812.5, 404.75]], np.float32), "The values in the file, -3 to 812.5, were mapped linearly"),
        (np.array([[0, 100_000, 50_000]], np.uint32), "The values in the file, 0 to 100000, were mapped linearly"),
        (np.array([[-10, 10, 0]], np.int32), "The values in the file, -10 to 10, were mapped linearly"),
        (np.array([[-10, 10, 0]], np.int16), "The values in the file, -10 to 10, were mapped linearly"),
    ],
)
def test_other_values_are_mapped_with_a_note(tmp_path, array, note):
    tifffile.imwrite(tmp_path / "a.tif", array)
    image = read(tmp_path / "a.tif")
    assert image.notes == (note + " to black to white.",)
    assert np.allclose(image.rgb[0, :, 0], [0, 1, 0.5])
    assert image.bits == 16


def test_one_value_everywhere_is_not_divided_by_zero(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((2, 2), 7, np.float32))
    assert np.array_equal(read(tmp_path / "a.tif").rgb, np.zeros((2, 2, 3)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif", "tif16", "tif16lzw", "png16", "avif", "heic"])
def test_every_exif_orientation_is_turned_upright(tmp_path, orientation, kind):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255, 0, 0
    upright[:8, 16:] = 0, 255, 0
    upright[8:, :16] = 0, 0, 255
    # What a camera stores so that a viewer has to apply `orientation` (inverse of each turn).
    turns: dict[int, Callable] = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, 1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }  # fmt: skip
    stored = np.ascontiguousarray(turns[orientation](upright))
    path = tmp_path / f"a.{kind.partition('16')[0]}"
    if kind == "tif16":
        tifffile.imwrite(path, stored.astype(np.uint16) * 257, extratags=[(274, 3, 1, orientation, True)])
    elif kind == "tif16lzw":
        upright = upright[..., 0]
        save(stored[..., 0].astype(np.uint16) * 257, path, compression="tiff_lzw", tiffinfo={274: orientation})
    elif kind == "png16":
        path.write_bytes(deep_png(stored.astype(np.uint16) * 257, chunk(b"eXIf", exif(orientation)[6:])))
    elif kind == "heic":
        heif(path, Pillow.fromarray(stored), exif=exif(orientation))
    else:
        save(stored, path, exif=exif(orientation), **({"quality": 95} if kind in ("jpg", "webp", "avif") else {}))
    assert np.abs(read(path).rgb - unit(upright)).mean() < 0.05


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_is_ignored(tmp_path):
    for data in (b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff", exif(6)[:20], exif(6).replace(b"\6", b"\x63")):
        image = read(save(SMOOTH8, tmp_path / "a.jpg", exif=data))
        assert image.rgb.shape == (24, 32, 3), data


@pytest.mark.parametrize("extension", ["gif", "webp", "png", "tif"])
def test_the_first_of_several_frames_is_read(tmp_path, extension):
    frames = [Pillow.new("RGB", (4, 3), (40 * i + 5, 0, 0)) for i in range(5)]
    lossless: dict[str, Any] = {"lossless": True} if extension == "webp" else {}
    frames[0].save(tmp_path / f"a.{extension}", save_all=True, append_images=frames[1:], **lossless)
    image = read(tmp_path / f"a.{extension}")
    assert image.notes == (f"The first of 5 {'pages' if extension == 'tif' else 'frames'} is used.",)
    assert np.array_equal(image.rgb, unit(np.asarray(frames[0])))


def test_the_first_of_several_16_bit_pages_is_read(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GRAY16, GRAY16[::-1]]), photometric="minisblack")
    image = read(tmp_path / "a.tif")
    assert image.notes == ("The first of 2 pages is used.",)
    assert np.array_equal(image.rgb, unit(GRAY16))


@pytest.mark.parametrize("extension", ["jpg", "tif"])
def test_cmyk_without_a_profile_is_approximate(tmp_path, extension):
    source = Pillow.fromarray(np.full((8, 8, 4), (0, 255, 255, 0), np.uint8), "CMYK")
    source.save(tmp_path / f"a.{extension}")
    image = read(tmp_path / f"a.{extension}")
    assert np.allclose(image.rgb, [1, 0, 0], atol=0.02)
    assert image.notes == ("The colours were converted from CMYK without a colour profile: they are approximate.",)
    assert image.icc is None


def test_cmyk_tiff_with_16_bits_is_read_with_8(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 4, 4), (0, 65535, 65535, 0), np.uint16), photometric="separated")
    image = read(tmp_path / "a.tif")
    assert np.allclose(image.rgb, [1, 0, 0], atol=0.02)
    assert image.bits == 8


def cmyk_profile(table: bytes) -> bytes:
    """A minimal CMYK output profile whose A2B0 table maps 2 x 2 x 2 x 2 corners to 8-bit Lab."""
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut += bytes(range(256)) * 4 + table + bytes(range(256)) * 3
    lut += b"\0" * (-len(lut) % 4)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    tags = struct.pack(">I", 2) + b"A2B0" + struct.pack(">II", 156, len(lut))
    tags += b"wtpt" + struct.pack(">II", 156 + len(lut), len(white))
    header = struct.pack(">I", 156 + len(lut) + len(white)) + b"\0\0\0\0" + bytes([2, 0x40, 0, 0]) + b"prtrCMYKLab "
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + tags + lut + white


def test_cmyk_with_a_profile_is_converted_by_it(tmp_path):
    # Whatever the inks, this profile says mid gray: only a conversion that asks it can give that.
    icc = cmyk_profile(bytes([128, 128, 128]) * 16)
    Pillow.fromarray(np.full((8, 8, 4), (0, 255, 255, 0), np.uint8), "CMYK").save(tmp_path / "a.tif", icc_profile=icc)
    image = read(tmp_path / "a.tif")
    assert image.notes == ("The colours were converted from CMYK to sRGB.",)
    assert np.ptp(image.rgb) < 0.02
    assert 0.3 < image.rgb.mean() < 0.6
    assert image.icc is None


def test_cmyk_with_a_broken_profile_falls_back(tmp_path):
    icc = cmyk_profile(bytes(48))[:150] + b"rubbish" * 9
    Pillow.fromarray(np.full((8, 8, 4), (0, 255, 255, 0), np.uint8), "CMYK").save(tmp_path / "a.tif", icc_profile=icc)
    assert np.allclose(read(tmp_path / "a.tif").rgb, [1, 0, 0], atol=0.02)


def test_lab_tiff_is_converted(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 4, 3), (255, 0, 0), np.uint8), photometric="cielab")
    image = read(tmp_path / "a.tif")
    assert np.allclose(image.rgb, 1, atol=0.02)
    assert image.notes == ("The colours were converted from Lab to sRGB.",)


def profile(space: bytes) -> bytes:
    return SRGB[:16] + space + SRGB[20:]


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "tif", "avif"])
def test_rgb_profile_is_carried_over_and_values_stay(tmp_path, extension):
    icc = profile(b"RGB ")[:-1] + b"x"
    options = {"lossless": True} if extension == "webp" else {}
    image = read(save(SMOOTH8, tmp_path / f"a.{extension}", icc_profile=icc, **options))
    assert image.icc == icc
    assert np.abs(image.rgb - unit(SMOOTH8)).mean() < 0.02
    assert Pillow.open(io.BytesIO(encode_png(image))).info["icc_profile"] == icc


def test_profile_survives_16_bit_files(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB16, iccprofile=SRGB)
    image = read(tmp_path / "a.tif")
    assert image.icc == SRGB
    write_png(image, tmp_path / "a.png")
    again = read(tmp_path / "a.png")
    assert (again.icc, again.bits) == (SRGB, 16)
    assert np.array_equal(again.rgb, unit(RGB16))


@pytest.mark.parametrize(
    ("array", "icc", "kept"),
    [(GRAY8, profile(b"GRAY"), True), (GRAY8, profile(b"RGB "), False), (RGB8, profile(b"GRAY"), False),
     (RGB8, profile(b"CMYK"), False), (RGB8, b"rubbish" * 40, False), (RGB8, SRGB[:60], False)],
    # A profile holds the second it was made in: as a name it would differ between processes that share the tests.
    ids=["gray", "rgb-for-gray", "gray-for-rgb", "cmyk", "rubbish", "cut-off"],
)  # fmt: skip
def test_profile_must_fit_the_image(tmp_path, array, icc, kept):
    image = read(save(array, tmp_path / "a.tif", icc_profile=icc))
    assert image.icc == (icc if kept else None)


def test_colour_under_transparent_pixels_comes_from_the_nearest_visible_one(tmp_path):
    rgba = np.zeros((9, 9, 4), np.uint8)
    rgba[..., :3] = 1, 2, 3
    rgba[2, 3] = 250, 10, 20, 255
    rgba[8, 8] = 5, 6, 7, 1
    image = read(save(rgba, tmp_path / "a.png"))
    assert image.alpha is not None
    assert np.array_equal(image.alpha == 0, rgba[..., 3] == 0)
    assert np.array_equal(quantize(image.rgb[0, 0]), [250, 10, 20])
    assert np.array_equal(quantize(image.rgb[7, 8]), [5, 6, 7])


def test_colour_under_transparent_pixels_is_the_same_in_parts_of_a_large_image(tmp_path, monkeypatch):
    rgba = np.random.default_rng(3).integers(0, 256, (90, 40, 4), dtype=np.uint8)
    rgba[20:70, ..., 3] = 0  # up to 25 rows from a visible pixel
    path = save(rgba, tmp_path / "a.png")
    whole = read(path)
    monkeypatch.setattr("sr_demo.image._BLEED_AT_ONCE", 10)
    monkeypatch.setattr("sr_demo.image._BLEED_ROWS", 30)
    assert np.array_equal(read(path).rgb, whole.rgb)


def test_fully_transparent_and_fully_opaque_images_are_read(tmp_path):
    clear = read(save(np.zeros((3, 4, 4), np.uint8), tmp_path / "a.png"))
    assert clear.alpha is not None
    assert not clear.alpha.any()
    opaque = np.dstack([RGB8, np.full((6, 5), 255, np.uint8)])
    assert read(save(opaque, tmp_path / "b.png")).alpha is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 2000, 3), (2000, 3, 3), (1, 1), (1, 777)])
def test_odd_sizes_are_read_and_written(tmp_path, shape):
    array = rng.integers(0, 256, shape, dtype=np.uint8)
    image = read(save(array, tmp_path / "a.png"))
    assert np.array_equal(np.asarray(Pillow.open(io.BytesIO(encode_png(image)))), array)


NAMES = ["<img src=x onerror=alert(1)>.png", "a\nb\x1b[31m.png", "x" * 200 + ".png", "名前 é.png"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_not_interpreted(tmp_path, name):
    assert read(save(RGB8, tmp_path / name, format="PNG")).name == name
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(BadInput) as caught:
        read(tmp_path / name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


BOMB = raw_png(50_000, 50_000, 2, 8, b"") + b"\0" * 2**20
SVG = b"<?xml version='1.0'?>\n<!-- drawn -->\n<svg xmlns='http://www.w3.org/2000/svg'/>"
RGB_PNG = raw_png(1, 1, 2, 8, b"\0\1\2\3")
REFUSED = [
    (b"", "photo.png is empty (0 bytes). The upload or copy may have been interrupted: choose it again."),
    (b"Dear diary,\r\n\xc3\xa9", f"photo.png is not a picture but a text file. {CHOOSE}"),
    ("Dear diary".encode("utf-16"), f"photo.png is not a picture but a text file. {CHOOSE}"),
    (SVG, "photo.png is not a picture made of pixels but an SVG drawing: export it as PNG at the size you need. "
     + CHOOSE),
    (b"\n<!DOCTYPE html><p>404", f"photo.png is not a picture but a web page. {CHOOSE}"),
    (b"BMW is a car", f"photo.png is not a picture but a text file. {CHOOSE}"),
    (b"%PDF-1.7 \x80", f"photo.png is not a picture this app reads but a PDF document. {CHOOSE}"),
    (b"8BPS\0\1", f"photo.png is not a picture this app reads but a Photoshop document. {CHOOSE}"),
    (b"\0\0\0\x18ftypisom\0\0\0\0mp42", f"photo.png is not a picture but a video or a camera raw file. {CHOOSE}"),
    (bytes(range(200)), f"photo.png is not a picture of a kind this app reads. {CHOOSE}"),
    (RGB_PNG[:40], f"photo.png {DAMAGED}"),
    (RGB_PNG[:20], f"photo.png {DAMAGED}"),
    (BOMB, "This picture has 2500 megapixels; the limit here is 100. Crop it or scale it down first."),
    (deep_png(RGB16)[:-60], f"photo.png {DAMAGED}"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "sentence"), REFUSED)
def test_refusals_word_for_word(tmp_path, content, sentence):
    (tmp_path / "photo.png").write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read(tmp_path / "photo.png")
    assert str(caught.value) == sentence


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(BadInput, match=r"^gone.png is not there. Check the name, or choose the file again.$"):
        read(str(tmp_path / "gone.png"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match=r"^folder is a folder, not a picture. Choose a file.$"):
        read(tmp_path / "folder")


def test_limits_name_both_numbers(tmp_path):
    path = save(np.zeros((400, 500), np.uint8), tmp_path / "a.png")
    assert read(path, Limits(max_pixels=200_000)).gray
    with pytest.raises(BadInput, match=r"^This picture has 0.3 megapixels; the limit here is 0.2. Crop it or scale"):
        read(save(np.zeros((401, 500), np.uint8), path), Limits(max_pixels=200_000))
    with pytest.raises(
        BadInput, match=r"^This picture has 30 pixels; the limit here is 29. Crop it or scale it down first"
    ):
        read(save(GRAY8, path), Limits(max_pixels=29))
    path.write_bytes(path.read_bytes() + b"\0" * 2**20)
    with pytest.raises(
        BadInput, match=r"^a.png has 1.1 MB; the limit here is 1 MB. Choose a smaller file, or save it as"
    ):
        read(path, Limits(max_bytes=2**20))


def test_the_size_of_a_file_is_limited_only_where_a_limit_is_given(tmp_path):
    path = save(RGB8, tmp_path / "a.png")
    with path.open("ab") as file:
        file.truncate(101 * 2**20)
    assert read(path).size == (6, 5)
    with pytest.raises(BadInput, match=r"the limit here is 100 MB"):
        read(path, Limits(max_bytes=100 * 2**20))


def test_pixel_limit_comes_before_pillows_own_and_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 8)
    assert read(save(RGB8, tmp_path / "a.png")).rgb.shape == (6, 5, 3)
    assert Pillow.MAX_IMAGE_PIXELS == 8
    for name, array in (("a.tif", RGB8), ("a.webp", RGB8), ("a.gif", GRAY8), ("a.bmp", RGB8), ("a.jpg", RGB8)):
        with pytest.raises(BadInput, match=r"^This picture has 30 pixels; the limit here is 9"):
            read(save(array, tmp_path / name), Limits(max_pixels=9))
    tifffile.imwrite(tmp_path / "deep.tif", RGB16)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *_: pytest.fail("decoded first"))
    with pytest.raises(BadInput, match=r"^This picture has 30 pixels; the limit here is 9"):
        read(tmp_path / "deep.tif", Limits(max_pixels=9))


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [([np.inf], "This picture has 1 infinite value, out of 12."),
     ([np.nan, np.inf, -np.inf], "This picture has 2 infinite values, out of 12.")],
)  # fmt: skip
def test_infinite_values_are_counted(tmp_path, bad, sentence):
    array = np.full((3, 4), 0.5, np.float32)
    array.flat[: len(bad)] = bad
    tifffile.imwrite(tmp_path / "a.tif", array)
    with pytest.raises(BadInput) as caught:
        read(tmp_path / "a.tif")
    assert str(caught.value) == sentence + " Replace them in the program that made it, and export again."


def test_tiff_of_another_kind_is_named(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", rng.integers(0, 9, (4, 4, 7), dtype=np.uint16), planarconfig="contig",
                     photometric="minisblack")  # fmt: skip
    with pytest.raises(
        BadInput, match=r"^This TIFF has 7 channels of a kind that is not read here: gray and 6 more. Export"
    ):
        read(tmp_path / "a.tif")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "extension", ["png", "jpg", "webp", "tif", "bmp", "gif", "avif", "heic", "png16", "tif16", "lzw"]
)
def test_damaged_files_never_raise_anything_unclear(tmp_path, extension):
    path = tmp_path / "a"
    if extension == "heic":
        heif(tmp_path / "a.heic", Pillow.fromarray(SMOOTH8)).rename(path)
    elif extension == "png16":
        path.write_bytes(deep_png(RGB16))
    elif extension == "tif16":
        tifffile.imwrite(path, RGB16, compression="zlib")
    elif extension == "lzw":
        save(GRAY16, path, format="TIFF", compression="tiff_lzw")
    else:
        save(SMOOTH8, tmp_path / f"b.{extension}", exif=exif(6)).rename(path)
    good = path.read_bytes()
    damaged = [good[: len(good) * i // 40] for i in range(1, 40)]
    local = np.random.default_rng(3)
    for _ in range(150):
        data = bytearray(good)
        for place in local.integers(0, len(data), 4):
            data[place] = local.integers(0, 256)
        damaged.append(bytes(data))
    for data in damaged:
        path.write_bytes(data)
        try:
            image = read(path, Limits(max_pixels=10**6))
        except BadInput:
            continue
        assert np.isfinite(image.rgb).all()
        assert 0 <= image.rgb.min() <= image.rgb.max() <= 1


def made(bits: Literal[8, 16], gray: bool, alpha: bool, shape=(61, 47)) -> ImageData:
    top = 2**bits - 1
    colours = rng.integers(0, top + 1, (*shape, 1 if gray else 3)).astype(np.float32) / np.float32(top)
    opacity = rng.integers(1, top, shape).astype(np.float32) / np.float32(top) if alpha else None
    return ImageData(readonly(np.broadcast_to(colours, (*shape, 3)).copy()), opacity, gray, bits)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("gray", [True, False])
@pytest.mark.parametrize("alpha", [True, False])
@pytest.mark.parametrize("icc", [True, False])
def test_round_trip_is_exact(tmp_path, monkeypatch, bits, gray, alpha, icc):
    monkeypatch.setattr(png, "_BAND", 1000)  # several bands, the last one shorter
    image = replace(made(bits, gray, alpha), icc=profile(b"GRAY" if gray else b"RGB ") if icc else None)
    write_png(image, tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert data == encode_png(image)
    assert (data[24], data[25]) == (bits, {(1, 0): 0, (0, 0): 2, (1, 1): 4, (0, 1): 6}[gray, alpha])
    again = read(tmp_path / "a.png")
    assert np.array_equal(again.rgb, image.rgb)
    assert (again.alpha is None) == (image.alpha is None)
    if image.alpha is not None:
        assert again.alpha is not None and np.array_equal(again.alpha, image.alpha)
    assert (again.gray, again.bits, again.icc) == (gray, bits, image.icc)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is not None
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_every_checksum_is_right(monkeypatch):
    monkeypatch.setattr(png, "_BAND", 1000)
    data, packed = encode_png(made(8, False, False)), b""
    place = 8
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        body, place = data[place + 8 : place + 8 + length], place + 12 + length
        assert struct.unpack(">I", data[place - 4 : place])[0] == zlib.crc32(kind + body)
        packed += body if kind == b"IDAT" else b""
    unpacker = zlib.decompressobj()
    assert len(unpacker.decompress(packed)) == 61 * (1 + 47 * 3)
    assert unpacker.eof, "the Adler-32 of the joined bands is checked here: decoders let a wrong one pass"
    assert unpacker.unused_data == b""


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        yield b"begun"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(png, "chunks", full)
    with pytest.raises(
        StorageError, match=r"could not be written to .*: No space left on device. Choose another folder"
    ):
        write_png(made(8, False, False), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_values_are_rounded_and_clipped():
    values = np.array([[[0.4999 / 255, 0.5001 / 255, 254.51 / 255], [-0.1, 1.2, 127.49 / 255]]], np.float32)
    array = np.asarray(Pillow.open(io.BytesIO(encode_png(ImageData(values)))))
    assert array.tolist() == [[[0, 1, 255], [0, 255, 127]]]


@pytest.mark.parametrize("bits", [8, 16])
def test_every_level_survives_gray_and_rgb(tmp_path, bits):
    levels = np.arange(2**bits).reshape(-1, 256).astype(np.float32) / np.float32(2**bits - 1)
    for gray in (True, False):
        write_png(ImageData(np.stack([levels] * 3, -1), None, gray, bits), tmp_path / "a.png")
        assert np.array_equal(read(tmp_path / "a.png").rgb[..., 0], levels)


def test_writing_into_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(StorageError, match=r"^The picture could not be written to .*Choose another folder"):
        write_png(made(8, False, False), tmp_path / "gone" / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_crop_copies_a_region_that_lies_inside():
    image = made(8, False, True)
    part = crop(image, 2, 3, 10, 20)
    assert part.rgb.shape == (10, 20, 3)
    assert np.array_equal(part.rgb, image.rgb[2:12, 3:23])
    assert part.alpha is not None and image.alpha is not None
    assert np.array_equal(part.alpha, image.alpha[2:12, 3:23])
    assert not part.rgb.flags.writeable
    assert crop(replace(image, alpha=np.ones((61, 47), np.float32)), 0, 0, 1, 1).alpha is None
    for top, left, height, width in ((-1, 0, 5, 5), (0, 0, 62, 5), (0, 40, 5, 8), (0, 0, 0, 5)):
        with pytest.raises(
            BadInput, match=r"does not lie inside this picture of 47 x 61 pixels. Choose a smaller one.$"
        ):
            crop(image, top, left, height, width)


def test_reading_and_writing_from_several_threads(tmp_path):
    write_png(made(16, False, True), tmp_path / "a.png")
    reference = read(tmp_path / "a.png")
    wrong: list[int] = []

    def work(i: int) -> None:
        if not np.array_equal(read(tmp_path / "a.png").rgb, reference.rgb):
            wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


EXPECTED = {"00017_gray.png": (True, 8, False), "wolf_gray.jpg": (True, 8, False), "0030.jpg": (False, 8, False),
            "children-alpha.png": (False, 8, True), "tree_alpha_16bit.png": (False, 16, True)}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_real_photos_are_read(tmp_path, name):
    path = SHARED / "real_lr" / name
    if not path.exists():
        pytest.skip(f"no shared data at {SHARED} (set SR_DEMO_SHARED_DATA)")
    image = read(path)
    assert (image.gray, image.bits, image.alpha is not None) == EXPECTED[name]
    write_png(image, tmp_path / "a.png")
    again = read(tmp_path / "a.png")
    assert np.array_equal(again.rgb, image.rgb)
    assert again.icc == image.icc
