"""Taking a network along: made, verified in its own runtime, and handed out as one zip with runner and README."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from html import escape
from math import isinf
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from sr_demo.deploy.report import embedded_jobs
from sr_demo.errors import Cancelled, SRError, unexpected
from sr_demo.export.exporter import SUFFIXES, Exported, Kind, Number, export, formats
from sr_demo.ui.callers import HEAVY
from sr_demo.ui.method_choices import Context

Shown = tuple[str, Any]
"""A line on what happens, the zip."""
_SECONDS = 15.0
"""About what writing and verifying takes."""


class ExportHandlers:
    """The events of the export."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._jobs = {
            job.key: job for job in embedded_jobs(context.approaches) if formats(job.approach, job.checkpoint)
        }

    def choices(self) -> list[tuple[str, str]]:
        """Title and name of every network that can be taken along without a download."""
        return [(job.title, job.key) for job in self._jobs.values()]

    def make(self, key: str | None, kind: Kind, precision: Number) -> Iterator[Shown]:
        """Write, verify, pack; yields a line first, then the zip, or why there is none."""
        yield _line("Writing the file, and comparing it with the network in its own runtime."), None
        try:
            with self._context.callers.turn(_SECONDS):
                done, target = self._packed(key, kind, precision)
            yield _line(_sentence(done)), str(target)
        except Cancelled:
            yield _line("Stopped."), None
        except SRError as exc:
            yield _line(str(exc)), None
        except Exception as exc:
            yield _line(unexpected(exc, f"exporting {key}")), None

    def _packed(self, key: str | None, kind: Kind, precision: Number) -> tuple[Exported, Path]:
        if key not in self._jobs:
            raise SRError("Choose a network to take along.")
        job = self._jobs[key]
        with self._context.store.lent() as folder:
            name = f"{job.key.replace(':', '-')}-{precision}"
            done = export(job, kind, folder / f"{name}{SUFFIXES[kind]}", precision)
            target = folder / f"{name}-{kind}.zip"
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
                for path in (done.path, *done.beside):
                    packed.write(path, path.name)
        return done, target


def build(context: Context) -> None:
    """Lay out the export and connect its event, in the current Gradio context."""
    handlers = ExportHandlers(context)
    choices = handlers.choices()
    if not choices:
        return
    with gr.Accordion("Take a network along", open=False, elem_id="lab-export"):
        with gr.Row():
            which = gr.Dropdown(choices, value=choices[0][1], label="Network", elem_id="lab-export-network")
            kind = gr.Dropdown(list(get_args(Kind)), value="onnx", label="Format")
            precision = gr.Dropdown(list(get_args(Number)), value="fp32", label="Precision")
        make = gr.Button("Make and verify", elem_id="lab-export-make")
        line = gr.HTML(elem_id="lab-export-line")
        packed = gr.File(label="Network, README and runner", interactive=False)
    make.click(
        handlers.make,
        [which, kind, precision],
        [line, packed],
        api_visibility="private",
        show_progress="hidden",
        **HEAVY,
    )


def _sentence(done: Exported) -> str:
    found = done.agreement
    agrees = "identical" if isinf(found.psnr) else f"{found.psnr:.1f} dB"
    lost = "" if done.loss is None else f" int8 costs {done.loss.decibels:.3f} dB of PSNR-Y on {done.loss.where}."
    return f"Verified on odd sizes: agrees with the network to {agrees}. {done.bytes / 1e6:.1f} MB.{lost}"


def _line(text: str) -> str:
    return f'<p aria-live="polite">{escape(text)}</p>'
