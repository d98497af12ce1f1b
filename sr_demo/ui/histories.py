"""The latest comparisons of each visitor, which can be shown again while the visitor's page is open."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from sr_demo.errors import BadInput
from sr_demo.reports.bundle import Comparison
from sr_demo.system.storage import write_atomically
from sr_demo.ui.store import Store

MOST = 6
"""Largest number of stored comparisons of one visitor."""
_SHOWN = "shown.json"
GONE = "These results are no longer kept here. Press Compare to compute them again."


@dataclass(frozen=True)
class StoredComparison:
    """A finished comparison, with the data of its button. The values of the page's components are in its folder."""

    folder: Path
    title: str
    """The photo and the methods, as plain text."""
    thumbnail: str
    """An `img` element."""
    comparison: Comparison
    """The results with all their detail, even if the page shows less of it."""

    @property
    def id(self) -> str:
        """Name of the folder, which is unguessable and unique on this server."""
        return self.folder.name

    def write(self, shown: dict[str, Any]) -> None:
        """Store the values of the page's components: JSON-serialisable values by component. Raises OSError."""
        write_atomically(self.folder / _SHOWN, json.dumps(shown).encode())

    def read(self) -> dict[str, Any]:
        """Return the values that `write` has stored. Raises BadInput if the folder was removed to free space."""
        try:
            return json.loads((self.folder / _SHOWN).read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise BadInput(GONE) from exc


@dataclass
class _History:
    runs: tuple[StoredComparison, ...]
    """The newest run first."""
    shown: StoredComparison


class Histories:
    """The latest runs by browser session, so that visitors cannot access those of others. Thread-safe."""

    def __init__(self) -> None:
        self._histories: dict[str, _History] = {}
        self._begun: dict[str, set[Path]] = {}
        """Folders of comparisons that have not ended with results."""
        self._lock = Lock()

    def begin(self, session: str, folder: Path) -> None:
        """Record the folder of a comparison that runs: if it is never added, `forget` removes it."""
        with self._lock:
            self._begun.setdefault(session, set()).add(folder)

    def add(self, session: str, run: StoredComparison, store: Store) -> None:
        """Add the displayed run; its folder is kept while it is among the newest `MOST` runs of the session."""
        store.keep(run.folder)
        with self._lock:
            runs = (run, *self.runs(session))
            self._histories[session] = _History(runs[:MOST], run)
            self._begun.get(session, set[Path]()).discard(run.folder)
        for old in runs[MOST:]:
            store.release(old.folder)

    def runs(self, session: str) -> tuple[StoredComparison, ...]:
        """Return the runs of a session, the newest first."""
        history = self._histories.get(session)
        return () if history is None else history.runs

    def shown(self, session: str) -> StoredComparison | None:
        """Return the run that the page of this session shows; None if there is none."""
        history = self._histories.get(session)
        return None if history is None else history.shown

    def bring_back(self, session: str, identifier: object) -> dict[str, Any]:
        """Make the run with this id the displayed one of the session, and return its stored values.

        Raises:
            BadInput: There is none, or its folder was removed; the displayed run stays.
        """
        with self._lock:
            history = self._histories.get(session)
            found = [run for run in self.runs(session) if run.id == identifier]
            if history is None or not found:
                raise BadInput(GONE)
            stored = found[0].read()
            history.shown = found[0]
            return stored

    def forget(self, session: str, store: Store) -> None:
        """Remove the runs of a visitor who has left, and their files and those of runs without results."""
        with self._lock:
            history, begun = self._histories.pop(session, None), self._begun.pop(session, set[Path]())
        runs = history.runs if history else ()
        for folder in (*(run.folder for run in runs), *begun):
            store.forget(folder)
