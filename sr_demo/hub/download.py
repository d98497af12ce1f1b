"""Transfer of one file from one source, a repository on the Hub or an address, to the disk, with progress and Stop.

The bytes are not verified here; `checkpoints.py` verifies them and composes the message for the user.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import httpx2
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sr_demo.checkpoint import WeightFile
from sr_demo.errors import Cancelled, quoted
from sr_demo.progress import Progress
from sr_demo.system.storage import sha256_of

CHUNK = 1 << 16
"""Bytes that are received between two checks of the stop flag."""


_MOST_REDIRECTS = 5
_NOWHERE = ("\0",)
_STORAGE = {
    "github.com": (".githubusercontent.com",),
    "huggingface.co": (".huggingface.co", ".hf.co"),
    "drive.usercontent.google.com": (".googleusercontent.com",),
}
"""Storage hosts of each host; redirects to any other host are refused."""


class SourceFailed(Exception):  # noqa: N818 - a reason among several, not yet an error to show
    """A source did not give the file. `code` is a key of `reasons.REASONS`; `detail` fills the placeholder in its text."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (OfflineModeIsEnabled, "offline"),
    (GatedRepoError, "gated"),
    (RepositoryNotFoundError, "repository"),
    (RevisionNotFoundError, "repository"),
    (LocalEntryNotFoundError, "network"),
    (EntryNotFoundError, "file"),
    (FileMetadataError, "server"),
    (httpx2.TimeoutException, "timeout"),
    (httpx2.RemoteProtocolError, "broken"),
    (httpx2.ReadError, "broken"),
    (httpx2.TransportError, "network"),
)
"""Foreign exception -> code. The first match counts, so that subclasses precede their base."""

_STATUS = {401: "refused", 403: "refused", 404: "file", 410: "file"}


def transfer(source: str, target: Path, file: WeightFile, progress: Progress) -> None:
    """Download one file in a separate thread, so that Stop takes effect even while the network stalls.

    Args:
        source: an address, or "owner/repository[@commit]:path" on the Hub, where data sets begin with "datasets/".
        target: where to write; its folder is used by this transfer only, and the caller removes it.
        file: the expected file; its size limits the transfer.
        progress: where to report.

    Raises:
        SourceFailed: The source does not give the file.
        OSError: The disk is full or cannot be written.
        Cancelled: Stop was pressed; raised within a fraction of a second. The thread ends when the next bytes arrive.
    """
    meter = _Meter()
    outcome: list[Exception] = []

    def work() -> None:
        try:
            _run(source, target, file, meter)
        except Exception as exc:  # raised again by the waiting thread
            outcome.append(exc)
        finally:
            if meter.stopped.is_set():
                shutil.rmtree(target.parent, ignore_errors=True)

    thread = Thread(target=work, name=f"download {file.name}", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
            progress(meter.received / max(file.bytes, 1), _note(meter.received, file.bytes))
    except BaseException:
        meter.stopped.set()
        raise
    for exc in outcome:
        if translated := reason(exc):
            raise translated from exc
        raise exc


def _note(received: int, size: int) -> str:
    digits = 0 if size >= 10_000_000 else 1
    return f"downloading {received / 1e6:.{digits}f} of {size / 1e6:.{digits}f} MB"


def reason(exc: Exception) -> SourceFailed | None:
    """Translate a foreign exception; return None if the source did not cause it, such as disk errors and bugs."""
    for kind, code in _REASONS:
        if isinstance(exc, kind):
            return SourceFailed(code, "no proper answer" if isinstance(exc, FileMetadataError) else "")
    if isinstance(exc, (HfHubHTTPError, httpx2.HTTPStatusError)):
        status = exc.response.status_code
        return SourceFailed(_STATUS.get(status, "server"), f"status {status}")
    if type(exc) is OSError and exc.errno is None:  # hf_hub_download: "Consistency check failed"
        return SourceFailed("broken")
    return None


def _run(source: str, target: Path, file: WeightFile, meter: _Meter) -> None:
    if source.startswith(("https://", "http://")):
        refuse_offline()
        _from_address(source, target, file, meter)
    else:
        _from_hub(source, target, file, meter)


def is_offline() -> bool:
    """Return whether HF_HUB_OFFLINE is set now; the Hub client reads it only once, when it is imported."""
    return constants.is_offline_mode() or os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def refuse_offline() -> None:
    """Raise SourceFailed if HF_HUB_OFFLINE is set."""
    if is_offline():
        raise SourceFailed("offline")


def _from_address(address: str, target: Path, file: WeightFile, meter: _Meter) -> None:
    headers = {"Accept-Encoding": "identity"}
    place = address
    for _ in range(_MOST_REDIRECTS + 1):
        with httpx2.stream("GET", place, headers=headers, timeout=10) as response:
            if response.has_redirect_location:
                place = followed(address, urljoin(place, response.headers["Location"]))
                continue
            response.raise_for_status()
            with target.open("wb") as out:
                for chunk in response.iter_bytes(CHUNK):
                    out.write(chunk)
                    meter.at(out.tell())
                    if out.tell() > file.bytes:
                        raise SourceFailed("wrong", f"it is larger than {file.bytes:,} bytes")
            return
    raise SourceFailed("elsewhere", "it redirects without end")


def followed(address: str, location: str) -> str:
    """Return the target of a redirect of `address`. Raises SourceFailed if its host is not a known storage host."""
    start, end = urlsplit(address), urlsplit(location)
    host, other = start.hostname or "", end.hostname or ""
    is_same = host.removeprefix("www.") == other.removeprefix("www.")
    if not (is_same or other.endswith(_STORAGE.get(host, _NOWHERE))) or end.scheme not in ("https", start.scheme):
        raise SourceFailed("elsewhere", f"it redirects to {quoted(f'{end.scheme}://{other}')}")
    return location


def kind_of(repository: str) -> tuple[str, str]:
    """Return the Hub's kind of a repository, and its name there: "datasets/owner/name" is of the kind "dataset"."""
    name = repository.removeprefix("datasets/")
    return ("model" if name == repository else "dataset"), name


def _from_hub(source: str, target: Path, file: WeightFile, meter: _Meter) -> None:
    repository, _, path = source.partition(":")
    repository, _, commit = repository.partition("@")
    kind, repository = kind_of(repository)
    cached = try_to_load_from_cache(repository, path, revision=commit or None, repo_type=kind)
    if isinstance(cached, str) and sha256_of(Path(cached)) == file.sha256:  # preloaded on a Space, or by another app
        shutil.copyfile(cached, target)
        return
    refuse_offline()
    # The client reads HF_ENDPOINT only once, when it is imported.
    endpoint = os.environ.get("HF_ENDPOINT") or None
    # A request before hf_hub_download fails early, while hf_hub_download retries an unreachable host for 23 seconds.
    found = get_hf_file_metadata(
        hf_hub_url(repository, path, revision=commit or None, repo_type=kind, endpoint=endpoint), endpoint=endpoint
    )
    if found.size not in (None, file.bytes):
        raise SourceFailed("wrong", f"{found.size:,} bytes instead of {file.bytes:,}")
    # With the default chunks of 10 MB, progress and Stop would be delayed by half a minute on a slow connection.
    constants.DOWNLOAD_CHUNK_SIZE = CHUNK
    constants.HF_HUB_DISABLE_XET = True  # its errors have no types and come after minutes, and Stop does not end it
    # A separate cache, since a damaged file in the shared cache would be used again and again.
    arrived = hf_hub_download(
        repository,
        path,
        repo_type=kind,
        revision=commit or found.commit_hash,
        endpoint=endpoint,
        local_dir=target.parent / "hub",
        cache_dir=target.parent / "cache",
        tqdm_class=cast(Any, meter.bar),
    )
    os.replace(arrived, target)


@dataclass
class _Meter:
    """Number of received bytes, and the stop flag. Written by one thread, read by another."""

    received: int = 0
    stopped: Event = field(default_factory=Event)

    def at(self, received: int) -> None:
        """Set the total number of received bytes. Raises Cancelled in the downloading thread after Stop."""
        if self.stopped.is_set():
            raise Cancelled
        self.received = max(self.received, received)

    def bar(self, **_: object) -> _Bar:
        """Return the replacement for a tqdm bar."""
        return _Bar(self.at)


@dataclass
class _Bar:
    """The subset of tqdm's interface that hf_hub_download uses."""

    at: Callable[[int], None]
    n: int = 0

    def update(self, n: int = 1) -> None:
        """Record `n` more bytes."""
        self.n += n
        self.at(self.n)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: there is nothing to close."""
