"""The table of a comparison: what each method scored and cost, each column explained in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from sr_demo.inference.jobs import Result
from sr_demo.metrics.full_reference import COLUMNS, Column
from sr_demo.options import as_dict
from sr_demo.reports import formatting
from sr_demo.reports.edge import RULE, edge, edge_text, runs_on_cpu


@dataclass(frozen=True)
class Field:
    """One column of the table."""

    key: str
    title: str
    help: str
    text: Callable[[Result], str]
    number: Callable[[Result], float | None] | None = None
    """For sorting and for marking the best; None where "best" makes no sense and text is sorted."""
    best: Callable[[Sequence[float]], float] | None = None


def _score(column: Column) -> Field:
    def number(result: Result) -> float | None:
        return getattr(result.scores, column.key)

    return Field(
        column.key,
        column.title,
        column.help,
        lambda result: formatting.measure(column, number(result)),
        number,
        max if column.higher_is_better else min,
    )


_COSTS: tuple[Field, ...] = (
    Field(
        "seconds", "Seconds", "Time to enlarge this picture on this machine, loading not counted.",
        lambda r: formatting.seconds(r.seconds), lambda r: r.seconds, min,
    ),
    Field(
        "peak_memory", "Peak memory", "How much the memory of this program grew while it worked, at most.",
        lambda r: formatting.memory(r.peak_memory_mb), lambda r: r.peak_memory_mb, min,
    ),
    Field(
        "parameters", "Parameters", "Numbers the network learned: more can know more, and costs more.",
        lambda r: formatting.parameters(r.job.checkpoint.parameters), lambda r: float(r.job.checkpoint.parameters),
    ),
    Field(
        "bytes", "File size", "Size of the weight files.",
        lambda r: formatting.megabytes(r.job.checkpoint.bytes), lambda r: float(r.job.checkpoint.bytes),
    ),
    Field(
        "runs_on_cpu", "Runs on CPU", "Whether it runs without a GPU.", lambda r: "yes" if runs_on_cpu(r) else "no",
    ),
    Field("edge", "Edge device", RULE, edge_text),
    Field(
        "licence", "Licence", "What the weights may be used for.", lambda r: r.job.checkpoint.licence,
    ),
    Field(
        "how", "How it was run",
        "Precision, and whether the picture was cut into tiles: both change the numbers a little. Beside int8 stands what it "
        "costs in PSNR-Y, measured on bundled photos when it was made.",
        formatting.how,
    ),
)  # fmt: skip


def fields(results: Sequence[Result]) -> tuple[Field, ...]:
    """The columns that have something to show: without a truth there is no PSNR and no SSIM."""
    scores = tuple(_score(c) for c in COLUMNS if any(getattr(r.scores, c.key) is not None for r in results))
    return scores + _COSTS


def html_table(results: Sequence[Result]) -> str:
    """An HTML table; sortable by its header buttons where the page's script is present. Best values carry a star."""
    if not results:
        return ""
    shown = fields(results)
    best = {f.key: _best(f, results) for f in shown}
    head = "".join(
        f'<th scope="col" aria-sort="none"><button type="button" title="{escape(f.help)}">{escape(f.title)}</button></th>'
        for f in shown
    )
    body = "".join(_row(result, shown, best) for result in results)
    notes = "".join(f"<dt>{escape(f.title)}</dt><dd>{escape(f.help)}</dd>" for f in shown)
    return (
        '<div class="sr-table-scroll" tabindex="0" role="region" aria-label="Results in numbers"><table class="sr-table">'
        f'<thead><tr><th scope="col" aria-sort="none"><button type="button">Method</button></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        '<p class="sr-fine">★ marks the best value of a column. A heading sorts by its column.</p>'
        f'<details class="sr-explain"><summary>What do these numbers mean?</summary><dl>{notes}</dl>'
        "<p>More pixels is not more resolving power: a method can only show what the small picture still holds, "
        "or what it remembers from other pictures.</p></details>"
    )


def _row(result: Result, shown: Sequence[Field], best: dict[str, float | None]) -> str:
    cells = [f'<th scope="row">{escape(result.job.title)}</th>']
    for f in shown:
        value = f.number(result) if f.number else None
        star = value is not None and value == best[f.key]
        mark = '<span class="sr-best" title="best">★</span> ' if star else ""
        sort = "" if value is None else f' data-sort="{float(value)!r}"'
        cells.append(f"<td{sort}>{mark}{escape(f.text(result))}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _best(f: Field, results: Sequence[Result]) -> float | None:
    """The best value, where there is a choice."""
    if f.best is None or f.number is None or len(results) < 2:
        return None
    values = [v for v in map(f.number, results) if v is not None]
    return f.best(values) if values else None


def record(result: Result) -> dict[str, Any]:
    """One result as JSON-able data, with all that changes its numbers."""
    checkpoint = result.job.checkpoint
    height, width = result.picture.rgb.shape[:2]
    scores = {c.key: _json_number(getattr(result.scores, c.key)) for c in COLUMNS}
    return {
        "approach": result.job.approach.id,
        "checkpoint": checkpoint.name,
        "title": result.job.title,
        "width": width,
        "height": height,
        **scores,
        "seconds": round(result.seconds, 4),
        "load_seconds": round(result.load_seconds, 4),
        "peak_memory_mb": round(result.peak_memory_mb, 1),
        "parameters": checkpoint.parameters,
        "bytes": checkpoint.bytes,
        "sha256": [file.sha256 for file in checkpoint.files],
        "licence": checkpoint.licence,
        "runs_on_cpu": runs_on_cpu(result),
        "edge": edge(result).sentence,
        "precision": result.precision,
        "precision_loss_db": _json_number(result.loss_db),
        "engine": result.backend,
        "tile": result.tile,
        "tiles": result.tiles,
        "halo": result.halo,
        "options": as_dict(result.job.options),
        "may_invent_detail": result.job.approach.invents_with(checkpoint),
    }


def _json_number(value: float | None) -> float | str | None:
    """JSON has no infinity: identical pictures are said to be so."""
    if value is None:
        return None
    return "identical" if value == float("inf") else round(value, 4)
