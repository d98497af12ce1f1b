"""The deployability verdict for a small edge device (two cores, 8 GB), from a single result."""

from __future__ import annotations

from typing import Any

from sr_demo.inference.jobs import Result
from sr_demo.reports import formatting
from sr_demo.reports.verdicts import RATES, Budget, Reason, Verdict, commercial_use, seconds_for, verdict

DEVICE = next(iter(RATES))
"""The smallest hardware that the Deploy tab judges for."""
BUDGET = Budget(hardware=DEVICE, offline=False)
"""The Deploy tab's default budget for this device, except that one-time downloads are allowed."""
RULE = (
    f"Yes where {BUDGET.side} x {BUDGET.side} pixels take at most {BUDGET.seconds:g} s on {DEVICE} (estimated), "
    f"{BUDGET.memory_mb / 1000:g} GB of memory and {BUDGET.disk_mb} MB of files, without a GPU."
)
"""The rule as a sentence for the page."""


def edge_verdict(result: Result) -> Verdict:
    """Judge the seconds, the growth of memory and the file sizes of `result` by RULE."""
    checkpoint = result.job.checkpoint
    if not runs_on_cpu(result):
        assert checkpoint.needs is not None
        needed = checkpoint.needs.vram_bytes / 1e9
        return Verdict("does not fit", (Reason(f"it needs a GPU with {needed:.0f} GB", "no", needed),))
    return verdict(_row(result), BUDGET)


def runs_on_cpu(result: Result) -> bool:
    """Return whether the method runs without a GPU, which is the case unless its checkpoint requires one."""
    needs = result.job.checkpoint.needs
    return needs is None or needs.vram_bytes == 0


def edge_text(result: Result) -> str:
    """Return the text of a table cell: yes, partly or no, with the deciding figure or the expected time."""
    judged = edge_verdict(result)
    if not runs_on_cpu(result):
        return "no, needs a GPU"
    expected, _ = seconds_for(_row(result), BUDGET.side, DEVICE)
    duration = f", about {formatting.seconds(expected)}"
    against = [reason for reason in judged.reasons if reason.holds == "no"]
    if against:
        too_slow = against[0].figure == expected
        return "no" + (duration if too_slow else f": {against[0].text.partition(', and')[0]}")
    return ("yes" if judged.level == "fits" else "smaller pictures only") + duration


def _row(result: Result) -> dict[str, Any]:
    """Return the part of a row of the deployability report that `verdicts` reads, for one run."""
    approach, checkpoint = result.job.approach, result.job.checkpoint
    height, width = result.input_size or (side / result.job.scale for side in result.size)
    run = {
        "width": max(round(width), 1),
        "height": max(round(height), 1),
        "median_seconds": result.seconds,
        "peak_growth_mb": result.peak_memory_mb,
    }
    return {
        "family": approach.family,
        "measured": {
            "latency": [run],
            "multiply_adds_per_pixel": {"value": checkpoint.flops_per_pixel / 2, "how": "stated"},
            "peak_mb": result.peak_memory_mb,
            "peak_over_idle_mb": result.peak_memory_mb,
            "loaded_mb": 0.0,
        },
        "files": {"kind": checkpoint.kind, "bytes": checkpoint.bytes},
        "licence": {"weights": checkpoint.licence, "commercial": commercial_use(checkpoint.licence)},
        "may_invent_detail": approach.invents_with(checkpoint),
    }
