"""The table of a comparison: scores and cost of each method, with an explanation of each column.

The four most important columns are shown at first; a checkbox above the table shows the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sr_demo.inference.jobs import Result
from sr_demo.metrics.perceptual import is_available
from sr_demo.metrics.scores import COLUMNS, Column
from sr_demo.options import as_dict
from sr_demo.reports import formatting
from sr_demo.reports.edge_device import RULE, edge_text, edge_verdict, runs_on_cpu
from sr_demo.reports.html import render
from sr_demo.system.file_sizes import file_size


@dataclass(frozen=True)
class Field:
    """One column of the table."""

    key: str
    title: str
    help: str
    text: Callable[[Result], str]
    number: Callable[[Result], float | None] | None = None
    """The value for sorting and for the best result; None for text columns."""
    best: Callable[[Sequence[float]], float] | None = None
    """`min` or `max`; None if neither the smallest nor the largest value means the best result."""


def _score(column: Column) -> Field:
    def number(result: Result) -> float | None:
        return getattr(result.scores, column.key)

    def text(result: Result) -> str:
        absent = column.needs and number(result) is None and result.scores.psnr_y is not None
        return "not here" if absent and not is_available(column.key) else formatting.measure(column, number(result))

    return Field(
        column.key,
        column.title,
        column.help,
        text,
        number,
        (max if column.higher_is_better else min) if column.ranks else None,
    )


def _known_of_ours(field: Field) -> Field:
    """Return `field` with a dash for results of other tools, whose costs are unknown."""
    plain, measured = field.text, field.number

    def text(result: Result) -> str:
        return "–" if result.is_brought else plain(result)

    def number(result: Result) -> float | None:
        return None if result.is_brought or measured is None else measured(result)

    return replace(field, text=text, number=measured and number)


_COSTS: tuple[Field, ...] = tuple(map(_known_of_ours, (
    Field(
        "seconds", "Seconds", "Time to enlarge this picture, without loading the method.",
        lambda r: formatting.seconds(r.seconds), lambda r: r.seconds, min,
    ),
    Field(
        "invents", "Invents detail", "Whether it may draw detail that was never there: do not measure, count or read in it.",
        lambda r: "may" if r.job.approach.invents_with(r.job.checkpoint) else "no",
    ),
    Field(
        "peak_memory", "Peak memory", "Largest growth of this program's memory while the method ran.",
        lambda r: formatting.memory(r.peak_memory_mb), lambda r: r.peak_memory_mb, min,
    ),
    Field(
        "parameters", "Parameters", "Trained numbers of the network: more of them can store more and cost more.",
        lambda r: formatting.parameters(r.job.checkpoint.parameters), lambda r: float(r.job.checkpoint.parameters),
    ),
    Field(
        "bytes", "File size", "Size of the weight files.",
        lambda r: file_size(r.job.checkpoint.bytes), lambda r: float(r.job.checkpoint.bytes),
    ),
    Field(
        "runs_on_cpu", "Runs on CPU", "Whether it runs without a GPU.", lambda r: "yes" if runs_on_cpu(r) else "no",
    ),
    Field("edge", "Edge device", RULE, edge_text),
    Field(
        "licence", "Licence", "What the weights may be used for.", lambda r: r.job.checkpoint.licence,
    ),
)))  # fmt: skip
_HOW = Field(
    "how", "How it was run",
    "Backend, precision, tiles and how the size was reached: all of them change the numbers. Beside int8 stands its loss "
    "of PSNR-Y, measured on Set5 and Set14 for networks that come in int8, on bundled photos otherwise. A result that "
    "another tool made is moved back where it lies a few pixels beside the photo.",
    formatting.how,
)  # fmt: skip
_UNKNOWN = (
    "seconds", "load_seconds", "peak_memory_mb", "parameters", "bytes", "licence", "runs_on_cpu", "edge", "precision", "tile",
    "tiles", "halo", "may_invent_detail",
)  # fmt: skip
"""Keys of a record that are null for results of other tools."""


_FIRST_WITH_REFERENCE = ("psnr_y", "ssim_y", "seconds", "invents")
_FIRST = ("lr_consistency", "seconds", "invents", "licence")


def fields(results: Sequence[Result]) -> tuple[tuple[Field, ...], tuple[Field, ...]]:
    """Return the columns that have values: those shown at first, and the others.

    Without a reference there is no PSNR and no SSIM, and other columns are shown first.
    """
    scored = any(r.scores.psnr_y is not None for r in results)
    scores = (
        _score(c) for c in COLUMNS if (c.needs and scored) or any(getattr(r.scores, c.key) is not None for r in results)
    )
    by_key = {column.key: column for column in (*scores, *_COSTS, _HOW)}
    wanted = _FIRST_WITH_REFERENCE if "psnr_y" in by_key else _FIRST
    first = tuple(by_key.pop(key) for key in wanted if key in by_key)
    return first, tuple(by_key.values())


def html_table(results: Sequence[Result]) -> str:
    """Return the results as an HTML table with a star at the best values; "" without results.

    The page's script (`ui/compare/table.js`) sorts it with the buttons in its header.
    """
    if not results:
        return ""
    first, further = fields(results)
    columns = (*first, *further)
    best = {column.key: _best(column, results) for column in columns}
    rows = [
        (formatting.title(result), [_cell(result, column, best[column.key]) for column in columns])
        for result in results
    ]
    return render("results_table.html", columns=columns, shown=len(first), rows=rows)


class _Cell(NamedTuple):
    """One cell of the table."""

    text: str
    sort: str
    """Number by which the column is sorted; "" to sort by the text."""
    best: bool


def _cell(result: Result, column: Field, best: float | None) -> _Cell:
    number = column.number(result) if column.number else None
    sort = "" if number is None else repr(float(number))
    return _Cell(column.text(result), sort, number is not None and number == best)


def _best(column: Field, results: Sequence[Result]) -> float | None:
    """Return the best value of a column; None with fewer than two results, or if all are equal."""
    if column.best is None or column.number is None or len(results) < 2:
        return None
    values = [number for number in map(column.number, results) if number is not None]
    return column.best(values) if len(set(values)) > 1 else None


def record(result: Result) -> dict[str, Any]:
    """Return one result as JSON-able data, with everything that affects its numbers."""
    checkpoint = result.job.checkpoint
    height, width = result.size
    scores = {c.key: _json_number(getattr(result.scores, c.key)) for c in COLUMNS}
    shift = result.shift
    facts = {
        "approach": result.job.approach.id,
        "checkpoint": checkpoint.name,
        "title": result.job.title,
        "width": width,
        "height": height,
        "sizing": result.sizing,
        **scores,
        "seconds": round(result.seconds, 4),
        "load_seconds": round(result.load_seconds, 4),
        "peak_memory_mb": round(result.peak_memory_mb, 1),
        "parameters": checkpoint.parameters,
        "bytes": checkpoint.bytes,
        "sha256": [file.sha256 for file in checkpoint.files],
        "licence": checkpoint.licence,
        "runs_on_cpu": runs_on_cpu(result),
        "edge": edge_verdict(result).sentence,
        "precision": result.precision,
        "precision_loss_db": _json_number(result.loss_db),
        "engine": result.backend,  # words: ok
        "tile": result.tile,
        "tiles": result.tiles,
        "halo": result.halo,
        "options": as_dict(result.job.options),
        "may_invent_detail": result.job.approach.invents_with(checkpoint),
        "notes": list(result.all_notes),
        "values": None if result.values is None else result.values.as_dict(),
        "kept_faces": result.kept_faces,
        "masked": result.masked,
        "shift": None if shift is None else shift._asdict(),
    }
    return {**facts, **dict.fromkeys(_UNKNOWN)} if result.is_brought else facts


def _json_number(value: float | None) -> float | str | None:
    """Return a number rounded to 4 digits, or "identical" for infinity, which JSON cannot represent."""
    if value is None:
        return None
    return "identical" if value == float("inf") else round(value, 4)
