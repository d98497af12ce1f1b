"""The real huggingface_hub client against a local server that speaks the Hub's file routes."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Timer

import huggingface_hub
import pytest

from sr_demo.checkpoint import Checkpoint, Repository, WeightFile
from sr_demo.errors import Cancelled, StorageError, WeightsUnavailable
from sr_demo.hub import checkpoints, repositories, stored_files
from sr_demo.progress import Progress
from sr_demo.system import integrity
from tests.hub_server import Fault, HubServer

pytestmark = pytest.mark.hub

CONTENT = random.Random(1).randbytes(2_000_000)
SHA = hashlib.sha256(CONTENT).hexdigest()
FIRST, SECOND = "first/models:sub/net.pth", "second/models:net.pth"
ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SR_DEMO_SHARED_WEIGHTS", ROOT.parent / "shared" / "weights"))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with HubServer(
        {"first/models": {"sub/net.pth": CONTENT}, "second/models": {"net.pth": CONTENT}},
        gated=frozenset({"gated/models"}),
    ) as server:
        server.serve_client(monkeypatch, tmp_path)
        yield server


def _checkpoint(*sources: str) -> Checkpoint:
    return Checkpoint("net", "Published net", (WeightFile("net.pth", SHA, len(CONTENT), sources),))


def _folder(checkpoint: Checkpoint) -> Path:
    return checkpoints.plan(checkpoint)[0].path.parent


def _left(checkpoint: Checkpoint) -> list[str]:
    """Names in the store, apart from the lock and the record of the source."""
    folder = _folder(checkpoint)
    return (
        sorted(path.name for path in folder.iterdir() if path.name not in (".lock", ".source.json"))
        if folder.exists()
        else []
    )


def _until(happened: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for an effect of another thread or process."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _refusal(checkpoint: Checkpoint) -> str:
    """The message of the error that `fetch` raises; nothing may be left in the store."""
    with pytest.raises(WeightsUnavailable) as caught:
        checkpoints.fetch(checkpoint)
    assert _left(checkpoint) == []
    assert not checkpoints.is_available(checkpoint)
    return str(caught.value)


def _by_hand(checkpoint: Checkpoint) -> str:
    return f"or put the file by hand at {_folder(checkpoint) / 'net.pth'}."


def test_a_download_is_stored(hub):
    checkpoint = _checkpoint(FIRST)
    assert [step.action for step in checkpoints.plan(checkpoint)] == ["download"]
    seen: list[tuple[float, str]] = []
    (path,) = checkpoints.fetch(checkpoint, Progress(lambda part, note: seen.append((part, note))))
    assert path == _folder(checkpoint) / "net.pth"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (1.0, "downloading 2.0 of 2.0 MB")
    assert _left(checkpoint) == ["net.pth"]
    assert checkpoints.is_available(checkpoint)


def test_progress_is_reported_on_the_way(hub):
    hub.faults[FIRST] = Fault(seconds_per_chunk=0.005)
    seen: list[float] = []
    checkpoints.fetch(_checkpoint(FIRST), Progress(lambda part, _: seen.append(part)))
    assert seen == sorted(seen)
    assert len({part for part in seen if 0 < part < 1}) >= 3


def test_a_stored_file_is_used_without_the_server(hub):
    paths = checkpoints.fetch(_checkpoint(FIRST))
    hub.close()
    assert checkpoints.fetch(_checkpoint(FIRST)) == paths


def test_a_file_in_xet_storage_comes_by_http(hub):
    hub.xet = True
    (path,) = checkpoints.fetch(_checkpoint(FIRST))
    assert path.read_bytes() == CONTENT
    assert f"GET {FIRST}" in hub.requests


def test_a_plain_address_is_a_source(hub):
    (path,) = checkpoints.fetch(_checkpoint(hub.address("first/models", "sub/net.pth")))
    assert path.read_bytes() == CONTENT
    assert hub.requests == ["GET first/models:sub/net.pth"]


@pytest.mark.parametrize("first", ["absent/models:net.pth", "first/models:other.pth", FIRST])
def test_the_second_source_is_used_when_the_first_fails(hub, first):
    hub.faults[FIRST] = Fault(wrong_bytes=True)
    (path,) = checkpoints.fetch(_checkpoint(first, SECOND))
    assert path.read_bytes() == CONTENT
    assert hub.requests[-1] == "GET second/models:net.pth"


@pytest.mark.parametrize("plain", [False, True])
def test_a_wrong_hash_is_refused(hub, plain):
    hub.faults["*"] = Fault(wrong_bytes=True)
    wrong = hashlib.sha256(bytes(255 - byte for byte in CONTENT[:64]) + CONTENT[64:]).hexdigest()
    source = hub.address("first/models", "sub/net.pth") if plain else FIRST
    checkpoint = _checkpoint(source)
    assert _refusal(checkpoint) == (
        f"Published net: net.pth could not be fetched from {source}: what it holds is not the expected file "
        f"(sha256 expected {SHA[:12]}, found {wrong[:12]}) and was discarded. Try again later, {_by_hand(checkpoint)}"
    )


@pytest.mark.parametrize("plain", [False, True])
def test_another_size_is_found_before_the_disk_is_filled(hub, plain):
    hub.files["first/models"]["big.pth"] = CONTENT * 3
    source = hub.address("first/models", "big.pth") if plain else "first/models:big.pth"
    said = "it is larger than 2,000,000 bytes" if plain else "6,000,000 bytes instead of 2,000,000"
    assert f"is not the expected file ({said}) and was discarded" in _refusal(_checkpoint(source))
    assert plain or "GET first/models:big.pth" not in hub.requests


def test_a_missing_repository_is_named(hub):
    checkpoint = _checkpoint("absent/models:net.pth")
    assert _refusal(checkpoint) == (
        "Published net: net.pth could not be fetched from absent/models:net.pth: the repository does not exist or is "
        f"private. Try again later, {_by_hand(checkpoint)}"
    )


@pytest.mark.parametrize("plain", [False, True])
def test_a_missing_file_is_named(hub, plain):
    source = hub.address("first/models", "gone.pth") if plain else "first/models:gone.pth"
    checkpoint = _checkpoint(source)
    assert _refusal(checkpoint) == (
        f"Published net: net.pth could not be fetched from {source}: the repository or host no longer has that file. "
        f"Try again later, {_by_hand(checkpoint)}"
    )


def test_a_gated_repository_opens_with_the_token(hub, monkeypatch):
    hub.files["gated/models"] = {"net.pth": CONTENT}
    hub.token = "hf_right"
    checkpoint = _checkpoint("gated/models:net.pth")
    sentence = (
        "Published net: net.pth could not be fetched from gated/models:net.pth: accept the licence on "
        f"{hub.endpoint}/gated/models and set HF_TOKEN to a token of the account that accepted it."
    )
    assert _refusal(checkpoint) == sentence
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert _refusal(checkpoint) == sentence
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert checkpoints.fetch(checkpoint)[0].read_bytes() == CONTENT


@pytest.mark.parametrize("plain", [False, True])
def test_offline_nothing_is_downloaded(hub, monkeypatch, plain):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = hub.address("first/models", "sub/net.pth") if plain else FIRST
    checkpoint = _checkpoint(source)
    assert _refusal(checkpoint) == (
        f"Published net: net.pth could not be fetched from {source}: this app is set to stay offline "
        f"(HF_HUB_OFFLINE). Works again with a network, {_by_hand(checkpoint)}"
    )
    assert hub.requests == []


def test_the_token_is_not_sent_to_another_host(hub, monkeypatch):
    hub.files["gated/models"] = {"net.pth": CONTENT}
    hub.token = "hf_right"
    hub.elsewhere = True
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert checkpoints.fetch(_checkpoint("gated/models:net.pth"))[0].read_bytes() == CONTENT
    assert hub.tokens_elsewhere == []


def test_a_damaged_file_in_the_cache_of_the_client_is_not_copied(hub):
    cached = huggingface_hub.hf_hub_download("first/models", "sub/net.pth", endpoint=hub.endpoint)
    Path(cached).write_bytes(CONTENT[::-1])
    assert checkpoints.fetch(_checkpoint(FIRST))[0].read_bytes() == CONTENT


def test_offline_a_file_that_another_app_downloaded_is_used(hub, monkeypatch):
    huggingface_hub.hf_hub_download("first/models", "sub/net.pth", endpoint=hub.endpoint)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert checkpoints.fetch(_checkpoint(FIRST))[0].read_bytes() == CONTENT


@pytest.mark.parametrize("plain", [False, True])
def test_without_a_network_it_fails_at_once(hub, plain):
    hub.close()
    source = hub.address("first/models", "sub/net.pth") if plain else FIRST
    checkpoint = _checkpoint(source, SECOND)
    started = time.monotonic()
    assert _refusal(checkpoint) == (
        f"Published net: net.pth could not be fetched from {source}: no network, or the host cannot be reached. "
        f"Works again with a network, {_by_hand(checkpoint)} (Also tried: second/models:net.pth: unreachable.)"
    )
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "the server failed (status 500). Try again later"),
        (503, "the server failed (status 503). Try again later"),
        (429, "the server failed (status 429). Try again later"),
        (403, "the host refuses access (status 403). Check HF_TOKEN where it is set, try again later"),
    ],
)
@pytest.mark.parametrize("plain", [False, True])
def test_the_status_of_a_failing_server_is_reported(hub, plain, status, said):
    hub.faults["*"] = Fault(status=status)
    source = hub.address("first/models", "sub/net.pth") if plain else FIRST
    checkpoint = _checkpoint(source)
    started = time.monotonic()
    assert _refusal(checkpoint) == (
        f"Published net: net.pth could not be fetched from {source}: {said}, {_by_hand(checkpoint)}"
    )
    assert time.monotonic() - started < 2


def test_a_transfer_that_breaks_off_once_is_continued(hub):
    hub.faults[FIRST] = Fault(breaks=1)
    assert checkpoints.fetch(_checkpoint(FIRST))[0].read_bytes() == CONTENT
    assert hub.requests.count("GET first/models:sub/net.pth") == 2


@pytest.mark.parametrize("plain", [False, True])
def test_a_truncated_transfer_is_refused(hub, plain):
    hub.faults["*"] = Fault(breaks=-1) if plain else Fault(short=True)
    source = hub.address("first/models", "sub/net.pth") if plain else FIRST
    checkpoint = _checkpoint(source)
    assert _refusal(checkpoint) == (
        f"Published net: net.pth could not be fetched from {source}: the transfer broke off before the end. "
        f"Try again, {_by_hand(checkpoint)}"
    )


@pytest.mark.parametrize("fault", [Fault(stall_after=500_000), Fault(seconds_per_chunk=0.05)], ids=["stalled", "slow"])
@pytest.mark.parametrize("plain", [False, True])
def test_stop_in_the_middle_leaves_nothing(hub, plain, fault):
    hub.faults["*"] = fault
    checkpoint = _checkpoint(hub.address("first/models", "sub/net.pth") if plain else FIRST)
    before = set(threading.enumerate())
    stop = Event()
    Timer(0.4, stop.set).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        checkpoints.fetch(checkpoint, Progress(stop=stop))
    assert 0.3 < time.monotonic() - started < 1.2
    assert not checkpoints.is_available(checkpoint)
    assert "net.pth" not in _left(checkpoint)
    if fault.seconds_per_chunk:  # a stalled one ends with the client's own timeout
        ours = {thread for thread in threading.enumerate() if thread.name == "download net.pth"} - before
        _until(lambda: not any(thread.is_alive() for thread in ours), seconds=1)
    hub.faults.clear()
    assert checkpoints.fetch(checkpoint)[0].read_bytes() == CONTENT
    assert _left(checkpoint) == ["net.pth"]


CHILD = """
import sys
from sr_demo.checkpoint import Checkpoint, WeightFile
from sr_demo.hub.checkpoints import fetch
sha256, size, source = sys.argv[1:]
fetch(Checkpoint("net", "Published net", (WeightFile("net.pth", sha256, int(size), (source,)),)))
"""


@pytest.fixture
def another_process():
    """Starts other processes of the app, which inherit the environment of the test; none survives it."""
    started: list[subprocess.Popen[bytes]] = []

    def start(source: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", CHILD, SHA, str(len(CONTENT)), source], cwd=ROOT))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_killed_download_is_not_offered(hub, another_process):
    checkpoint = _checkpoint(FIRST)
    hub.faults[FIRST] = Fault(stall_after=1_000_000)
    child = another_process(FIRST)
    _until(lambda: any(path.stat().st_size for path in _folder(checkpoint).glob(".part-*/**/*.incomplete")))
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert len(_left(checkpoint)) == 1
    assert not checkpoints.is_available(checkpoint)
    assert [step.action for step in checkpoints.plan(checkpoint)] == ["download"]
    hub.faults.clear()
    assert checkpoints.fetch(checkpoint)[0].read_bytes() == CONTENT
    assert _left(checkpoint) == ["net.pth"]


def test_processes_and_threads_share_one_download_of_a_file(hub, another_process):
    hub.faults[FIRST] = Fault(seconds_per_chunk=0.01)
    checkpoint = _checkpoint(FIRST)
    children = [another_process(FIRST) for _ in range(2)]
    with ThreadPoolExecutor(3) as pool:
        paths = set(pool.map(lambda _: checkpoints.fetch(checkpoint), range(3)))
    assert [child.wait(20) for child in children] == [0, 0]
    assert paths == {(_folder(checkpoint) / "net.pth",)}
    assert hub.requests.count("GET first/models:sub/net.pth") == 1


def test_stop_ends_waiting_for_another_download(hub):
    hub.faults[FIRST] = Fault(stall_after=500_000)
    checkpoint = _checkpoint(FIRST)
    stops = [Event(), Event()]
    notes: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(checkpoints.fetch, checkpoint, Progress(stop=stops[0]))
        _until(lambda: "GET first/models:sub/net.pth" in hub.requests)
        second = pool.submit(checkpoints.fetch, checkpoint, Progress(lambda _, note: notes.append(note), stops[1]))
        Timer(0.3, stops[1].set).start()
        with pytest.raises(Cancelled):
            second.result(timeout=2)
        assert set(notes) == {"waiting for another download of the same file"}
        assert not first.done()
        stops[0].set()
        with pytest.raises(Cancelled):
            first.result(timeout=2)


def test_a_published_checkpoint_is_downloaded(hub):
    original = SHARED / "realesr-general-x4v3.safetensors"
    if not original.exists():
        pytest.skip(f"{original} is not on this machine (set SR_DEMO_SHARED_WEIGHTS)")
    hub.files["published/upscale"] = {original.name: original}
    sha256 = hashlib.sha256(original.read_bytes()).hexdigest()
    file = WeightFile(original.name, sha256, original.stat().st_size, (f"published/upscale:{original.name}",))
    (path,) = checkpoints.fetch(Checkpoint("x4v3", "Real-ESRGAN general x4v3", (file,)))
    assert path.read_bytes() == original.read_bytes()


def test_a_mirror_gives_a_repository_that_its_owner_removed(hub):
    files = Repository("gone/models", ("*.pth",), len(CONTENT), mirrors=("absent/models", "second/models"))
    folder = repositories.fetch(files, Progress())
    assert (folder / "net.pth").read_bytes() == CONTENT
    assert repositories.is_available(files)


def test_a_missing_repository_is_named_with_its_mirrors(hub):
    files = Repository("gone/models", ("*.pth",), len(CONTENT), mirrors=("absent/models",))
    with pytest.raises(WeightsUnavailable, match=r"^gone/models and absent/models could not be fetched"):
        repositories.fetch(files, Progress())


def test_a_stored_file_that_may_not_be_read_is_a_sentence(tmp_path, monkeypatch):
    """As in a cache that several users share."""

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "w.safetensors").write_bytes(b"12")
    own = WeightFile("w.safetensors", "0" * 64, 2, path=tmp_path / "w.safetensors")
    published = WeightFile("w.safetensors", "3" * 64, 2, ("http://127.0.0.1:9/w",))
    stored = stored_files.forms(published)[0].path
    stored.parent.mkdir(parents=True, exist_ok=True)
    stored.write_bytes(b"12")
    monkeypatch.setattr(integrity, "digest", refuse)
    for file in (own, published):
        with pytest.raises(StorageError, match=r"w\.safetensors cannot be read: Permission denied"):
            checkpoints.fetch(Checkpoint("w", "W", (file,)))
