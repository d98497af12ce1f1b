"""Numbers and costs as short texts for the page, the reports and the README. Pure functions."""

from __future__ import annotations

from math import isinf

from sr_demo.checkpoint import Checkpoint
from sr_demo.imaging.alignment import Shift
from sr_demo.inference.faithful import detail_of
from sr_demo.inference.jobs import Job, Result
from sr_demo.metrics.scores import Column, Scores
from sr_demo.reports.verdicts import commercial_use
from sr_demo.system.file_sizes import file_size
from sr_demo.system.hardware import HardwareRequirements

MASKED = "a part kept faithful by a mask"
_BILLION = 999_950_000
"""Number of parameters from which "1.0 billion" is closer than "999.9 M"."""


def seconds(value: float) -> str:
    """Format a duration: 0.31 s, 12 s, 3 min; "under 0.01 s" if it would round to 0."""
    if value < 0.005:
        return "under 0.01 s"
    if value < 9.95:
        return f"{value:.2f} s" if value < 0.995 else f"{value:.1f} s"
    return f"{value:.0f} s" if value < 99.5 else f"{value / 60:.0f} min"


def memory(grown_mb: float) -> str:
    """Format a growth of memory in MB (10^6 bytes); growth below 1 MB is within the noise of the measurement."""
    return "under 1 MB" if grown_mb < 1 else file_size(grown_mb * 1e6)


def parameters(count: int) -> str:
    """Format a number of parameters: 0.9 M, 620 k, 2.7 billion; a dash for none."""
    if count == 0:
        return "–"
    if count >= _BILLION:
        return f"{count / 1e9:.1f} billion"
    return f"{count / 1e6:.1f} M" if count >= 999_500 else f"{count / 1e3:.0f} k"


def parameters_phrase(count: int) -> str:
    """Format a number of parameters, at least one, with the noun: "0.9 M parameters", "2.7 billion parameters"."""
    return f"{count / 1e9:.1f} billion parameters" if count >= _BILLION else f"{parameters(count)} parameters"


def measure(column: Column, value: float | None) -> str:
    """Format a score with its unit; "identical" for an infinite PSNR, a dash for None."""
    if value is None:
        return "–"
    if isinf(value):
        return "identical"
    return f"{value:.{column.digits}f}" + (f" {column.unit}" if column.unit else "")


def scores_line(scores: Scores) -> str:
    """Return the line under an image: PSNR-Y and SSIM-Y if there is a reference, else LR consistency."""
    from sr_demo.metrics.scores import LR_CONSISTENCY, PSNR_Y, SSIM_Y

    if scores.psnr_y is not None:
        return f"{measure(PSNR_Y, scores.psnr_y)}   SSIM {measure(SSIM_Y, scores.ssim_y)}"
    return f"LR consistency {measure(LR_CONSISTENCY, scores.lr_consistency)}"


def precision(name: str, loss_db: float | None) -> str:
    """Format a precision: "bf16"; int8 with its loss of PSNR-Y in dB: "int8 (-0.02 dB)"."""
    return name if loss_db is None else f"{name} ({0.0 - loss_db:+.2f} dB)"


def shift_phrase(found: Shift) -> str:
    """Describe the shift of another tool's result: "1.5 px right, 0.3 px down"; "" if it had none."""
    across = f"{found.right:g} px right" if found.right > 0 else f"{-found.right:g} px left"
    along = f"{found.down:g} px down" if found.down > 0 else f"{-found.down:g} px up"
    return ", ".join([*([across] if found.right else []), *([along] if found.down else [])])


def detail(job: Job) -> str:
    """Describe the share of its detail that a generative result shows: "detail 0.6"; "" if it shows all."""
    shown = detail_of(job)
    return "" if shown == 1 else f"detail {shown:g}"


def title(result: Result) -> str:
    """Return the title of a result's method, with its detail if it is reduced: "SRGAN, detail 0.6, masked"."""
    return ", ".join(filter(None, (result.job.title, detail(result.job), "masked" if result.masked else "")))


def how(result: Result) -> str:
    """Describe how a result was computed: size, backend, precision and tiles, all of which affect its numbers.

    For a result of another tool, only its alignment is known.
    """
    if result.shift is not None:
        moved = shift_phrase(result.shift)
        if not moved:
            return "by another tool; no shift was found"
        return f"by another tool; it was shifted {moved}, which was corrected"
    computed = ", ".join(filter(None, (result.backend, precision(result.precision, result.loss_db))))
    cut = f"{result.tiles} tiles {result.tile} px wide, halo {result.halo} px" if result.tile else "no tiles"
    mask = MASKED if result.masked else ""
    return "; ".join(filter(None, (result.sizing, f"{computed}, {cut}", detail(result.job), mask)))


def method_label(job: Job, estimate: float, here: bool) -> str:
    """Return the two lines of a method's checkbox: its name and expected time, then its purpose and licence.

    Args:
        job: The method.
        estimate: Expected time in seconds.
        here: Whether its files are on this computer.
    """
    checkpoint = job.checkpoint
    parts = [checkpoint.note or job.approach.summary]
    if checkpoint.kind == "own" and not (checkpoint.is_file_of_user and checkpoint.is_published):
        parts.append("your own copy")
    elif checkpoint.kind != "none" and not here:
        parts.append(f"{file_size(checkpoint.bytes)}, downloaded once")
    if checkpoint.kind != "none":
        parts.append(licence(checkpoint))
    if checkpoint.needs is not None:
        parts.append(needs(checkpoint.needs))
    return f"{job.title} · {seconds(estimate)}\n{' · '.join(parts)}"


def absent_label(job: Job, why: str) -> str:
    """Return the two lines for a method that cannot run here: name and description, then the reason and its cost."""
    checkpoint = job.checkpoint
    assert checkpoint.needs is not None
    parts = [why]
    if checkpoint.bytes:
        parts.append(f"about {file_size(checkpoint.bytes)} to download, only on request")
    parts.append(licence(checkpoint))
    parts.append(checkpoint.needs.time)
    return f"{job.title}: {job.approach.summary}\n{' · '.join(parts)}"


def needs(needed: HardwareRequirements) -> str:
    """Format the memory that a computer must have: "GPU 6 GB, RAM 8 GB"."""
    return f"GPU {needed.vram_bytes / 1e9:.0f} GB, RAM {needed.ram_bytes / 1e9:.0f} GB"


def licence(checkpoint: Checkpoint) -> str:
    """Return the licence of the weights, with a remark if it restricts commercial use; for a user's file, as stated."""
    if checkpoint.is_file_of_user and not checkpoint.is_published:
        return checkpoint.licence
    return terms(checkpoint.licence)


def terms(licence: str) -> str:
    """Return a licence with a remark if it restricts commercial use."""
    remarks = {"yes": "", "no": " (no commercial use)", "ask": " (check before commercial use)"}
    return licence + remarks[commercial_use(licence)]
