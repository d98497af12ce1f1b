"""The index of OpenModelDB: fetched once a day and cached; the cached index is used while it cannot be fetched."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from sr_demo.checkpoint import WeightFile
from sr_demo.community.cards import Card, read_index
from sr_demo.errors import BadInput, quoted
from sr_demo.hub.reasons import unavailable
from sr_demo.progress import SILENT, Progress
from sr_demo.system.storage import cache_folder, disk_errors_translated, ensure_folder, folder_lock, unfinished_folder

log = logging.getLogger("sr_demo")

ADDRESS = "https://openmodeldb.info/api/v1/models.json"
VARIABLE = "SR_DEMO_OPENMODELDB"
_MOST_BYTES = 32 * 2**20
"""Largest accepted size of the index in bytes; the real one has about 2 MB."""
_FRESH_SECONDS = 24 * 3600.0


class Index(NamedTuple):
    """The cards of the index and their origin."""

    cards: tuple[Card, ...]
    address: str
    date: str
    """Day on which the index was fetched, such as 2026-11-28."""


def address(environ: Mapping[str, str] | None = None) -> str:
    """Return the address of the index: that of OpenModelDB, or of the mirror in the environment. Raises BadInput."""
    chosen = (os.environ if environ is None else environ).get(VARIABLE, "").strip() or ADDRESS
    if not chosen.startswith(("https://", "http://")):
        raise BadInput(f"The environment variable {VARIABLE} must be an http or https address, not {quoted(chosen)}.")
    return chosen


def load(progress: Progress = SILENT) -> Index:
    """Return the index; fetch it again if it is older than a day and the network allows it.

    Raises:
        WeightsUnavailable: No index is cached, and it cannot be fetched.
        StorageError: The cache folder cannot be written.
        Cancelled: Stop was pressed; raised within a second.
    """
    place = _place(address())
    if not _is_fresh(place):
        _fetch(address(), place, progress)
    status = place.stat()
    cards = _cards(place, status.st_mtime_ns, status.st_size)
    return Index(cards, address(), time.strftime("%Y-%m-%d", time.localtime(status.st_mtime)))


def _place(source: str) -> Path:
    """Return the cache path of the index from an address; each address has its own, so that mirrors are not mixed up."""
    return cache_folder() / "openmodeldb" / f"index-{sha256(source.encode()).hexdigest()[:8]}.json"


def _is_fresh(place: Path) -> bool:
    try:
        status = place.stat()
        _cards(place, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError):
        return False
    return 0 <= time.time() - status.st_mtime < _FRESH_SECONDS


@lru_cache(maxsize=1)
def _cards(place: Path, modified: int, size: int) -> tuple[Card, ...]:
    return read_index(place.read_bytes())


def _fetch(source: str, place: Path, progress: Progress) -> None:
    from sr_demo.hub import download

    note = "fetching the index of OpenModelDB"

    def report(fraction: float, _: str) -> None:
        progress.report(fraction, note)  # without the number of bytes, since the total is unknown

    quiet = replace(progress, report=report)
    folder = ensure_folder(place.parent, need=_MOST_BYTES)
    with disk_errors_translated(folder), folder_lock(folder, lambda: progress(0.0, note)):
        if _is_fresh(place):  # another process was faster
            return
        try:
            with unfinished_folder(folder) as part:
                arrived = part / place.name
                download.transfer(source, arrived, WeightFile(place.name, "", _MOST_BYTES), quiet)
                _check(arrived)
                os.replace(arrived, place)
        except download.SourceFailed as exc:
            if not _is_readable(place):
                raise unavailable("OpenModelDB", place, [(source, exc)]) from exc
            log.info("the index of OpenModelDB could not be fetched (%s): the one that is here is used", exc.code)


def _check(arrived: Path) -> None:
    from sr_demo.hub.download import SourceFailed

    try:
        read_index(arrived.read_bytes())
    except ValueError as exc:
        raise SourceFailed("wrong", "no list of models") from exc


def _is_readable(place: Path) -> bool:
    try:
        read_index(place.read_bytes())
    except (OSError, ValueError):
        return False
    return True
