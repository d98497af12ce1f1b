"""The model files that visitors have opened. Visitors have access only to their own, which are deleted after the visit."""

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
from sr_demo.progress import Progress
from sr_demo.spec import Approach
from sr_demo.ui.request_validation import upload_path
from sr_demo.ui.store import Store
from sr_demo.user_models.model_file import MAX_BYTES
from sr_demo.user_models.opening import ID, open_model_in_subprocess, with_unique_names

_MOST = 5
"""Largest number of models that one visitor may have open."""


class _Opened(NamedTuple):
    approach: Approach
    folder: Path | None
    """Folder to delete after the visit; None if the file is kept."""


class VisitorModels:
    """Approaches of visitors' files, by browser session. Thread-safe."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        """Largest model file that is accepted, in bytes."""
        self._opened: dict[str, list[_Opened]] = {}
        self._lock = Lock()

    def of(self, session: str) -> list[Approach]:
        """Return the models of one visitor whose files still exist."""
        with self._lock:
            return [one.approach for one in self._opened.get(session, []) if _file(one.approach).is_file()]

    def jobs(self, session: str) -> list[Job]:
        """Return a job with default options for each of a visitor's models."""
        return [Job(approach, approach.checkpoints[0], approach.options()) for approach in self.of(session)]

    def open(
        self, session: str, upload: Path, licence: str, *, store: Store, others: Sequence[Approach], progress: Progress
    ) -> Job:
        """Open an uploaded file for one visitor.

        Args:
            session: Session of the visitor.
            upload: The uploaded file, which is moved into a folder of its own.
            licence: Licence as stated by the visitor.
            store: Provides the folder.
            others: Other approaches, whose names are already taken.
            progress: Receives 0..1; may stop the work.

        Raises:
            SRError: The file cannot be used; it is deleted in this case.
            Cancelled: The visitor has pressed Stop.
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
            return open_model_in_subprocess(path, progress, licence=licence, max_bytes=self.max_bytes)

        return self.adopt(session, opened, folder, [other for other in others if other.id == ID])

    def refuse_more(self, session: str) -> None:
        """Raise BadInput if the visitor may not open another model."""
        if len(self.of(session)) >= _MOST:
            raise BadInput(f"You have {_MOST} models open already. Remove them first.")

    def adopt(
        self, session: str, opened: Callable[[], Approach], folder: Path | None, taken: Sequence[Approach] = ()
    ) -> Job:
        """Add a model to those of one visitor.

        Args:
            session: Session of the visitor.
            opened: Opens the model; may raise.
            folder: Folder to delete if opening fails, and after the visit; None if the file is kept.
            taken: Approaches whose names are already taken.

        Raises:
            Exception: The exception that `opened` raises.
        """
        try:
            approach = opened()
        except BaseException:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            mine = self._opened.setdefault(session, [])
            named = with_unique_names([*taken, *(one.approach for one in mine), approach])[-1]
            mine.append(_Opened(named, folder))
        return Job(named, named.checkpoints[0], named.options())

    def forget(self, session: str) -> None:
        """Delete a visitor's models and their converted forms; models that are kept are only removed from the list."""
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
    return None if payload is None or payload.path is None else str(upload_path(payload.path))
