"""`bench load` recognizes a result of another visitor's image, and counts visitors without a result."""

from __future__ import annotations

from sr_demo.benchmarks.load import Load, Visit, image_of, summary, wrong
from sr_demo.imaging.resize import resize
from tests.conftest import noise


def test_each_result_is_compared_with_the_images_of_all_visitors() -> None:
    results = [resize(image_of(number), (512, 512)) for number in range(3)]
    assert wrong([Visit(number, 1.0, results[number]) for number in range(3)]) == []
    assert wrong([Visit(0, 1.0, results[1]), Visit(1, 1.0, results[1]), Visit(2, 1.0, noise(64, 64))]) == [0, 2]


def test_the_summary_names_visitors_without_a_result() -> None:
    made = Load([Visit(0, 2.0, resize(image_of(0), (512, 512))), Visit(1, 0.1, message="busy")], [0.1, 0.3])
    text = summary(made)
    assert "answered: 1 of 2 visitors, wrong images: 0" in text and "visitor 1: busy" in text
    assert "light requests: 2, p50 0.20 s" in text
