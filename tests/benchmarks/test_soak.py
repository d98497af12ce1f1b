"""The soak test fits how much a server grows per request, over the second half of its samples."""

from __future__ import annotations

from dataclasses import fields

import pytest

from sr_demo.benchmarks import soak
from sr_demo.benchmarks.soak import Count, Sample, growth


def sample(requests: int, rss_mb: float, threads: int = 8) -> Sample:
    return Sample(float(requests), requests, 0, rss_mb, open_files=20, threads=threads, store_mb=1.0, cache_mb=0.0)


def test_growth_is_the_slope_of_the_second_half_per_hundred_requests() -> None:
    warming = [sample(10 * n, 100.0 * n) for n in range(10)]
    steady = [sample(100 + 10 * n, 1000 + 0.5 * n, threads=8 + n) for n in range(10)]
    found = growth([*warming, *steady])
    assert list(found) == [field.name for field in fields(Sample)][3:]
    assert found["rss_mb"] == pytest.approx(5.0) and found["threads"] == pytest.approx(10.0)
    assert [found["open_files"], found["cache_mb"]] == pytest.approx([0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("samples", [[], [sample(1, 5.0)], [sample(7, 5.0), sample(7, 9.0), sample(7, 8.0)]])
def test_growth_is_unknown_without_further_requests(samples: list[Sample]) -> None:
    assert growth(samples) == {}


def test_requests_and_errors_are_counted_and_the_last_error_kept() -> None:
    count = Count()
    for error in ("", "page: late", "", "espcn: wrong"):
        count.add(error)
    assert (count.requests, count.errors, count.last_error) == (4, 2, "espcn: wrong")


def test_every_visit_sends_another_image() -> None:
    made = {soak._image(number, turn) for number in range(2) for turn in range(3)}
    assert len(made) == 6 and soak._image(1, 2) == soak._image(1, 2)
