"""The benchmark of the start, against a page that is served already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from sr_demo.benchmarks import startup
from tests.e2e.launched import Server

pytestmark = pytest.mark.timeout(120)


def test_both_starts_are_asked_for_results_and_the_first_is_waited_for(
    api_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches: list[Path] = []

    @contextmanager
    def served(cache: Path, *_: Path) -> Iterator[SimpleNamespace]:
        caches.append(cache)
        yield SimpleNamespace(url=api_server.url, seconds=1.25)

    waited: list[str] = []
    monkeypatch.setattr(startup, "start", served)
    monkeypatch.setattr(startup, "_METHOD", "bicubic")
    monkeypatch.setattr(startup, "_SIDE", 16)
    monkeypatch.setattr(startup, "_wait_until_prepared", lambda client, image: waited.append(image.name))
    first, second = startup.starts(tmp_path / "cache", rounds=2)
    assert caches == [tmp_path / "cache"] * 2, "the second start finds what the first one left"
    assert waited == ["image.png"], "only the first start is followed by a conversion"
    assert (first.name, second.name) == ("the first time on this machine", "with the converted network")
    for start in (first, second):
        assert start.page == 1.25
        assert start.first.seconds > 0 and start.later.seconds > 0 and start.later.precision == "fp32"
