"""The model files that visitors opened: each sees only their own, and they are deleted after the visit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import gradio as gr

from sr_demo.backends import selection
from sr_demo.errors import BadInput, StorageError
from sr_demo.inference.jobs import Job
from sr_demo.own.model_file import MAX_BYTES
from sr_demo.own.opening import ID, numbered, open_apart
from sr_demo.progress import Progress
from sr_demo.spec import Approach
from sr_demo.ui.door import uploaded
from sr_demo.ui.store import Store

_MOST = 5
"""Models that one visitor may have open."""


class _Opened(NamedTuple):
    approach: Approach
    folder: Path | None
    """Deleted after the visit; None where the file stays."""


class VisitorModels:
    """Approaches of visitors' files, by browser session. Thread-safe."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        """Largest model file that is accepted."""
        self._opened: dict[str, list[_Opened]] = {}
        self._lock = Lock()

    def of(self, session: str) -> list[Approach]:
        """Return the models of one visitor, whose files are still there."""
        with self._lock:
            return [one.approach for one in self._opened.get(session, []) if _file(one.approach).is_file()]

    def jobs(self, session: str) -> list[Job]:
        """Return a job with default options for each of them."""
        return [Job(approach, approach.checkpoints[0], approach.options()) for approach in self.of(session)]

    def open(
        self, session: str, upload: Path, licence: str, *, store: Store, others: Sequence[Approach], progress: Progress
    ) -> Job:
        """Open an uploaded file for one visitor.

        Args:
            session: of the visitor.
            upload: is moved into a folder of its own.
            licence: as the visitor states it.
            store: provides the folder.
            others: approaches on offer, whose names are taken.
            progress: may stop.

        Raises:
            SRError: the file cannot be used; it is deleted then.
            Cancelled: Stop was pressed.
        """
        self.refuse_more(session)
        folder = store.new()
        path = folder / upload.name
        try:
            os.replace(upload, path)
        except OSError as exc:
            shutil.rmtree(folder, ignore_errors=True)
            raise StorageError("The model file could not be stored here. Upload it again.") from exc

        def opened() -> Approach:
            return open_apart(path, progress, licence=licence, max_bytes=self.max_bytes)

        return self.adopt(session, opened, folder, [other for other in others if other.id == ID])

    def refuse_more(self, session: str) -> None:
        """Raise BadInput where a visitor has as many models open as they may."""
        if len(self.of(session)) >= _MOST:
            raise BadInput(f"You have {_MOST} models open already. Remove them first.")

    def adopt(
        self, session: str, opened: Callable[[], Approach], folder: Path | None, taken: Sequence[Approach] = ()
    ) -> Job:
        """Add a model to those of one visitor.

        Args:
            session: of the visitor.
            opened: opens it; may raise.
            folder: is deleted where that fails, and after the visit; None where the file stays.
            taken: approaches whose names it must not have.

        Raises:
            Exception: what `opened` raises.
        """
        try:
            approach = opened()
        except BaseException:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            mine = self._opened.setdefault(session, [])
            named = numbered([*taken, *(one.approach for one in mine), approach])[-1]
            mine.append(_Opened(named, folder))
        return Job(named, named.checkpoints[0], named.options())

    def forget(self, session: str) -> None:
        """Delete the models of a visitor, and what was converted of them; files that stay are only taken off the list."""
        with self._lock:
            gone = self._opened.pop(session, [])
        for approach, folder in gone:
            if folder is None:
                continue
            # The file first: a conversion that runs now keeps nothing without it.
            shutil.rmtree(folder, ignore_errors=True)
            job = Job(approach, approach.checkpoints[0], approach.options())
            converted = selection.converted_files(job.identity)
            if converted is not None:
                shutil.rmtree(converted.folder, ignore_errors=True)


def _file(approach: Approach) -> Path:
    path = approach.checkpoints[0].files[0].path
    assert path is not None
    return path


def model_input(**arguments: Any) -> gr.File:
    """Return a `gr.File` whose value is the path of the untouched upload, or None; `arguments` are Gradio's."""
    component = gr.File(file_count="single", **arguments)
    component.preprocess = _path_of
    return component


def _path_of(payload: Any) -> str | None:
    return None if payload is None or payload.path is None else str(uploaded(payload.path))
