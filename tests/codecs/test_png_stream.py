"""PNG files whose pixels end early or are damaged, in all kinds; and animations with a default image of their own."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from sr_demo.codecs import decode
from sr_demo.codecs.png_stream import still
from sr_demo.errors import BadInput
from sr_demo.image import read

DAMAGED = "is damaged or incomplete and cannot be decoded"
KINDS = [(1, 0), (8, 0), (16, 0), (8, 2), (16, 2), (4, 3), (8, 4), (16, 4), (8, 6), (16, 6)]
"""Bits per channel, and colour types."""
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PALETTE = bytes(range(48))
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def rows(width: int, height: int, bits: int, colour_type: int, value: int, *, interlaced: bool = False) -> bytes:
    """Unpacked pixels of which each byte is `value`."""
    passes = (
        [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in ADAM7] if interlaced else [(width, height)]
    )
    return b"".join(
        (b"\0" + bytes([value]) * -(-columns * CHANNELS[colour_type] * bits // 8)) * max(count, 0)
        for columns, count in passes
        if columns > 0
    )


def png(
    pixels: bytes, width: int, height: int, bits: int, colour_type: int, *, interlaced: bool = False, parts: int = 1
) -> bytes:
    """A file with the pixels in `parts` chunks."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, interlaced))
    packed = zlib.compress(pixels)
    step = -(-len(packed) // parts)
    data = b"".join(chunk(b"IDAT", packed[i : i + step]) for i in range(0, len(packed), step))
    palette = chunk(b"PLTE", PALETTE) if colour_type == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + head + palette + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("bits", "colour_type"), KINDS)
def test_pixels_that_end_early_are_refused(tmp_path: Path, bits: int, colour_type: int, interlaced: bool) -> None:
    for width, height in ((9, 7), (1, 5), (5, 1), (2, 2)):
        for value in (0, 0x55):
            whole = rows(width, height, bits, colour_type, value, interlaced=interlaced)
            (tmp_path / "a.png").write_bytes(png(whole, width, height, bits, colour_type, interlaced=interlaced))
            assert read(tmp_path / "a.png").size == (height, width)
            for length in (len(whole) - 1, len(whole) // 2, 1):
                early = png(whole[:length], width, height, bits, colour_type, interlaced=interlaced)
                (tmp_path / "a.png").write_bytes(early)
                with pytest.raises(BadInput, match=DAMAGED):
                    read(tmp_path / "a.png")


@pytest.mark.parametrize("bits", [8, 16])
def test_a_wrong_checksum_of_any_part_but_the_last_of_the_pixels_is_refused(tmp_path: Path, bits: int) -> None:
    content = png(rows(9, 7, bits, 2, 0x55), 9, 7, bits, 2, parts=3)
    (tmp_path / "a.png").write_bytes(content)
    assert read(tmp_path / "a.png").size == (7, 9)
    place = content.find(b"IDAT")
    while place >= 0:
        end = place + 4 + int.from_bytes(content[place - 4 : place], "big")
        following = content.find(b"IDAT", end)
        (tmp_path / "a.png").write_bytes(content[:end] + bytes([content[end] ^ 1]) + content[end + 1 :])
        if following < 0:
            assert np.allclose(read(tmp_path / "a.png").rgb, 0x55 / 255)
            break
        with pytest.raises(BadInput, match=DAMAGED):
            read(tmp_path / "a.png")
        place = following


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_wrong_checksum_of_the_only_part_is_accepted_if_the_stream_is_whole(
    tmp_path: Path, bits: int, interlaced: bool
) -> None:
    content = png(rows(9, 7, bits, 2, 0x55, interlaced=interlaced), 9, 7, bits, 2, interlaced=interlaced)
    end = content.find(b"IEND") - 8
    (tmp_path / "a.png").write_bytes(content[:end] + b"0000" + content[end + 4 :])
    assert np.allclose(read(tmp_path / "a.png").rgb, 0x55 / 255)
    for at in (end - 1, end - 6):  # the checksum of the stream, and its pixels
        changed = bytes([content[at] ^ 1])
        (tmp_path / "a.png").write_bytes(content[:at] + changed + content[at + 1 : end] + b"0000" + content[end + 4 :])
        with pytest.raises(BadInput, match=DAMAGED):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("bits", [8, 16])
def test_what_follows_the_pixels_may_be_cut_off(tmp_path: Path, bits: int) -> None:
    content = png(rows(9, 7, bits, 2, 0x55), 9, 7, bits, 2, parts=2)
    text = content[:-12] + chunk(b"tEXt", b"Comment\0later")
    for cut in (content[:-5], content[:-12], content[:-14], text):
        (tmp_path / "a.png").write_bytes(cut)
        assert np.allclose(read(tmp_path / "a.png").rgb, 0x55 / 255)
    for early in (content[:-17], content[: content.rfind(b"IDAT") + 2]):
        (tmp_path / "a.png").write_bytes(early)
        with pytest.raises(BadInput, match=DAMAGED):
            read(tmp_path / "a.png")


def test_a_still_image_is_not_copied() -> None:
    content = png(rows(9, 7, 16, 2, 0x55), 9, 7, 16, 2, parts=2)
    assert still(content) is content


def test_more_data_than_rows_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(rows(9, 7, 8, 0, 0) + bytes(2**20), 9, 7, 8, 0))
    assert read(tmp_path / "a.png").size == (7, 9)


def test_the_stream_is_unpacked_again_only_if_the_last_row_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Pillow.fromarray(np.eye(6, dtype=np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(decode, "check_length", lambda _: pytest.fail("costs half of the time of decoding"))
    assert read(tmp_path / "a.png").size == (6, 6)


@pytest.mark.parametrize("default_is_a_frame", [True, False])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colour_type", [0, 2, 6])
def test_the_default_image_of_an_animation_is_read(
    tmp_path: Path, colour_type: int, bits: int, default_is_a_frame: bool
) -> None:
    first, *others = (zlib.compress(rows(4, 3, bits, colour_type, value)) for value in (50, 100, 150))
    content = chunk(b"acTL", struct.pack(">II", 2 + default_is_a_frame, 0))
    number = 0
    for packed in (first, *others):
        if packed is not first or default_is_a_frame:
            content += chunk(b"fcTL", struct.pack(">5I2H2B", number, 4, 3, 0, 0, 1, 10, 0, 0))
            number += 1
        if packed is first:
            content += chunk(b"IDAT", packed)
        else:
            content += chunk(b"fdAT", struct.pack(">I", number) + packed)
            number += 1
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 3, bits, colour_type, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + content + chunk(b"IEND", b""))
    image = read(tmp_path / "a.png")
    assert image.bits == bits and image.notes == ("The first of 3 frames is used.",)
    assert np.allclose(image.rgb, 50 / 255)
