"""The deployability report as data: each approach measured in its own process and judged by a budget."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sr_demo import __version__
from sr_demo.checkpoint import Checkpoint, card
from sr_demo.deploy.measurement import Facts, Plan, measure_in_subprocess
from sr_demo.deploy.quality import describe_resolution, star
from sr_demo.errors import BadInput, SRError, TookTooLong, quoted
from sr_demo.export.exporter import formats
from sr_demo.image import Size
from sr_demo.imaging.resize import downscale, resize
from sr_demo.imaging.resolution_chart import resolution_chart
from sr_demo.inference import memory_need
from sr_demo.inference.jobs import Job
from sr_demo.inference.weights import WeightResolver
from sr_demo.metrics.scores import LR_CONSISTENCY, PSNR_Y, SSIM_Y
from sr_demo.options import Options, as_dict
from sr_demo.progress import SILENT, Progress
from sr_demo.reports.bundle import machine
from sr_demo.reports.verdicts import RATES, RULE, Budget, commercial_use, verdict
from sr_demo.spec import Approach

SCHEMA = Path(__file__).with_name("report.schema.json")
"""JSON Schema of the report."""
SCALE = 4
"""Scale of most methods. Scores at other scales are based on other LR images and are not comparable."""
_LARGEST_SIDE = 4096
_LARGEST_BUDGET_SIDE = 8192
"""Largest side that a budget takes."""
_NOT_STATED, _OF_USER = "not stated here: see the paper", "not known here: a file of yours"


def without_images(value: Any) -> Any:
    """Return a report, or a part of one, without its images: they take up 90 % of its text."""
    if isinstance(value, dict):
        return {key: without_images(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_images(item) for item in value]
    return "an image, left out here" if isinstance(value, str) and value.startswith("data:image/") else value


def deploy(jobs: Sequence[Job], plan: Plan, budget: Budget, progress: Progress = SILENT) -> Facts:
    """Measure every job and judge it by a budget.

    Args:
        jobs: The jobs to measure.
        plan: Extent of the measurements.
        budget: The budget.
        progress: Receives the progress, and may stop.

    Returns:
        JSON-able data that is valid by SCHEMA. A method that fails, or for which no time is left, has a row with
        its error message.

    Raises:
        Cancelled: Stop was pressed.
    """
    rows: list[Facts] = []
    for number, job in enumerate(jobs):
        part = progress.part(number / len(jobs), (number + 1) / len(jobs))
        row = describe(job)
        try:
            part(0.0, job.title)
            WeightResolver().resolve(
                job, part.part(0, 0.05)
            )  # downloads count neither as loading time nor for the limit
            row["measured"] = measure_in_subprocess(job, plan, part.part(0.05, 1))
        except SRError as exc:
            row["failed"] = str(exc)
        rows.append(row)
    with suppress(TookTooLong):  # the rows say it
        progress(1.0)
    return judged(
        {
            "program": f"sr_demo {__version__}",
            "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": machine(),
            "conventions": {column.key: column.help for column in (PSNR_Y, SSIM_Y, LR_CONSISTENCY)},
            "estimates": {"rule": RULE, "rates": RATES},
            "chart": _references() if plan.quality else None,
            "pictures": plan.pairs_name,
            "approaches": rows,
        },
        budget,
    )


def judged(report: Facts, budget: Budget) -> Facts:
    """Return the same measurements judged by another budget."""
    rows: list[Facts] = []
    for row in report["approaches"]:
        found = verdict(row, budget)
        reasons = [vars(reason) for reason in found.reasons]
        rows.append(row | {"verdict": {"level": found.level, "sentence": found.sentence, "reasons": reasons}})
    return report | {"budget": as_dict(budget), "approaches": rows}


def describe(job: Job) -> Facts:
    """Return the row of a job before it is measured."""
    approach, checkpoint = job.approach, job.checkpoint
    other = "" if job.default_scale == SCALE else f", {job.default_scale}x"
    return {
        "key": job.key,
        "approach": approach.id,
        "checkpoint": checkpoint.name,
        "title": f"{job.title}{other}",
        "family": approach.family,
        "scale": job.default_scale,
        "parameters": checkpoint.parameters,
        "files": {
            "kind": checkpoint.kind,
            "bytes": checkpoint.bytes,
            "sha256": [file.sha256 for file in checkpoint.files],
        },
        "licence": {
            "code": "Apache-2.0",
            "weights": checkpoint.licence,
            "commercial": commercial_use(checkpoint.licence),
        },
        "training_data": _training_data(checkpoint),
        "may_invent_detail": approach.invents_with(checkpoint),
        "largest_side": memory_need.largest_side(job, _LARGEST_BUDGET_SIDE),
        "formats": list(formats(approach, checkpoint)),
        "measured": None,
        "failed": None,
    }


def _training_data(checkpoint: Checkpoint) -> str:
    if checkpoint.kind == "none":
        return "none"
    if checkpoint.is_file_of_user:
        return _OF_USER
    if checkpoint.kind in ("hub", "own"):
        return _NOT_STATED
    data: Any = card(Path(checkpoint.files[0].name).stem).get("data")
    if not isinstance(data, dict):
        return _NOT_STATED
    licence = data.get("licence")
    photos = f"{data['count']} photos" + (f": {licence}" if licence else "")
    return f"{photos}; teacher {data['teacher']} ({data['teacher_licence']})" if data.get("teacher") else photos


def _references() -> Facts:
    """Return the resolution of the chart itself and of its bicubic upscaling, the bounds that methods lie between."""
    reference = resolution_chart(1024)
    bicubic = resize(downscale(reference, 4), (1024, 1024))
    return {
        "rows": 1024,
        "truth": describe_resolution(reference),
        "bicubic": describe_resolution(bicubic),
        "truth_star": star(reference),
        "bicubic_star": star(bicubic),
    }


def embedded_jobs(approaches: Sequence[Approach]) -> list[Job]:
    """Return the jobs without a download: embedded checkpoints, users' files, the first of each approach without files."""
    return [
        Job(approach, checkpoint, approach.options())
        for approach in approaches
        for number, checkpoint in enumerate(approach.checkpoints)
        if checkpoint.kind == "embedded" or checkpoint.is_file_of_user or (checkpoint.kind == "none" and number == 0)
    ]


def sizes(texts: Sequence[str]) -> tuple[Size, ...]:
    """Parse sizes such as "256x192" (width x height). Raises BadInput, naming the text that is not a size."""
    found: list[Size] = []
    for text in texts:
        width, _, height = text.lower().partition("x")
        if not (width.isdecimal() and height.isdecimal() and len(text) < 12):
            raise BadInput(f"--size takes WIDTHxHEIGHT in pixels, such as 256x256, not {quoted(text)}.")
        size = Size(int(height), int(width))
        if not 16 <= min(size) <= max(size) <= _LARGEST_SIDE:
            raise BadInput(f"--size takes sides from 16 to {_LARGEST_SIDE} pixels, not {text}.")
        found.append(size)
    return tuple(found)


def budget_from(values: dict[str, object]) -> Budget:
    """Return a budget from names and values of its options. Raises BadInput."""
    from sr_demo.options import build

    built: Options = build(Budget, values)
    assert isinstance(built, Budget)
    return built
