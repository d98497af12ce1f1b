"""Drawings and photos become digits in the form of MNIST, or are refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from sr_demo.digits.preprocessing import prepare
from sr_demo.errors import BadInput
from tests.digit_images import five, written_digits

BLACK, WHITE, GREEN, RED = (0.05, 0.05, 0.05), (1.0, 1.0, 1.0), (0.45, 0.62, 0.3), (0.9, 0.35, 0.3)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Shared ink by all ink, 0..1."""
    a, b = a.astype(float), b.astype(float)
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    """A black 5 on white paper, prepared."""
    return prepare(five(280, 280, BLACK, WHITE)).reference


def test_ink_is_white_on_black_20_pixels_long_and_centred(plain: np.ndarray) -> None:
    assert plain.shape == (28, 28) and plain.dtype == np.uint8
    rows, columns = np.flatnonzero(plain.max(axis=1) > 60), np.flatnonzero(plain.max(axis=0) > 60)
    assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
    mass = plain / plain.sum()
    assert abs((mass.sum(axis=1) * np.arange(28)).sum() - 13.5) <= 1
    assert abs((mass.sum(axis=0) * np.arange(28)).sum() - 13.5) <= 1
    assert plain[0].max() == 0 and plain.max() == 255


@pytest.mark.parametrize(
    ("height", "width", "ink", "paper"),
    [
        pytest.param(280, 280, WHITE, BLACK, id="inverted"),
        pytest.param(280, 280, RED, GREEN, id="coloured, equally bright"),
        pytest.param(200, 700, BLACK, WHITE, id="wide"),
        pytest.param(900, 150, BLACK, WHITE, id="tall"),
        pytest.param(2400, 3000, BLACK, WHITE, id="huge"),
        pytest.param(280, 280, (0.6, 0.6, 0.6), (0.85, 0.85, 0.85), id="pale"),
    ],
)
def test_the_same_digit_whatever_paper_and_size(
    plain: np.ndarray, height: int, width: int, ink: tuple[float, float, float], paper: tuple[float, float, float]
) -> None:
    assert overlap(prepare(five(height, width, ink, paper)).reference, plain) > 0.85


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_blank_image_is_refused_in_one_sentence(value: float) -> None:
    with pytest.raises(BadInput, match="no digit to see"):
        prepare(np.full((100, 80, 3), value, np.float32))


def test_an_untouched_sketchpad_is_blank() -> None:
    with pytest.raises(BadInput, match="no digit to see"):
        prepare(np.zeros((280, 280, 3), np.float32), np.zeros((280, 280), np.float32))


def test_transparent_paper_counts_as_white(plain: np.ndarray) -> None:
    alpha = 1 - five(280, 280, BLACK, WHITE)[..., 0]
    black = np.zeros((280, 280, 3), np.float32)
    assert overlap(prepare(black, alpha).reference, plain) > 0.95


def test_tiny_images_are_refused() -> None:
    with pytest.raises(BadInput, match="at least 8 x 8"):
        prepare(np.zeros((6, 40, 3), np.float32))


def test_thin_lines_are_thickened_and_a_note_reports_it(plain: np.ndarray) -> None:
    thin = prepare(five(560, 560, BLACK, WHITE, thick=0.012))
    assert any("thicker" in note for note in thin.notes)
    assert overlap(thin.reference, plain) > 0.6
    assert not any("thicker" in note for note in prepare(five(280, 280, BLACK, WHITE)).notes)


def test_a_speck_of_dust_does_not_move_the_digit(plain: np.ndarray) -> None:
    dusty = five(280, 280, BLACK, WHITE)
    dusty[3:7, 3:7] = 0
    assert overlap(prepare(dusty).reference, plain) > 0.95


def test_28_by_28_white_on_black_is_taken_as_it_is() -> None:
    image = written_digits(4)[0][3]
    gray = np.repeat((image / np.float32(255))[..., None], 3, axis=2).astype(np.float32)
    taken = prepare(gray)
    assert overlap(taken.reference, image) > 0.9 and taken.lr.shape == (26, 26)
    assert (taken.reference > 128).sum() == pytest.approx((image > 128).sum(), rel=0.15)


def test_an_image_that_is_mostly_ink_gets_a_note() -> None:
    image = np.zeros((100, 100, 3), np.float32)
    image[5:95, 5:95] = 1
    assert any("counts as ink" in note for note in prepare(image).notes)
