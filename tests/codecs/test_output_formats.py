"""Results in every format: pixels, depth and metadata, read back by other libraries than those that wrote them."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms

from sr_demo.codecs import iptc, jpeg, tiff_writer, xmp
from sr_demo.codecs.colour_description import ColourSpace, Curve, profile
from sr_demo.errors import BadInput, OutOfMemory, StorageError
from sr_demo.image import ImageData, Output, quantize, read, readonly, write
from sr_demo.system import memory
from tests.conftest import noise

FORMATS = ("png", "jpeg", "webp", "avif", "tiff")
KINDS = ("gray", "gray with alpha", "rgb", "rgba", "gray 16", "rgb 16", "rgba 16")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
BT709 = ((0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
GRAY = profile(ColourSpace(BT709, Curve(1.0)), gray=True)  # type: ignore[arg-type]
RECORDS = b"\x1c\x02\x05\0\x05Title\x1c\x02\x50\0\x02By"
PACKET = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:e="http://ns.adobe.com/exif/1.0/" e:GPSLatitude="47,30N"
 xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:drone="http://www.dji.com/drone-dji/1.0/" drone:GpsLongtitude="8.5">
<aux:SerialNumber>SN-4711</aux:SerialNumber><xmp:Thumbnails>thumb</xmp:Thumbnails>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">A title</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def exif() -> Pillow.Exif:
    data = Pillow.Exif()
    data[0x0112], data[0x010F], data[0x013B] = 6, "Maker", "Zoë".encode()
    data.get_ifd(0x8769).update({0x9003: "2020:01:02 03:04:05", 0xA002: 32, 0xA003: 24, 0xA431: "SN-4711", 0xA435: "7"})
    data.get_ifd(0x8825).update({1: "N", 2: (47.0, 30.0, 0.0), 3: "E", 4: (8.0, 30.0, 0.0)})
    return data


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> ImageData:
    """A JPEG with everything that cameras and programs put into it, as it is read: turned upright, 24 x 32 pixels."""
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Pillow.fromarray(quantize(noise(24, 32))).save(
        path, exif=exif(), xmp=PACKET, icc_profile=SRGB, dpi=(300, 300), extra=iptc.as_segment(RECORDS), quality=95
    )
    return read(path)


def image_of(photo: ImageData, kind: str) -> ImageData:
    """The photo four times as large, as an image of another kind."""
    gray, deep = kind.startswith("gray"), kind.endswith("16")
    rgb = noise(96, 128, 3)
    rgb = readonly(np.repeat(rgb[..., :1], 3, 2)) if gray else rgb
    alpha = readonly(noise(96, 128, 4)[..., 0] * 0.9 + 0.1) if "a" in kind.replace("gray", "") else None
    return replace(photo, pixels=rgb, alpha=alpha, gray=gray, bits=16 if deep else 8, icc=GRAY if gray else SRGB)


def facts(path: Path) -> dict[str, Any]:
    """What exiftool reads, by group and name."""
    done = subprocess.run(["exiftool", "-j", "-G1", "-n", str(path)], capture_output=True, check=True)
    return json.loads(done.stdout)[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMATS)
def test_pixels_size_channels_and_depth_are_those_of_the_result(
    tmp_path: Path, photo: ImageData, name: str, kind: str
) -> None:
    image, output = image_of(photo, kind), Output(name)  # type: ignore[arg-type]
    holds = output.file_format
    path = tmp_path / f"a{holds.suffix}"
    written = write(image, path, output)
    found = tifffile.imread(path) if name == "tiff" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found is not None and found.shape[:2] == (96, 128)
    deep = image.bits == 16 and holds.deep
    assert found.dtype == (np.uint16 if deep else np.uint8)
    assert any("16 of the picture are rounded" in note for note in written.notes) == (image.bits == 16 and not deep)
    back = read(path)
    assert (back.bits, back.gray) == (16 if deep else 8, image.gray and holds.gray)
    assert (back.alpha is not None) == (image.alpha is not None and holds.alpha)
    expected = image.rgb
    if image.alpha is not None and not holds.alpha:
        expected = image.rgb * image.alpha[..., None] + 1 - image.alpha[..., None]
        assert "JPEG holds no transparency: the picture lies on white." in written.notes
    if image.gray and not holds.gray:  # converted from its linear profile
        expected = np.clip(1.055 * np.power(expected, 1 / 2.4) - 0.055, 0, 1)
    error = np.abs(back.rgb - expected)
    assert error.max() <= 0.5 / (65535 if deep else 255) + 1e-6 if holds.quality is None else error.mean() < 0.04


@pytest.mark.parametrize("name", FORMATS)
def test_profile_metadata_and_resolution_are_in_every_format(tmp_path: Path, photo: ImageData, name: str) -> None:
    """Read by OpenCV and tifffile, which write none of them."""
    output = Output(name)  # type: ignore[arg-type]
    path = tmp_path / f"a{output.file_format.suffix}"
    written = write(image_of(photo, "rgb"), path, output)
    assert written.kept[:2] == ("EXIF", "XMP") and written.kept[-2:] == ("colour profile", "300 dpi")
    assert written.removed == ()
    if name == "tiff":
        with tifffile.TiffFile(path) as file:
            tags = file.pages[0].tags  # type: ignore[union-attr]
            assert tags.valueof(34675) == SRGB and b"A title" in tags.valueof(700) and tags.valueof(33723) == RECORDS
            assert (tags.valueof(274), tags.valueof(282), tags.valueof(296)) == (1, (300, 1), 2)
            assert tags.valueof(271) == "Maker" and tags.valueof(315) == "Zoë"
            assert tags.valueof(34665)["PixelXDimension"] == 128
            assert tags.valueof(34853)["GPSLatitude"] == (47, 1, 30, 1, 0, 1)
        return
    _, kinds, blocks = cv2.imreadWithMetadata(str(path), cv2.IMREAD_UNCHANGED)
    found = {int(kind): np.asarray(block).tobytes() for kind, block in zip(kinds, blocks, strict=True)}
    if name == "avif":  # of which OpenCV reads EXIF data alone; profile and XMP stand there as they are
        assert SRGB in path.read_bytes() and b"A title" in path.read_bytes()
    else:
        assert found[cv2.IMAGE_METADATA_ICCP] == SRGB and b"A title" in found[cv2.IMAGE_METADATA_XMP]
    data = Pillow.Exif()
    data.load(found[cv2.IMAGE_METADATA_EXIF])
    assert (data.get(0x0112, 1), data[0x010F], data[0x013B].encode("latin-1").decode()) == (1, "Maker", "Zoë")
    assert (data.get_ifd(0x8769)[0xA002], data.get_ifd(0x8769)[0xA003]) == (128, 96)
    assert data.get_ifd(0x8825)[2] == (47.0, 30.0, 0.0)
    assert read(path).metadata.dpi == pytest.approx((300, 300), abs=0.01)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="Debian's package libimage-exiftool-perl is not installed")
@pytest.mark.parametrize("name", FORMATS)
def test_exiftool_reads_what_each_format_carries(tmp_path: Path, photo: ImageData, name: str) -> None:
    output = Output(name)  # type: ignore[arg-type]
    path = tmp_path / f"a{output.file_format.suffix}"
    write(image_of(photo, "rgb"), path, output)
    found = facts(path)
    assert "ExifTool:Warning" not in found and "ExifTool:Error" not in found
    assert found["ExifIFD:ExifImageWidth"] == 128 and found["IFD0:Artist"] == "Zoë"
    assert found.get("IFD0:Orientation", 1) == 1 and "XMP-tiff:Orientation" not in found
    assert found["XMP-dc:Title"] == "A title" and found["ExifIFD:SerialNumber"] == "SN-4711"
    assert found["Composite:GPSLatitude"] == pytest.approx(47.5)
    assert "ICC_Profile:ProfileDescription" in found
    assert not any("Thumbnail" in key for key in found)
    if name in ("png", "jpeg", "tiff"):
        assert (found["IPTC:ObjectName"], found["IPTC:By-line"]) == ("Title", "By")
    resolution = {"png": "PNG-pHYs:PixelsPerUnitX", "jpeg": "JFIF:XResolution"}.get(name, "IFD0:XResolution")
    assert found[resolution] == (11811 if name == "png" else 300)


@pytest.mark.parametrize("name", FORMATS)
def test_position_and_serial_numbers_are_removed_on_request_and_the_rest_stays(
    tmp_path: Path, photo: ImageData, name: str
) -> None:
    output = Output(name, metadata="public")  # type: ignore[arg-type]
    path = tmp_path / f"a{output.file_format.suffix}"
    written = write(image_of(photo, "rgb"), path, output)
    assert written.removed == ("GPS position", "serial numbers")
    assert "Removed: GPS position, serial numbers." in written.sentence
    found = read(path).metadata
    assert found.exif is not None and found.xmp is not None
    data = Pillow.Exif()
    data.load(found.exif)
    assert not data.get_ifd(0x8825) and not {0xA431, 0xA435} & set(data.get_ifd(0x8769))
    assert data.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    content = path.read_bytes()
    assert b"SN-4711" not in content and b"GPS" not in found.xmp and b"Gps" not in found.xmp and b"A title" in found.xmp


@pytest.mark.parametrize(
    ("space", "name", "is_coordinate"),
    [
        ("http://www.dji.com/drone-dji/1.0/", "LRFTargetLat", True),
        ("http://www.dji.com/drone-dji/1.0/", "LRFTargetLon", True),
        ("http://www.dji.com/drone-dji/1.0/", "AbsoluteAltitude", True),
        ("http://www.w3.org/2003/01/geo/wgs84_pos#", "lat", True),
        ("http://www.w3.org/2003/01/geo/wgs84_pos#", "long", True),
        ("http://example.org/1.0/", "TargetLng", True),
        ("http://example.org/1.0/", "CameraLat", True),
        ("http://ns.adobe.com/camera-raw-settings/1.0/", "Flat", False),
        ("http://ns.adobe.com/camera-raw-settings/1.0/", "along", False),
        ("http://ns.adobe.com/exif/1.0/", "PixelXDimension", False),
    ],
)
def test_coordinates_are_known_by_name_whichever_program_wrote_them(space: str, name: str, is_coordinate: bool) -> None:
    packet = PACKET.replace(b' e:GPSLatitude="47,30N"', f' xmlns:q="{space}" q:{name}="49.72"'.encode())
    packet = packet.replace(b' drone:GpsLongtitude="8.5"', b"")
    found, had = xmp.without_position(packet)
    assert found is not None and had is is_coordinate and (b"49.72" in found) is not is_coordinate


def test_without_metadata_only_profile_and_resolution_stay(tmp_path: Path, photo: ImageData) -> None:
    written = write(photo, tmp_path / "a.jpg", Output("jpeg", metadata="none"))
    assert written.kept == ("colour profile", "300 dpi")
    assert written.removed == ("EXIF", "XMP", "IPTC", "GPS position", "serial numbers")
    back = read(tmp_path / "a.jpg")
    assert back.metadata.names() == () and back.metadata.dpi == (300, 300) and back.icc == SRGB


def test_xmp_that_cannot_be_read_is_never_carried(tmp_path: Path) -> None:
    for packet in (b"<x GPSLatitude='1'", b"<!DOCTYPE x [<!ENTITY a 'GPS'>]><x>&a;</x>"):
        Pillow.new("RGB", (8, 8)).save(tmp_path / "a.jpg", xmp=packet)
        assert read(tmp_path / "a.jpg").metadata.xmp is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_metadata_of_a_tiff_are_read_whatever_its_depth(tmp_path: Path, photo: ImageData, dtype: Any) -> None:
    image = replace(photo, bits=np.dtype(dtype).itemsize * 8)
    write(image, tmp_path / "a.tif", Output("tiff"))
    back = read(tmp_path / "a.tif")
    assert back.metadata.names() == ("EXIF", "XMP", "IPTC") and back.metadata.dpi == (300, 300)
    assert back.metadata.exif_for(1, 1) == photo.metadata.exif_for(1, 1)


@pytest.mark.parametrize(("width", "quality"), [(61, 95), (61, 80), (16, 80)])
@pytest.mark.parametrize("gray", [False, True])
def test_a_jpeg_in_bands_has_the_pixels_of_one_in_one_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, quality: int, gray: bool
) -> None:
    monkeypatch.setattr(jpeg, "_BAND", 16 * width)
    image = ImageData(noise(203, width), gray=gray)
    image = replace(image, pixels=readonly(np.repeat(image.rgb[..., :1], 3, 2))) if gray else image
    write(image, tmp_path / "a.jpg", Output("jpeg", quality))
    assert (tmp_path / "a.jpg").read_bytes().count(b"\xff\xd7") >= 1, "more than eight bands"
    samples, whole = quantize(image.rgb), BytesIO()
    Pillow.fromarray(samples[..., 0] if gray else samples).save(
        whole, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2
    )
    expected = np.asarray(Pillow.open(whole))
    assert np.array_equal(np.asarray(Pillow.open(tmp_path / "a.jpg")), expected)
    other = cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_UNCHANGED)
    assert (other is not None and np.abs(other[..., ::-1].astype(int) - expected).max() <= 3) or gray


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_is_written_in_strips_beyond_four_gigabytes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: ImageData, big: bool
) -> None:
    monkeypatch.setattr(tiff_writer, "_STRIP", 2000)
    if big:
        monkeypatch.setattr(tiff_writer, "_MOST_CLASSIC", 1000)
    image = image_of(photo, "rgba 16")
    write(image, tmp_path / "a.tif", Output("tiff"))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff == big and len(file.pages[0].dataoffsets) > 40
        assert file.pages[0].tags.valueof(34665)["PixelXDimension"] == 128  # type: ignore[union-attr]
        assert np.abs(file.asarray()[..., :3] / 65535 - image.rgb).max() < 1e-5
    assert read(tmp_path / "a.tif").metadata.xmp is not None


@pytest.mark.parametrize(("name", "least"), [("jpeg", 39), ("webp", 27), ("avif", 37)])
def test_more_quality_is_closer_and_larger(tmp_path: Path, name: str, least: float) -> None:
    image, sizes, errors = ImageData(noise(128, 128)), [], []
    for quality in (30, 60, None, 100):
        write(image, tmp_path / "a", Output(name, quality))  # type: ignore[arg-type]
        sizes.append((tmp_path / "a").stat().st_size)
        errors.append(float(np.square(read(tmp_path / "a").rgb - image.rgb).mean()))
    assert sizes == sorted(sizes) and errors == sorted(errors, reverse=True)
    assert -10 * np.log10(errors[2]) > least, "the default loses little"
    assert name != "webp" or np.array_equal(quantize(read(tmp_path / "a").rgb), quantize(image.rgb))


@pytest.mark.parametrize(("name", "side"), [("jpeg", 65_501), ("webp", 16_384), ("avif", 16_385)])
def test_a_side_that_is_too_long_is_refused_and_nothing_is_written(tmp_path: Path, name: str, side: int) -> None:
    image = ImageData(readonly(np.zeros((1, side, 3), np.float32)))
    with pytest.raises(BadInput, match=r"pixels along each side at most, and the result has .* Choose PNG or TIFF"):
        write(image, tmp_path / "a", Output(name))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_needs_more_memory_than_is_free_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: ImageData
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(OutOfMemory, match="AVIF is encoded as a whole"):
        write(photo, tmp_path / "a.avif", Output("avif"))
    write(photo, tmp_path / "a.jpg", Output("jpeg"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_what_a_segment_of_a_jpeg_cannot_hold_is_left_out_and_said(tmp_path: Path, photo: ImageData) -> None:
    long = replace(photo.metadata, xmp=PACKET + b" " * 66_000, iptc=RECORDS * 5000)
    written = write(replace(photo, metadata=long), tmp_path / "a.jpg", Output("jpeg"))
    assert written.kept == ("EXIF", "colour profile", "300 dpi")
    assert [note[:28] for note in written.notes] == ["JPEG holds 64 kB of XMP data", "JPEG holds 64 kB of IPTC dat"]
    assert read(tmp_path / "a.jpg").metadata.names() == ("EXIF",)


@pytest.mark.parametrize("name", FORMATS)
def test_a_disk_that_refuses_is_one_sentence(tmp_path: Path, photo: ImageData, name: str) -> None:
    with pytest.raises(StorageError, match="The picture could not be written"):
        write(photo, tmp_path / "missing" / "a", Output(name))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"format": "gif"}, "There is no format 'gif'"),
        ({"quality": 90}, "PNG has no quality"),
        ({"format": "jpeg", "quality": 0}, "from 1 to 100, not '0'"),
        ({"format": "jpeg", "quality": True}, "from 1 to 100"),
        ({"format": "webp", "bits": 16}, "WebP holds 8 bits per channel"),
        ({"bits": 12}, "8 or 16 bits"),
        ({"metadata": "some"}, "all, public, none"),
    ],
)
def test_what_a_format_does_not_have_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        Output(**values)
