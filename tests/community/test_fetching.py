"""What is fetched is what the card states, from hosts that it names; it runs like one's own, and needs no network again."""

from __future__ import annotations

import json
import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Timer

import pytest

from sr_demo.community import fetched_models, index
from sr_demo.errors import Cancelled, SRError, WeightsUnavailable
from sr_demo.hub import download
from sr_demo.progress import Progress
from sr_demo.system.storage import cache_folder
from tests.community_server import INDEX, REPOSITORY, CommunityServer, compact, serving
from tests.hub_server import Fault


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CommunityServer]:
    with serving(monkeypatch, tmp_path) as found:
        yield found


def folder(identifier: str) -> Path:
    return cache_folder() / "openmodeldb" / identifier


def test_a_model_is_fetched_once_and_described_by_its_card(server: CommunityServer) -> None:
    server.add("2x-Tiny", license="CC-BY-NC-4.0", author="bert")
    approach = fetched_models.by_name("openmodeldb:2x-tiny")
    (checkpoint,) = approach.checkpoints
    assert (approach.id, approach.title, approach.scale) == ("openmodeldb", "Tiny", 2)
    assert "bert" in approach.summary
    assert (checkpoint.name, checkpoint.licence) == ("2x-Tiny", "CC-BY-NC-4.0")
    assert server.downloads() == [INDEX, "2x-Tiny.pth"]
    server.close()
    assert fetched_models.by_name("openmodeldb:2x-Tiny") == approach, "no network is needed again"
    assert fetched_models.stored_approaches() == [approach]


@pytest.mark.parametrize(
    ("resource", "fault", "sentence"),
    [
        ({"sha256": "0" * 64}, Fault(), "sha256 expected 000000000000"),
        ({"size": 100}, Fault(), "larger than 100 bytes"),
        ({"size": 10**6}, Fault(), "instead of 1,000,000"),
        ({}, Fault(wrong_bytes=True), "not the expected file"),
        ({}, Fault(status=404), "no longer has that file"),
        (
            {},
            Fault(moved_to="http://localhost:1/2x-Tiny.pth"),
            "does not lead to a file of its host .it redirects to 'http://localhost'",
        ),
    ],
)
def test_everything_but_the_stated_file_from_a_host_of_the_card_is_refused(
    server: CommunityServer, resource: dict[str, object], fault: Fault, sentence: str
) -> None:
    server.add("2x-Tiny", resource=resource)
    server.faults[f"{REPOSITORY}:2x-Tiny.pth"] = fault
    with pytest.raises(WeightsUnavailable, match=sentence):
        fetched_models.by_name("openmodeldb:2x-Tiny")
    assert not list(folder("2x-Tiny").glob("*.pth")) and fetched_models.stored_approaches() == []


def test_redirects_are_followed_to_the_storage_of_a_host_only() -> None:
    release = "https://github.com/a/b/releases/download/v1/c.pth"
    stored = "https://release-assets.githubusercontent.com/c"
    assert download.followed(release, stored) == stored
    assert download.followed("http://host.org/c", "https://www.host.org/c")
    for other in (
        "https://evil.org/c",
        "https://evilgithubusercontent.com/c",
        "http://github.com/c",
        "file:///c",
        "//",
    ):
        with pytest.raises(download.SourceFailed):
            download.followed(release, other)


def test_a_pickle_that_wants_code_is_refused(server: CommunityServer, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    server.add("2x-Evil", pickle.dumps(Evil()))
    with pytest.raises(SRError, match="could run as a program"):
        fetched_models.by_name("openmodeldb:2x-Evil")
    assert not (tmp_path / "ran").exists()
    assert fetched_models.stored_approaches() == [] and list(fetched_models.stored_models()) == [], (
        "what failed its trial is not tried out again and again"
    )


def test_stop_ends_a_download_and_leaves_nothing(server: CommunityServer) -> None:
    server.add("2x-Tiny")
    server.faults[f"{REPOSITORY}:2x-Tiny.pth"] = Fault(stall_after=100)
    stop = Event()
    Timer(0.4, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        fetched_models.by_name("openmodeldb:2x-Tiny", Progress(stop=stop))
    assert time.monotonic() - begun < 5
    assert not list(folder("2x-Tiny").glob("*.pth"))


def test_a_model_that_cannot_run_here_is_not_fetched(server: CommunityServer) -> None:
    server.add("2x-Video", architecture="cain")
    with pytest.raises(SRError, match="2x-Video of OpenModelDB cannot run here: spandrel does not know"):
        fetched_models.by_name("openmodeldb:2x-Video")
    assert server.downloads() == [INDEX]


def test_a_damaged_file_is_fetched_again(server: CommunityServer) -> None:
    server.add("2x-Tiny")
    fetched_models.by_name("openmodeldb:2x-Tiny")
    path = folder("2x-Tiny") / "2x-Tiny.pth"
    path.write_bytes(bytes(len(compact())))
    fetched_models.by_name("openmodeldb:2x-Tiny")
    assert path.read_bytes() == compact()


def test_the_index_is_fetched_once_a_day_and_an_old_one_serves_where_it_cannot_be(server: CommunityServer) -> None:
    server.add("2x-Tiny")
    index.load()
    assert len(index.load().cards) == 1 and server.downloads() == [INDEX]
    (kept,) = (cache_folder() / "openmodeldb").glob("index-*.json")
    long_ago = time.time() - 90_000
    os.utime(kept, (long_ago, long_ago))
    server.add("2x-Other")
    assert len(index.load().cards) == 2
    os.utime(kept, (0, 0))
    server.files[REPOSITORY][INDEX] = b"<html>"
    assert (len(index.load().cards), index.load().date) == (2, "1970-01-01")
    kept.write_bytes(b"[]")
    with pytest.raises(WeightsUnavailable, match=r"OpenModelDB: index-.* \(no list of models\)"):
        index.load()
    server.close()
    with pytest.raises(
        WeightsUnavailable, match=r"cannot be reached\. Works again with a network, or put the file by hand"
    ):
        index.load()
    kept.write_text(json.dumps(server.cards), encoding="utf-8")
    assert len(index.load().cards) == 2, "as the sentence promises"


def test_offline_nothing_is_requested(server: CommunityServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match="set to stay offline"):
        index.load()
    assert server.requests == []
