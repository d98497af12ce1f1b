"""Requested sizes: what people write, and the pixels that it means for an image."""

from __future__ import annotations

import numpy as np
import pytest

from sr_demo.errors import BadInput
from sr_demo.image import Size, readonly
from sr_demo.imaging import srgb
from sr_demo.imaging.output_size import parse
from sr_demo.imaging.resize import resize

PHOTO = Size(400, 600)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2", (800, 1200)),
        ("x3", (1200, 1800)),
        ("2.5x", (1000, 1500)),
        ("8 ×", (3200, 4800)),
        ("1920 wide", (1280, 1920)),
        ("1921 px wide", (1281, 1921)),
        ("1080 high", (1080, 1620)),
        ("600w", (400, 600)),
        ("30x20cm@300", (2362, 3543)),
        ("30 x 20 cm at 300 dpi", (2362, 3543)),
        ("20x30cm@300", (2362, 3543)),  # the paper is turned
        ("300x200mm@300", (2362, 3543)),
        ("10x10in@100", (667, 1000)),  # the whole photo is on the paper
    ],
)
def test_a_request_is_exact_in_the_side_that_it_names(text: str, size: tuple[int, int]) -> None:
    request = parse(text)
    assert request.resolve(PHOTO) == size
    assert parse(str(request)) == request


@pytest.mark.parametrize("side", range(1, 400, 7))
def test_every_width_and_height_is_hit_to_the_pixel(side: int) -> None:
    for target in range(side, 8 * side + 1, max(side // 3, 1)):
        assert parse(f"{target} wide").resolve(Size(31, side)).width == target
        assert parse(f"{target} high").resolve(Size(side, 31)).height == target


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'' is no size. Write a factor such as 2 or 2.5x, 1920 wide, 1080 high, or 30x20cm@300 for print."),
        ("large", "'large' is no size."),
        ("1920x1080", "'1920x1080' is no size."),
        ("0.5", "The scale must be from 1 to 8, not 0.5."),
        ("9x", "The scale must be from 1 to 8, not 9."),
        ("1920", "The scale must be from 1 to 8, not 1920. For pixels, ask for 1920 wide."),
        ("0 wide", "The width must be from 1 to 1,000,000 pixels, not '0'."),
        (f"{'9' * 400} high", "The height must be from 1 to"),
        ("0x20cm@300", "A print has two sides of up to 100 m, such as 30x20cm@300, not 0x20cm@300."),
        ("30x20cm@0", "A print has from 2 to 10000 dpi, such as 30x20cm@300, not 30x20cm@0."),
        (f"{'9' * 400}x1cm@300", "A print has two sides"),
        (f"{'9' * 5000} wide", f"'{'9' * 59}…' is no size."),
        (f"{'9' * 5000}h", f"'{'9' * 59}…' is no size."),
        (f"{'9' * 5000}x", "The scale must be from 1 to 8, not inf."),
    ],
)
def test_what_is_no_size_gets_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse(text)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "same"), [("2,5x", "2.5x"), ("x 1,25", "1.25x"), ("30,5 x 20cm@300", "30.5x20cm@300")]
)
def test_a_decimal_comma_is_one(text: str, same: str) -> None:
    assert parse(text) == parse(same)
    with pytest.raises(BadInput, match="is no size"):
        parse("1,000x")


def test_sizes_beyond_1_to_8_times_name_the_limits_for_this_image() -> None:
    with pytest.raises(BadInput, match=r"599 wide is fewer than the picture has \(600 x 400 pixels\)"):
        parse("599 wide").resolve(PHOTO)
    with pytest.raises(BadInput, match="choose from 600 x 400 to 4800 x 3200 pixels"):
        parse("100x100cm@300").resolve(PHOTO)


def test_a_part_is_enlarged_as_much_as_the_whole_and_keeps_the_resolution() -> None:
    part = parse("30x20cm@300").for_part(PHOTO)
    assert part.resolve(Size(100, 100)) == (590, 590) and part.dpi == 300
    assert parse("1200 wide").for_part(PHOTO).whole_factor() == 2


def test_a_test_against_the_original_needs_a_whole_factor() -> None:
    assert parse("3x").whole_factor() == 3
    for text in ("2.5x", "1x", "1920 wide"):
        with pytest.raises(BadInput, match="at whole factors only"):
            parse(text).whole_factor()


def test_light_is_averaged_not_values() -> None:
    """Half the light of black and white is the value 0.735, and of two grays it is between them, not their mean."""
    pattern = np.indices((64, 64)).sum(axis=0) % 2
    checkerboard = readonly(np.repeat(pattern[..., None], 3, axis=2).astype(np.float32))
    inside = np.s_[4:-4, 4:-4]
    assert np.allclose(resize(checkerboard, (32, 32), linear=True)[inside], 0.7354, atol=2e-3)
    assert np.allclose(resize(checkerboard, (32, 32))[inside], 0.5, atol=2e-3)
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.allclose(srgb.linear_to_srgb(srgb.srgb_to_linear(values)), values, atol=2e-6)
    flat = readonly(np.full((8, 8, 3), np.float32(0.2)))
    assert np.allclose(resize(flat, (4, 4), linear=True), 0.2, atol=1e-6)
