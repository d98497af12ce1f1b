"""Progress composes, and stops."""

from __future__ import annotations

from threading import Event

import pytest

from sr_demo.errors import Cancelled
from sr_demo.progress import Progress


def test_parts_of_parts_report_in_the_whole() -> None:
    seen: list[float] = []
    whole = Progress(lambda fraction, note: seen.append(fraction))
    half = whole.part(0.5, 1.0).part(0.0, 0.5)
    half(0.0)
    half(0.5)
    half(2.0)
    assert seen == [0.5, 0.625, 0.75]


def test_reporting_raises_once_stopped() -> None:
    stop = Event()
    progress = Progress(stop=stop).part(0, 0.5)
    progress(0.1)
    stop.set()
    with pytest.raises(Cancelled):
        progress(0.2)
