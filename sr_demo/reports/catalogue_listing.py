"""The catalogue as plain data, for `list --json` and the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sr_demo.backends import shipped_int8
from sr_demo.checkpoint import Checkpoint
from sr_demo.hub import checkpoints
from sr_demo.options import Control, controls
from sr_demo.reports import formatting
from sr_demo.spec import Approach
from sr_demo.system import hardware


def describe(approaches: Iterable[Approach]) -> list[dict[str, Any]]:
    """Return one JSON-able record per approach, in catalogue order."""
    return [
        {
            "id": approach.id,
            "title": approach.title,
            "summary": approach.summary,
            "about": approach.about,
            "family": approach.family,
            "scale": approach.scale,
            "may_invent_detail": approach.invents,
            "options": [_option(control) for control in controls(approach.options)],
            "checkpoints": [_checkpoint(approach, checkpoint) for checkpoint in approach.checkpoints],
        }
        for approach in approaches
    ]


def _option(control: Control) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": control.name,
        "label": control.label,
        "help": control.help,
        "default": control.default,
    }
    if control.lines:
        record["longest"] = control.maximum
    elif control.minimum is not None:
        record |= {"minimum": control.minimum, "maximum": control.maximum, "step": control.step}
    if control.choices:
        record["choices"] = list(control.choices)
    return record


def _checkpoint(approach: Approach, checkpoint: Checkpoint) -> dict[str, Any]:
    form = shipped_int8.of(checkpoint)
    return {
        "name": checkpoint.name,
        "title": checkpoint.title,
        "kind": checkpoint.kind,
        "licence": checkpoint.licence,
        "bytes": checkpoint.bytes,
        "sha256": [file.sha256 for file in checkpoint.files],
        "sources": [[str(source) for source in file.sources] for file in checkpoint.files],
        "came_from": list(checkpoints.came_from(checkpoint)),
        "scale": approach.scale_of(checkpoint),
        "default": checkpoint is checkpoints.default(approach),
        "recommended": checkpoint.recommended,
        "parameters": checkpoint.parameters,
        "available_offline": checkpoints.is_available(checkpoint),
        "asks_before_download": checkpoint.asks_first,
        "needs": formatting.needs(checkpoint.needs) if checkpoint.needs else "",
        "cannot_run_here": hardware.obstacle(checkpoint.needs),
        "note": checkpoint.note,
        "int8_loss_db": None if form is None else form.loss_db,
    }
