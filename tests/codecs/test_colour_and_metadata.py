"""What a file says of its colours, date and resolution reaches the result, as an independent reader sees it."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms

from sr_demo.image import ImageData, encode_png, read, readonly

ADOBE_RGB = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(path: Path, extra: bytes, value: tuple[int, ...] = (120, 180, 60), bits: int = 8) -> Path:
    """16 pixels of one colour, with chunks before the pixels."""
    row = b"".join(v.to_bytes(bits // 8, "big") for v in value) * 4
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, bits, 2 if len(value) == 3 else 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress((b"\0" + row) * 4))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + extra + rows + chunk(b"IEND", b""))
    return path


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def primaries(*values: float) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values)))


def seen(data: bytes) -> np.ndarray:
    """The first pixel of a PNG in sRGB levels, as a viewer with colour management shows it."""
    image = Pillow.open(io.BytesIO(data))
    source = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    shown = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert shown is not None
    return np.asarray(shown)[0, 0].astype(int)


def srgb(linear: np.ndarray) -> np.ndarray:
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.clip(linear, 0, None) ** (1 / 2.4) - 0.055)
    return np.rint(np.clip(curve, 0, 1) * 255).astype(int)


@pytest.mark.parametrize("value", [(120, 180, 60), (128,)])
def test_the_gamma_of_a_png_reaches_the_result(tmp_path: Path, value: tuple[int, ...]) -> None:
    image = read(png(tmp_path / "a.png", gamma(1.0), value))
    assert "carries them as a colour profile" in image.notes[0]
    expected = srgb(np.array(value * (3 // len(value))) / 255)
    assert np.abs(seen(encode_png(image)) - expected).max() <= 1


def test_16_bits_get_the_same_profile_as_8(tmp_path: Path) -> None:
    deep = read(png(tmp_path / "a.png", gamma(1.0), (30_000, 40_000, 9_000), bits=16))
    assert deep.bits == 16
    assert deep.icc == read(png(tmp_path / "b.png", gamma(1.0))).icc


def test_the_primaries_of_a_png_reach_the_result(tmp_path: Path) -> None:
    image = read(png(tmp_path / "a.png", gamma(0.45455) + primaries(*ADOBE_RGB)))
    # Adobe RGB (1998), section 4.3.5.3, and IEC 61966-2-1.
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    from_xyz = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    expected = srgb(from_xyz @ to_xyz @ (np.array([120, 180, 60]) / 255) ** 2.2)
    assert np.abs(seen(encode_png(image)) - expected).max() <= 2


@pytest.mark.parametrize(
    "extra",
    [b"", gamma(0.45455), gamma(0.45455) + primaries(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
     chunk(b"sRGB", b"\0") + gamma(1.0), chunk(b"cICP", bytes([1, 13, 0, 1])) + gamma(1.0)],
    ids=["nothing", "gamma", "gamma-and-primaries", "sRGB", "cICP"],
)  # fmt: skip
def test_srgb_needs_neither_profile_nor_note(tmp_path: Path, extra: bytes) -> None:
    image = read(png(tmp_path / "a.png", extra))
    assert (image.icc, image.notes) == (None, ())


@pytest.mark.parametrize(
    "extra", [gamma(0), primaries(*[0.0] * 8), primaries(*[0.3] * 8)], ids=["dark", "empty", "one-point"]
)
def test_impossible_descriptions_are_left_out(tmp_path: Path, extra: bytes) -> None:
    image = read(png(tmp_path / "a.png", extra))
    assert (image.icc, image.notes) == (None, ())


@pytest.mark.parametrize("extension", ["heic", "avif"])
def test_wide_colours_of_nclx_get_the_same_profile_as_cicp(tmp_path: Path, extension: str) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif")
    path, source = tmp_path / f"a.{extension}", Pillow.new("RGB", (32, 24), (120, 180, 60))
    if extension == "heic":
        pillow_heif.from_pillow(source).save(path, quality=90)
    else:
        source.save(path, quality=90)
    srgb_box, p3_box = b"colrnclx\0\1\0\x0d", b"colrnclx\0\x0c\0\x0d"
    assert path.read_bytes().count(srgb_box) == 1
    path.write_bytes(path.read_bytes().replace(srgb_box, p3_box))
    icc = read(path).icc
    assert icc is not None
    assert icc == read(png(tmp_path / "a.png", chunk(b"cICP", bytes([12, 13, 0, 1])))).icc


def test_hdr_is_said(tmp_path: Path) -> None:
    image = read(png(tmp_path / "a.png", chunk(b"cICP", bytes([9, 16, 0, 1]))))
    assert image.notes[0].startswith("This picture is HDR (PQ): its values are kept")


def test_bits_that_are_lost_are_said(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif")
    wide = np.full((24, 32, 3), 30_000, np.uint16)
    pillow_heif.from_bytes("RGB;16", (32, 24), wide.tobytes()).save(tmp_path / "a.heic")
    assert read(tmp_path / "a.heic").notes[0].endswith(" bits per channel are read as 8.")


@pytest.mark.parametrize(
    ("bits", "packed", "key"), [(1, b"\x50", 0), (1, b"\x50", 1), (2, b"\x1b", 1), (2, b"\x1b", 3), (4, b"\x01\x20", 2)]
)
def test_the_gray_value_that_means_transparent_is_scaled_with_the_depth(
    tmp_path: Path, bits: int, packed: bytes, key: int
) -> None:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0))
    body = chunk(b"tRNS", struct.pack(">H", key)) + chunk(b"IDAT", zlib.compress(b"\0" + packed))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b""))
    text = "".join(f"{byte:08b}" for byte in packed)
    values = [int(text[i * bits : (i + 1) * bits], 2) for i in range(4)]
    alpha = read(tmp_path / "a.png").alpha
    assert alpha is not None
    assert alpha[0].tolist() == [0.0 if value == key else 1.0 for value in values]


def exif() -> Pillow.Exif:
    data = Pillow.Exif()
    data[0x0112], data[0x0132], data[0x010F] = 6, "2020:01:02 03:04:05", "Maker"
    data.get_ifd(0x8769).update({0x9003: "2020:01:02 03:04:05", 0xA002: 32, 0xA003: 24, 0x927C: b"offsets"})
    data.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    return data


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "tif"])
def test_date_camera_place_and_resolution_reach_the_result(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    Pillow.new("RGB", (32, 24)).save(path, exif=exif(), dpi=(300, 300))
    larger = replace(read(path), pixels=readonly(np.zeros((128, 96, 3), np.float32)))
    result = Pillow.open(io.BytesIO(encode_png(larger)))
    found = result.getexif()
    assert found[0x0132] == "2020:01:02 03:04:05" and found[0x010F] == "Maker"
    assert found[0x0112] == 1, "the result is upright"
    part = found.get_ifd(0x8769)
    if extension != "tif":  # into which Pillow does not write these
        assert part[0x9003] == "2020:01:02 03:04:05" and 0x927C not in part
        assert (part[0xA002], part[0xA003]) == (96, 128)
        assert found.get_ifd(0x8825)[2] == (1.0, 2.0, 3.0)
    assert extension == "webp" or np.allclose(result.info["dpi"], 300, atol=0.1)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "deep.tif", "heic"])
def test_the_resolution_is_that_of_the_upright_image(tmp_path: Path, kind: str, orientation: int) -> None:
    path, source, data = tmp_path / f"a.{kind}", Pillow.new("RGB", (32, 24)), Pillow.Exif()
    data.update({0x0112: orientation, 0x011A: 300.0, 0x011B: 150.0, 0x0128: 2})
    if kind == "heic":
        pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif")
        pillow_heif.from_pillow(source).save(path, exif=data.tobytes())
    elif kind == "deep.tif":
        turned = [(274, "H", 1, orientation, True)]
        deep = np.zeros((24, 32, 3), np.uint16)
        tifffile.imwrite(path, deep, photometric="rgb", resolution=(300, 150), resolutionunit="inch", extratags=turned)
    else:
        source.save(path, exif=data)
    image = read(path)
    turned_by_90 = orientation in (6, 8)
    assert image.size == ((32, 24) if turned_by_90 else (24, 32))
    assert image.metadata.dpi == ((150, 300) if turned_by_90 else (300, 150))


def test_the_resolution_of_a_jpeg_is_that_of_its_jfif_segment_if_there_is_one(tmp_path: Path) -> None:
    data = Pillow.Exif()
    data.update({0x011A: 300.0, 0x011B: 150.0, 0x0128: 2})
    Pillow.new("RGB", (32, 24)).save(tmp_path / "a.jpg", exif=data, dpi=(200, 100))
    assert read(tmp_path / "a.jpg").metadata.dpi == (200, 100)


@pytest.mark.parametrize("extension", ["jpg", "webp"])
def test_exif_data_without_a_resolution_give_none(tmp_path: Path, extension: str) -> None:
    Pillow.new("RGB", (32, 24)).save(tmp_path / f"a.{extension}", exif=exif())
    assert read(tmp_path / f"a.{extension}").metadata.dpi is None


@pytest.mark.parametrize("gray", [True, False])
def test_the_profile_of_a_palette_is_carried_even_if_its_colours_are_gray(tmp_path: Path, gray: bool) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = Pillow.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4), "P")
    source.putpalette(bytes(value for i in range(16) for value in (i, i, i if gray else 255 - i)))
    source.save(tmp_path / "a.png", icc_profile=icc)
    assert read(tmp_path / "a.png").icc == icc
    source.save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").gray is gray


@pytest.mark.parametrize("extension", ["png", "jpg", "tif"])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_profile_that_does_not_fit_is_left_out_with_a_note(tmp_path: Path, mode: str, extension: str) -> None:
    if (mode, extension) == ("CMYK", "png"):
        pytest.skip("PNG has no CMYK")
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / f"a.{extension}"
    Pillow.new(mode, (8, 8)).save(path, icc_profile=icc if mode != "CMYK" else icc[:16] + b"CMYK" + icc[20:])
    image = read(path)
    fits, noted = mode == "RGB", "Its colour profile does not fit its channels and is left out." in image.notes
    assert (image.icc == icc, noted) == (fits, mode == "L")


def test_a_deep_tiff_keeps_date_and_resolution(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((4, 4, 3), np.uint16), photometric="rgb", datetime="2020:01:02 03:04:05",
        resolution=(118.11, 118.11), resolutionunit="centimeter",
    )  # fmt: skip
    result = Pillow.open(io.BytesIO(encode_png(read(tmp_path / "a.tif"))))
    assert result.getexif()[0x0132] == "2020:01:02 03:04:05"
    assert np.allclose(result.info["dpi"], 300, atol=0.1)


def test_xmp_is_carried_without_orientation_and_size(tmp_path: Path) -> None:
    spaces = b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    inside = b"<tiff:Make>M</tiff:Make><exif:PixelYDimension>24</exif:PixelYDimension>"
    packet = b"<x " + spaces + b' tiff:Orientation="6" exif:PixelXDimension="32">' + inside + b"</x>"
    Pillow.new("RGB", (32, 24)).save(tmp_path / "a.jpg", xmp=packet)
    result = Pillow.open(io.BytesIO(encode_png(read(tmp_path / "a.jpg"))))
    assert b"><tiff:Make>M</tiff:Make></x><" in result.info["xmp"]
    assert b"Orientation" not in result.info["xmp"] and b"Dimension" not in result.info["xmp"]


def test_nothing_is_added_where_nothing_was() -> None:
    data = encode_png(ImageData(readonly(np.zeros((4, 4, 3), np.float32))))
    assert all(kind not in data for kind in (b"eXIf", b"pHYs", b"iTXt", b"iCCP"))
