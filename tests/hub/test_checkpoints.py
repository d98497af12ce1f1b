"""Checkpoints without a network: the plan, embedded and stored files, and disks that refuse."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from sr_demo import checkpoint as weights
from sr_demo.checkpoint import Checkpoint, WeightFile
from sr_demo.errors import Cancelled, StorageError, WeightsUnavailable
from sr_demo.hub import checkpoints, download, wheels
from sr_demo.hub.reasons import REASONS
from sr_demo.inference.jobs import job_for
from sr_demo.progress import Progress
from sr_demo.system import integrity, storage
from tests import fakes

CONTENT = b"trained for a long time"
SHA = hashlib.sha256(CONTENT).hexdigest()
EMBEDDED = Checkpoint("own", "Our own", (WeightFile("own.safetensors", SHA, len(CONTENT)),))
REMOTE = Checkpoint("far", "Published", (WeightFile("far.pth", SHA, len(CONTENT), ("a/b:far.pth", "c/d:far.pth")),))


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """An empty store and an empty folder of embedded weights."""
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path / "weights")
    (tmp_path / "weights").mkdir()
    return tmp_path


def _put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _stored(content: bytes = CONTENT) -> Path:
    return _put(checkpoints.plan(REMOTE)[0].path, content)


@pytest.fixture
def no_network(monkeypatch):
    def transfer(*_):
        pytest.fail("the network was touched")

    monkeypatch.setattr(download, "transfer", transfer)


def test_a_checkpoint_without_files_is_available():
    nothing = Checkpoint("default", "no weights")
    assert checkpoints.plan(nothing) == ()
    assert checkpoints.is_available(nothing)
    assert checkpoints.fetch(nothing) == ()


def test_the_cache_folder_comes_from_the_environment_or_the_home(monkeypatch):
    monkeypatch.setenv("SR_DEMO_CACHE", "~/elsewhere")
    assert storage.cache_folder() == Path.home() / "elsewhere"
    monkeypatch.delenv("SR_DEMO_CACHE")
    assert storage.cache_folder() == Path.home() / ".cache" / "sr_demo"


def test_the_plan_changes_nothing(folders):
    both = Checkpoint("both", "Both", EMBEDDED.files + REMOTE.files)
    before = sorted(folders.rglob("*"))
    assert [step.action for step in checkpoints.plan(both)] == ["embedded", "download"]
    assert [step.path for step in checkpoints.plan(both)] == [
        folders / "weights" / "own.safetensors",
        folders / "cache" / "weights" / SHA / "far.pth",
    ]
    assert sorted(folders.rglob("*")) == before
    _stored()
    assert [step.action for step in checkpoints.plan(both)] == ["embedded", "stored"]
    _stored(CONTENT[:-1])
    assert [step.action for step in checkpoints.plan(both)] == ["embedded", "download"]


def test_available_means_all_files_are_stored(folders):
    both = Checkpoint("both", "Both", EMBEDDED.files + REMOTE.files)
    assert not checkpoints.is_available(both)
    _put(folders / "weights" / "own.safetensors", CONTENT)
    assert checkpoints.is_available(EMBEDDED)
    assert not checkpoints.is_available(both)
    _stored()
    assert checkpoints.is_available(both)


def test_embedded_files_are_returned_in_order_and_hashed_once(folders, monkeypatch, no_network):
    path = _put(folders / "weights" / "own.safetensors", CONTENT)
    read: list[Path] = []
    monkeypatch.setattr(integrity, "sha256_of", lambda path: read.append(path) or SHA)
    assert checkpoints.fetch(EMBEDDED) == (path,)
    assert checkpoints.fetch(EMBEDDED) == (path,)
    assert read == [path]
    os.utime(path, ns=(1, 1))
    checkpoints.fetch(EMBEDDED)
    assert read == [path, path]


def test_a_missing_embedded_file_is_named(folders):
    with pytest.raises(WeightsUnavailable) as caught:
        checkpoints.fetch(EMBEDDED)
    assert str(caught.value) == (
        f"Our own: the file {folders}/weights/own.safetensors that comes with this app is missing. "
        "Install the app again."
    )


def test_a_damaged_embedded_file_is_not_used(folders):
    _put(folders / "weights" / "own.safetensors", CONTENT[::-1])
    found = hashlib.sha256(CONTENT[::-1]).hexdigest()
    with pytest.raises(WeightsUnavailable) as caught:
        checkpoints.fetch(EMBEDDED)
    assert str(caught.value) == (
        f"Our own: the file {folders}/weights/own.safetensors that comes with this app is damaged "
        f"(sha256 expected {SHA[:12]}, found {found[:12]}). Install the app again."
    )


def test_a_stored_file_needs_no_network(no_network):
    path = _stored()
    assert checkpoints.fetch(REMOTE) == (path,)


def test_a_stored_file_of_the_right_size_but_with_other_bytes_is_replaced(monkeypatch):
    path = _stored(CONTENT[::-1])
    monkeypatch.setattr(download, "transfer", lambda source, target, file, progress: target.write_bytes(CONTENT))
    assert checkpoints.fetch(REMOTE) == (path,)
    assert path.read_bytes() == CONTENT


def test_a_damaged_stored_file_is_no_longer_offered_even_if_it_cannot_be_replaced(monkeypatch):
    _stored(CONTENT[::-1])

    def transfer(*_):
        raise download.SourceFailed("network")

    monkeypatch.setattr(download, "transfer", transfer)
    with pytest.raises(WeightsUnavailable):
        checkpoints.fetch(REMOTE)
    assert not checkpoints.is_available(REMOTE)


@pytest.mark.parametrize(
    ("codes", "named", "also"),
    [
        (("repository", "network"), "c/d:far.pth", "a/b:far.pth: repository missing"),
        (("gated", "server"), "a/b:far.pth", "c/d:far.pth: server error"),
        (("file", "wrong"), "c/d:far.pth", "a/b:far.pth: file missing"),
        (("server", "server"), "a/b:far.pth", "c/d:far.pth: server error"),
    ],
)
def test_the_most_useful_reason_is_named_first(monkeypatch, codes, named, also):
    reasons = iter(codes)

    def transfer(*_):
        raise download.SourceFailed(next(reasons), "status 500")

    monkeypatch.setattr(download, "transfer", transfer)
    with pytest.raises(WeightsUnavailable) as caught:
        checkpoints.fetch(REMOTE)
    assert str(caught.value).startswith(f"Published: far.pth could not be fetched from {named}: ")
    assert str(caught.value).endswith(f" (Also tried: {also}.)")
    assert isinstance(caught.value.__cause__, download.SourceFailed)


def test_every_reason_has_a_message():
    codes = {code for _, code in download._REASONS} | set(download._STATUS.values()) | {"wrong", "elsewhere"}
    codes |= {code for _, code in wheels._SIGNS} | {"index"}
    assert codes == set(REASONS)
    assert len({sentence for _, sentence in REASONS.values()}) == len(REASONS)


def test_a_published_checkpoint_that_is_stored_is_the_default(folders):
    _put(folders / "weights" / "own.safetensors", CONTENT)
    best = replace(REMOTE, name="best", files=(replace(REMOTE.files[0], name="best.pth"),))
    approach = replace(
        fakes.approach(fakes.Fake(lambda image, _: image)),
        checkpoints=(EMBEDDED, REMOTE, best), preferred=("best", "far"),
    )  # fmt: skip
    assert checkpoints.default(approach) is EMBEDDED
    assert job_for([approach], "fake").checkpoint is EMBEDDED
    _stored()
    assert checkpoints.default(approach) is REMOTE
    _put(checkpoints.plan(best)[0].path, CONTENT)
    assert checkpoints.default(approach) is best
    job = job_for([approach], "fake")
    assert (job.checkpoint, job.key) == (best, "fake:best"), "which one ran is in every row"
    assert job_for([approach], "fake:own").checkpoint is EMBEDDED
    assert [job_for([approach], f"fake:{name}").title for name in ("own", "best")] == [
        "Fake (Our own)", "Fake (Published)",
    ]  # fmt: skip


def test_too_little_room_is_reported_before_the_download(monkeypatch, no_network, folders):
    monkeypatch.setattr(storage, "free_bytes", lambda _: 2)
    with pytest.raises(StorageError) as caught:
        checkpoints.fetch(Checkpoint("far", "Published", (WeightFile("far.pth", SHA, 85_137_601, ("a/b:far.pth",)),)))
    assert str(caught.value) == (
        f"Not enough room in {folders}/cache/weights/{SHA}: 85.1 MB are needed, 0.0 MB are free. "
        "Make room, or set SR_DEMO_CACHE to a folder on another disk."
    )


def test_a_disk_that_fills_up_on_the_way_is_not_blamed_on_the_source(monkeypatch, folders):
    tried: list[str] = []

    def transfer(source, target, *_):
        tried.append(source)
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "transfer", transfer)
    with pytest.raises(StorageError) as caught:
        checkpoints.fetch(REMOTE)
    assert str(caught.value) == (
        f"Files cannot be kept in {folders}/cache/weights/{SHA}: the disk is full. "
        "Make room there or allow writing, or set SR_DEMO_CACHE to another folder."
    )
    assert tried == ["a/b:far.pth"]
    assert [path.name for path in (folders / "cache" / "weights" / SHA).iterdir()] == [".lock"]


def test_a_cache_folder_that_cannot_be_created_is_named(monkeypatch, folders):
    monkeypatch.setenv("SR_DEMO_CACHE", str(_put(folders / "a file", b"")))
    with pytest.raises(StorageError, match=r"^Files cannot be kept in .*: a file stands where a folder should be\. "):
        checkpoints.fetch(REMOTE)


def test_a_bug_is_not_reported_as_a_missing_file(monkeypatch):
    def run(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(download, "_run", run)
    with pytest.raises(ZeroDivisionError):
        checkpoints.fetch(REMOTE)


def test_after_stop_nothing_starts(no_network):
    progress = Progress()
    stopped = Event()
    stopped.set()
    with pytest.raises(Cancelled):
        checkpoints.fetch(REMOTE, Progress(progress.report, stopped))


def test_two_files_share_the_progress_by_size(monkeypatch):
    other = b"x" * (3 * len(CONTENT))
    contents = {"far.pth": CONTENT, "big.pth": other}
    big = WeightFile("big.pth", hashlib.sha256(other).hexdigest(), len(other), ("a/b:big.pth",))

    def transfer(source, target, file, progress):
        target.write_bytes(contents[file.name])
        progress(1.0, file.name)

    monkeypatch.setattr(download, "transfer", transfer)
    seen: list[tuple[float, str]] = []
    checkpoints.fetch(
        Checkpoint("two", "Two", (*REMOTE.files, big)), Progress(lambda part, note: seen.append((part, note)))
    )
    assert seen == [(0.25, "far.pth"), (1.0, "big.pth")]
