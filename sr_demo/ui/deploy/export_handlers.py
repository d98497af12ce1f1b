"""Event handlers of the export: writing a network, verifying it in its runtime, and zipping it with runner and README."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isinf
from pathlib import Path

import gradio as gr

from sr_demo.deploy.report import embedded_jobs
from sr_demo.errors import Cancelled, SRError, log_unexpected
from sr_demo.export.exporter import SUFFIXES, Exported, ExportPrecision, Format, export, formats
from sr_demo.inference.jobs import Job
from sr_demo.progress import Progress
from sr_demo.spec import Approach
from sr_demo.system.file_sizes import file_size
from sr_demo.ui.html import progress_line
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.sessions import session_of
from sr_demo.ui.updates import Updates

_SECONDS = 15.0
"""Expected duration of writing and verifying."""


@dataclass(frozen=True)
class ExportComponents:
    """The components that the handlers write."""

    which: gr.Dropdown
    line: gr.HTML
    packed: gr.File


def exportable(approaches: Sequence[Approach]) -> dict[str, Job]:
    """Return the networks that can be exported without a download, by key."""
    return {job.key: job for job in embedded_jobs(approaches) if formats(job.approach, job.checkpoint)}


class ExportHandlers:
    """Handlers of the export's events. They hold no state of their own."""

    def __init__(self, context: PageContext, parts: ExportComponents) -> None:
        self._context, self._parts = context, parts

    @property
    def which(self) -> gr.Dropdown:
        """The list of networks."""
        return self._parts.which

    def _jobs(self, request: gr.Request | None) -> dict[str, Job]:
        return exportable([*self._context.approaches, *self._context.models.of(session_of(request))])

    def refresh(self, key: str | None, request: gr.Request) -> Updates:
        """Update the list of networks, which includes the visitor's own models."""
        jobs = self._jobs(request)
        value = key if key in jobs else next(iter(jobs), None)
        return {self._parts.which: gr.Dropdown(choices=[(job.title, name) for name, job in jobs.items()], value=value)}

    def make(
        self, key: str | None, kind: Format, precision: ExportPrecision, request: gr.Request | None = None
    ) -> Iterator[Updates]:
        """Export a network; yield a status line first, then the zip or the error.

        Args:
            key: Key of the network.
            kind: File format.
            precision: Number format of the weights.
            request: Identifies the visitor, whose own models can be exported too.
        """
        yield {
            self._parts.line: progress_line("Writing the file, and comparing its results with the network's."),
            self._parts.packed: None,
        }
        try:
            with self._context.callers.turn(_SECONDS) as progress:
                done, target = self._packed(self._jobs(request).get(key or ""), kind, precision, progress)
            yield {self._parts.line: progress_line(_sentence(done)), self._parts.packed: str(target)}
        except Cancelled:
            yield {self._parts.line: progress_line("Stopped."), self._parts.packed: None}
        except SRError as exc:
            yield {self._parts.line: progress_line(str(exc)), self._parts.packed: None}
        except Exception as exc:
            yield {self._parts.line: progress_line(log_unexpected(exc, f"exporting {key}")), self._parts.packed: None}

    def _packed(
        self, job: Job | None, kind: Format, precision: ExportPrecision, progress: Progress
    ) -> tuple[Exported, Path]:
        if job is None:
            raise SRError("Choose a network to export.")
        with self._context.store.lent() as folder:
            name = f"{job.key.replace(':', '-')}-{precision}"
            done = export(job, kind, folder / f"{name}{SUFFIXES[kind]}", precision, progress)
            target = folder / f"{name}-{kind}.zip"
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
                for path in (done.path, *done.beside):
                    progress.check()
                    packed.write(path, path.name)
        return done, target


def _sentence(done: Exported) -> str:
    found = done.agreement
    agrees = "identical" if isinf(found.psnr) else f"{found.psnr:.1f} dB"
    lost = "" if done.loss is None else f" int8 costs {done.loss.decibels:.3f} dB of PSNR-Y on {done.loss.where}."
    return f"Verified on odd sizes: agrees with the network to {agrees}. {file_size(done.bytes)}.{lost}"
