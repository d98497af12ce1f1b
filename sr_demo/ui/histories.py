"""The last comparisons of each visitor, which can be brought back, for as long as the visitor's page is open."""

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
"""Comparisons of one visitor that are kept."""
_SHOWN = "shown.json"
GONE = "These results are no longer kept here. Press Compare to compute them again."


@dataclass(frozen=True)
class Run:
    """A finished comparison. What the page shows of it lies in its folder; here is what its button shows."""

    folder: Path
    title: str
    """The photo and the methods, as plain text."""
    thumbnail: str
    """An `img` element."""
    comparison: Comparison
    """The results with all of their detail, whatever the page shows of them."""

    @property
    def id(self) -> str:
        """Name of the folder: unguessable, unique on this server."""
        return self.folder.name

    def write(self, shown: dict[str, Any]) -> None:
        """Store what the page shows: JSON-able values by the part of the page. Raises OSError."""
        write_atomically(self.folder / _SHOWN, json.dumps(shown).encode())

    def read(self) -> dict[str, Any]:
        """Return what `write` has stored. Raises BadInput where the folder was removed to make room."""
        try:
            return json.loads((self.folder / _SHOWN).read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise BadInput(GONE) from exc


@dataclass
class _History:
    runs: tuple[Run, ...]
    """The newest first."""
    shown: Run


class Histories:
    """The last runs by browser session, so that no visitor reaches another's. Thread-safe."""

    def __init__(self) -> None:
        self._histories: dict[str, _History] = {}
        self._lock = Lock()

    def add(self, session: str, run: Run, store: Store) -> None:
        """Add the run that is shown now; its folder is kept while it is among the last `MOST`."""
        store.keep(run.folder)
        with self._lock:
            runs = (run, *self.runs(session))
            self._histories[session] = _History(runs[:MOST], run)
        for old in runs[MOST:]:
            store.release(old.folder)

    def runs(self, session: str) -> tuple[Run, ...]:
        """Return the runs of a session, the newest first."""
        history = self._histories.get(session)
        return () if history is None else history.runs

    def shown(self, session: str) -> Run | None:
        """Return the run that the page of this session shows."""
        history = self._histories.get(session)
        return None if history is None else history.shown

    def bring_back(self, session: str, identifier: object) -> Run:
        """Return a run of this session, which is the shown one from now on. Raises BadInput where there is none."""
        with self._lock:
            history = self._histories.get(session)
            found = [run for run in self.runs(session) if run.id == identifier]
            if history is None or not found:
                raise BadInput(GONE)
            history.shown = found[0]
            return found[0]

    def forget(self, session: str, store: Store) -> None:
        """Remove the runs of a visitor who has left, with their files."""
        with self._lock:
            history = self._histories.pop(session, None)
        for run in history.runs if history else ():
            store.forget(run.folder)
