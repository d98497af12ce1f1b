"""Small files that demand unbounded work are refused with one sentence, or read within seconds."""

from __future__ import annotations

import io
import lzma
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.batch.run import Batch, run
from sr_demo.batch.workers import perform_here
from sr_demo.codecs import tiff as tiff_decoder
from sr_demo.codecs import tiff_pixels
from sr_demo.codecs.tiff_directories import MOST_PAGES, check_exif
from sr_demo.errors import BadInput, OutOfMemory, SRError
from sr_demo.image import ImageData, Limits, page_numbers, read, readonly, write_png
from sr_demo.inference.jobs import Job
from sr_demo.options import Options
from sr_demo.system import memory
from tests.conftest import noise

SHARED = Path(os.environ.get("SR_DEMO_SHARED_DATA", Path(__file__).parents[2] / "../shared/data")).resolve()
ZEROS = zlib.compress(bytes(2**26), 9)
"""64 kB that unpack to 64 MB."""
pytestmark = pytest.mark.timeout(20)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(extra: bytes = b"", bits: int = 8, packed: bytes = b"") -> bytes:
    """8 x 6, gray."""
    rows = packed or zlib.compress(bytes(6 * (1 + 8 * bits // 8)))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 6, bits, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def entries(bits: int = 8, strip: int = 0, count: int = 48, packing: int = 1) -> list[tuple[int, int, int, int]]:
    return [
        (256, 4, 1, 8), (257, 4, 1, 6), (258, 3, 1, bits), (259, 3, 1, packing), (262, 3, 1, 1), (273, 4, 1, strip),
        (277, 3, 1, 1), (278, 4, 1, 6), (279, 4, 1, count),
    ]  # fmt: skip


def ifd(tags: list[tuple[int, int, int, int]], after: int = 0) -> bytes:
    return (
        struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", after)
    )


def tiff(tags: list[tuple[int, int, int, int]], after: int = 0, data: bytes = bytes(400)) -> bytes:
    """One directory at 8, and `data` at 1000."""
    return (b"II*\0" + struct.pack("<I", 8) + ifd(tags, after)).ljust(1000, b"\0") + data


def chain(count: int) -> bytes:
    """Many directories, each of which shows the same pixels."""
    size = len(ifd(entries()))
    tags = entries(strip=8 + count * size)
    places = [8 + (i + 1) * size for i in range(count - 1)] + [0]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(ifd(tags, place) for place in places) + bytes(400)


def overlapping(count: int, length: int) -> bytes:
    """EXIF data: many tags of which each says that its value is all that follows."""
    place = 8 + 2 + 12 * count + 4
    tags = [(0x8000 + i, 7, length, place) for i in range(count)]
    return b"II*\0" + struct.pack("<I", 8) + ifd(tags) + bytes(length)


def jpeg(*, progressive: bool = False, exif: bytes = b"") -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(np.zeros((64, 64), np.uint8)).save(file, "JPEG", progressive=progressive, exif=exif)
    return file.getvalue()


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    content = jpeg(progressive=True)
    last = content.rfind(b"\xff\xda")
    return content[:last] + content[last:-2] * count + b"\xff\xd9"


def gif(comments: bytes = b"", frames: int = 1) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return screen + comments + frame * frames + b"\x3b"


def raw(name: str, content: bytes) -> Any:
    return pytest.param(content, id=name)


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


BIG = overlapping(2000, 40_000)
LONG = b"\xff\xd8" + b"".join(segment(0xE1, b"Exif\0\0" + BIG[i : i + 60_000]) for i in range(0, len(BIG), 60_000))
REFUSED = [
    raw("tiff of too many pages", chain(MOST_PAGES + 1)),
    raw("tiff tags on top of each other", tiff([*entries(strip=1000), *((40_000 + i, 7, 9000, 1000) for i in range(60))],
                                               data=bytes(10_000))),
    raw("tiff tags on top of each other, one number",
        tiff([*entries(strip=1000), *((40_000, 7, 9000, 1000) for _ in range(60))], data=bytes(10_000))),
    raw("tiff of many tags", b"II*\0" + struct.pack("<I", 8) + ifd([*entries(), *((40_000, 3, 1, 0),) * 5000])),
    raw("tiff of a tile larger than the page", tiff(
        [tag for tag in entries(packing=8) if tag[0] not in (273, 278, 279)]
        + [(322, 4, 1, 16_384), (323, 4, 1, 16_384), (324, 4, 1, 1000), (325, 4, 1, len(ZEROS))], data=ZEROS)),
    raw("tiff of too many strips", tiff([tag for tag in entries() if tag[0] != 273] + [(273, 3, 2**20, 1000)],
                                        data=bytes(2**21 + 8))),
    raw("jpeg of many scans", scans(200)),
    raw("jpeg of many segments", b"\xff\xd8" + segment(0xEF, b"") * 20_000 + jpeg()[2:]),
    raw("jpeg with junk", b"\xff\xd8" + bytes(10**6) + jpeg()[2:]),
    raw("jpeg with exif in many segments", LONG + jpeg()[2:]),
    raw("png of many chunks", png(chunk(b"teSt", b"") * 200_000)),
    raw("png of many empty pixels chunks", png(chunk(b"IDAT", b"") * 200_000)),
    raw("gif of many comments", gif(b"\x21\xfe" + b"\x01a" * 200_000 + b"\0")),
    raw("gif of many blocks", gif(frames=1) [:-1] + b"\x21\xfe" + b"\x01a" * 2**21 + b"\0\x3b"),
]  # fmt: skip


@pytest.mark.parametrize("content", REFUSED)
def test_more_parts_than_an_image_needs_are_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    begun = time.monotonic()
    with pytest.raises(BadInput) as raised:
        read(tmp_path / "a.png")
    assert time.monotonic() - begun < 5
    assert str(raised.value).count(".") <= 4 and str(raised.value).isprintable()


READ = [
    raw("tiff that points to itself", tiff(entries(strip=1000), after=8)),
    raw("deep tiff that points to itself", tiff(entries(16, strip=1000, count=96), after=8)),
    raw("deflate strip of 64 MB", tiff(entries(16, 1000, len(ZEROS), 8), data=ZEROS)),
    raw("deflate strip of 64 MB, 8 bits", tiff(entries(8, 1000, len(ZEROS), 8), data=ZEROS)),
    raw("strip longer than the file", tiff(entries(strip=1000, count=2**32 - 16))),
    raw("tag of 4 GB", tiff([*entries(strip=1000), (700, 1, 2**32 - 1, 1000)])),
    raw("png with more pixels than it says", png(packed=ZEROS)),
    raw("png with a profile of 64 MB", png(chunk(b"iCCP", b"x\0\0" + ZEROS))),
    raw("png with texts of 64 MB, 16 bits", png(chunk(b"zTXt", b"x\0\0" + ZEROS) * 3, 16)),
    raw("png with a profile of 64 MB, 16 bits", png(chunk(b"iCCP", b"x\0\0" + ZEROS), 16)),
    raw("png with exif tags on top of each other", png(chunk(b"eXIf", overlapping(3000, 10**5)))),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("content", READ)
def test_what_a_good_image_has_too_much_of_is_not_unpacked(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    begun = time.monotonic()
    if b"zTXt" in content or b"iCCP" in content:  # Pillow's own limit on texts and profiles refuses the file
        with pytest.raises(BadInput):
            read(tmp_path / "a.png")
    else:
        assert read(tmp_path / "a.png").rgb.shape == (6, 8, 3)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(("packing", "pack"), [("zlib", zlib.compress), ("lzma", lzma.compress)])
def test_a_strip_unpacks_to_its_geometry_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: Any, pack: Callable[[bytes], bytes]
) -> None:
    pixels = np.arange(48, dtype="<u2").reshape(6, 8)
    code = {"zlib": 8, "lzma": 34925}[packing]
    packed = pack(pixels.tobytes() + bytes(2**20))
    (tmp_path / "a.tif").write_bytes(tiff(entries(16, 1000, len(packed), code), data=packed))
    unpacked: list[int] = []
    plain = tiff_pixels._UNPACK[code]  # pyright: ignore[reportPrivateUsage]
    assert plain is not None

    def watched(data: bytes, most: int) -> bytes:
        unpacked.append(len(result := plain(data, most)))
        return result

    monkeypatch.setitem(tiff_pixels._UNPACK, code, watched)  # pyright: ignore[reportPrivateUsage]
    assert np.array_equal(read(tmp_path / "a.tif").rgb[..., 0], pixels / np.float32(65535))
    assert unpacked == [96]


def tile_of_3000(sides: list[tuple[int, int, int, int]], places: int, bits: int) -> bytes:
    """A page of 8 x 6 in one tile of 3000 x 3000, whose offset is stored in the tag `places`."""
    packed = zlib.compress(bytes(3000 * 3000 * bits // 8), 9)
    tags = [tag for tag in entries(bits, packing=8) if tag[0] not in (273, 278, 279)]
    counts = {273: 279, 324: 325}[places]
    return tiff(sorted([*tags, *sides, (places, 4, 1, 1000), (counts, 4, 1, len(packed))]), data=packed)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("sides", "places"),
    [
        ([(322, 4, 1, 3000), (323, 4, 1, 3000)], 324),
        ([(322, 4, 1, 3000), (323, 4, 1, 3000)], 273),
        ([(322, 9, 1, 3000), (323, 4, 1, 3000)], 324),
        ([(322, 4, 1, 3000), (323, 9, 1, 3000)], 273),
        ([(322, 4, 1, 3000), (323, 4, 1, 0)], 324),
        ([(322, 4, 1, 3000)], 324),
    ],
)
def test_a_tile_far_larger_than_its_page_is_refused_however_it_is_stored(
    tmp_path: Path, sides: list[tuple[int, int, int, int]], places: int, bits: int
) -> None:
    (tmp_path / "a.tif").write_bytes(tile_of_3000(sides, places, bits))
    with pytest.raises(BadInput, match="is damaged or incomplete"):
        read(tmp_path / "a.tif")


def test_the_geometry_is_checked_again_as_the_library_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tif").write_bytes(tile_of_3000([(322, 4, 1, 3000), (323, 4, 1, 3000)], 324, 16))
    monkeypatch.setattr(tiff_decoder, "check", lambda *_: None)
    monkeypatch.setitem(tiff_pixels._UNPACK, 8, lambda *_: pytest.fail("it is unpacked"))  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(BadInput, match="is damaged or incomplete"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("bits", [8, 16])
def test_a_place_without_a_directory_after_the_last_page_is_no_page(tmp_path: Path, bits: int) -> None:
    content = tiff(
        entries(bits, strip=1000, count=6 * bits), after=1500, data=bytes(500) + b"\xff" * 2 + bytes(800_000)
    )
    (tmp_path / "a.tif").write_bytes(content)
    assert page_numbers(tmp_path / "a.tif", Limits()) == (0,)
    image = read(tmp_path / "a.tif")
    assert image.rgb.shape == (6, 8, 3) and image.notes == ()


def test_the_pages_of_a_stack_are_not_listed_for_each_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tif").write_bytes(chain(3))
    monkeypatch.setattr(tiff_decoder, "page_numbers", lambda _: pytest.fail("reads every directory"))
    assert read(tmp_path / "a.tif", page=1).rgb.shape == (6, 8, 3)


def test_frames_are_counted_without_decoding_them(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(gif(frames=50_000))
    begun = time.monotonic()
    assert read(tmp_path / "a.gif").notes == ("The first of 50000 frames is used.",)
    assert time.monotonic() - begun < 5


def test_thousands_of_pages_are_listed_at_once_and_more_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(chain(MOST_PAGES))
    begun = time.monotonic()
    assert len(page_numbers(tmp_path / "a.tif", Limits())) == MOST_PAGES
    assert read(tmp_path / "a.tif", page=MOST_PAGES - 1).rgb.shape == (6, 8, 3)
    assert time.monotonic() - begun < 5
    (tmp_path / "a.tif").write_bytes(chain(MOST_PAGES + 1))
    with pytest.raises(BadInput, match=r"more than 10,000 pages. Split it"):
        page_numbers(tmp_path / "a.tif", Limits())
    with pytest.raises(BadInput, match=r"more than 10,000 pages"):
        read(tmp_path / "a.tif", page=MOST_PAGES + 5)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("packing", [None, "zlib", "lzma"])
def test_every_page_of_a_stack_is_read_as_written(
    tmp_path: Path, big: bool, order: Any, dtype: Any, packing: Any
) -> None:
    pages = np.random.default_rng(5).integers(0, np.iinfo(dtype).max, (4, 40, 30)).astype(dtype)
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=big, byteorder=order) as file:
        for page in pages:
            file.write(page, photometric="minisblack", compression=packing, rowsperstrip=7, metadata=None)
    for number, page in enumerate(pages):
        found = read(tmp_path / "a.tif", page=number)
        assert np.array_equal(found.rgb[..., 0], page / np.float32(np.iinfo(dtype).max))
    assert read(tmp_path / "a.tif").notes == ("The first of 4 pages is used.",)


def test_exif_data_of_cameras_pass() -> None:
    exif = Pillow.Exif()
    exif[0x0112], exif[0x010E], exif[0x8298] = 6, "a long description " * 20, "a name"
    check_exif(exif.tobytes())
    check_exif(b"rubbish")
    check_exif(b"")
    for size in range(len(exif.tobytes())):
        check_exif(exif.tobytes()[:size])


def test_good_images_beside_bad_ones_go_through_batch(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    write_png(ImageData(noise(8, 8)), source / "z_good.png")
    (source / "loop.tif").write_bytes(tiff(entries(strip=1000), after=8))
    bad = {"pages.tif": chain(20_000), "scans.jpg": scans(300), "chunks.png": png(chunk(b"teSt", b"") * 200_000)}
    for name, content in bad.items():
        (source / name).write_bytes(content)
    begun = time.monotonic()
    summary = run(Batch(Job(BICUBIC, BICUBIC.checkpoints[0], Options()), source, tmp_path / "out"), perform_here)
    assert time.monotonic() - begun < 10
    assert summary.done == 2
    assert sorted(line.partition(":")[0] for line in summary.failed) == sorted(bad)


def outcome(path: Path) -> float:
    """Seconds that reading takes; fails on anything but a picture or a sentence."""
    begun = time.monotonic()
    with suppress(SRError):
        image = read(path)
        assert image.rgb.ndim == 3 and np.isfinite(image.rgb[::100]).all()
    return time.monotonic() - begun


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(120)
def test_hostile_files_are_images_or_sentences() -> None:
    files = sorted((SHARED / "hostile").glob("*")) if (SHARED / "hostile").is_dir() else []
    if not files:
        pytest.skip(f"no hostile files at {SHARED} (set SR_DEMO_SHARED_DATA)")
    for path in files:
        assert outcome(path) < 60, path.name


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(600)
def test_the_made_hostile_files_are_images_or_sentences(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    tool = SHARED.parent / "tools" / "make_hostile.py"
    if not tool.is_file():
        pytest.skip(f"no {tool} (set SR_DEMO_SHARED_DATA)")
    made = tmp_path / "made"
    subprocess.run([sys.executable, tool, made, tmp_path / "manifest.json"], check=True, capture_output=True)
    taken = {path.name: outcome(path) for path in sorted(made.iterdir())}
    slowest = sorted(taken.items(), key=lambda item: -item[1])[:5]
    record_property("slowest", slowest)
    assert len(taken) > 100
    assert slowest[0][1] < 60, slowest


@pytest.mark.parametrize(("channels", "bits", "each"), [(3, 8, 8), (1, 8, 4), (4, 8, 15), (3, 16, 14)])
def test_what_would_not_fit_into_memory_is_refused_with_a_size_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int, bits: int, each: int
) -> None:
    rgb = noise(100, 200)
    alpha = readonly(rgb[..., 0].copy()) if channels == 4 else None
    file = tmp_path / "photo.png"
    write_png(ImageData(rgb, alpha, channels == 1, 16 if bits == 16 else 8), file)
    need = 100 * 200 * each
    monkeypatch.setattr(memory, "available_bytes", lambda: need / 0.9 + 1)
    assert read(file).rgb.shape == (100, 200, 3)
    monkeypatch.setattr(memory, "available_bytes", lambda: need / 0.9 - 100)
    with pytest.raises(OutOfMemory, match=r"0\.1 GB of memory to read, and 0\.0 GB are free: crop it to at most"):
        read(file)
