"""The images of a data set: each is downloaded once, and what the Hub does not give is reported in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sr_demo.errors import WeightsUnavailable
from sr_demo.hub import datasets
from sr_demo.progress import SILENT, Progress
from tests.hub_server import Fault, HubServer

NAME = "owner/photos"
FILES: dict[str, Path | bytes] = {"a.PNG": b"first", "deep/b.png": b"second", "README.md": b"text"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with HubServer({f"datasets/{NAME}": {**FILES}}) as server:
        server.serve_client(monkeypatch, tmp_path)
        yield server


def test_images_are_downloaded_once_and_reported_by_number(hub: HubServer) -> None:
    notes: list[tuple[float, str]] = []
    found = datasets.fetch(NAME, {".png"}, Progress(lambda fraction, note: notes.append((fraction, note))))
    assert [path.read_bytes() for path in found] == [b"first", b"second"]
    assert {note for _, note in notes} == {"downloading image 1 of 2", "downloading image 2 of 2"}
    assert [fraction for fraction, _ in notes] == sorted(fraction for fraction, _ in notes)
    asked = len(hub.requests)
    assert datasets.fetch(NAME, {".png"}, SILENT) == found
    assert len(hub.requests) == asked + 1, "only for the list"


@pytest.mark.parametrize(
    ("fault", "why"), [(Fault(status=503), "server error"), (Fault(short=True), "broken off"), (None, "unreachable")]
)
def test_a_download_that_fails_on_the_way_is_no_bug(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, fault: Fault | None, why: str
) -> None:
    """The first image arrives; before the second one, the network or the server fails."""

    def fail(_: float, note: str) -> None:
        if "image 2" in note:
            hub.faults["*"] = fault or Fault()
            if not fault:
                monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")

    with pytest.raises(WeightsUnavailable, match=rf"\({why}\). Try again: files that are here") as caught:
        datasets.fetch(NAME, {".png"}, Progress(fail))
    assert "owner/photos could not be fetched" in str(caught.value)
    hub.faults.clear()
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    asked = len(hub.requests)
    assert len(datasets.fetch(NAME, {".png"}, SILENT)) == 2
    assert not any("a.PNG" in line for line in hub.requests[asked:])
