"""The columns of the tables in the deployability report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sr_demo.reports.formatting import parameters, seconds
from sr_demo.reports.verdicts import Facts
from sr_demo.system.file_sizes import file_size


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    title: str
    help: str
    """Short explanation, or ""."""
    text: Callable[[Facts], str]
    """Returns the text of a row's cell."""


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def _time(value: float) -> str:
    return f"{value * 1000:.1f} ms" if value < 0.1 else seconds(value)


def _operations(row: Facts) -> str:
    found = row["measured"]["multiply_adds_per_pixel"]
    mark = "" if found["how"] == "counted" else " (stated)"
    return f"{found['value'] / 1e6:.2f} M{mark}" if found["value"] else "–"


def _precision(row: Facts) -> str:
    measured = row["measured"]
    return ", ".join(filter(None, (measured["precision"], measured["engine"])))  # words: ok


COSTS = (
    Column("Parameters", "trained numbers of the network", lambda r: parameters(r["parameters"])),
    Column("Multiply-adds", "per pixel of the input picture", _operations),
    Column("Weight files", "size on disk", lambda r: file_size(r["files"]["bytes"])),
    Column("Load", "time until it is ready", lambda r: _time(r["measured"]["load_seconds"])),
    Column("Idle", "memory before loading", lambda r: f"{r['measured']['idle_mb']:.0f} MB"),
    Column("Peak memory", "of the whole process", lambda r: f"{r['measured']['peak_mb']:.0f} MB"),
    Column("Over idle", "peak minus idle", lambda r: f"{r['measured']['peak_over_idle_mb']:.0f} MB"),
    Column("GPU memory", "peak, allocated by torch", lambda r: _number(r["measured"]["vram_peak_mb"], 0, " MB")),
    Column("Precision", "and backend", _precision),
    Column("Threads", "used for computing", lambda r: str(r["measured"]["threads"])),
)

SPEED = (
    Column("First run", "", lambda r: _time(r["line"]["first_seconds"])),
    Column("Median", "", lambda r: _time(r["line"]["median_seconds"])),
    Column("95th percentile", "", lambda r: _time(r["line"]["p95_seconds"])),
    Column("Runs", "", lambda r: str(r["line"]["runs"])),
    Column("Speed", "megapixels of the result per second", lambda r: _number(r["line"]["megapixels_per_second"], 2)),
    Column("Effort", "CPU seconds per megapixel", lambda r: _number(r["line"]["cpu_seconds_per_megapixel"], 2)),
    Column("Memory growth", "during the run", lambda r: f"{r['line']['peak_growth_mb']:.0f} MB"),
    Column("Tiles", "", lambda r: str(r["line"]["tiles"])),
)


def speed_rows(rows: Sequence[Facts]) -> list[Facts]:
    """Return a row per method and size for the columns SPEED; "line" holds the measurements of that size."""
    return [
        row | {"line": line, "title": f"{row['title']}, {line['width']} x {line['height']}"}
        for row in rows
        for line in row["measured"]["latency"]
    ]


def _repeatable(row: Facts) -> str:
    found = row["measured"]["determinism"]
    same = "same bits twice" if found["same_bits_twice"] else "not the same bits twice"
    psnr = found["psnr_to_fp32"]
    parts = [same] if psnr is None else [same, f"{found['precision']} is {psnr:.1f} dB from fp32"]
    parts += [
        f"{other['precision']} would be {other['psnr_to_fp32']:.1f} dB from fp32"
        for other in found["others"]
        if other["psnr_to_fp32"] is not None
    ]
    return "; ".join(parts)


def _mean_score(key: str, digits: int, unit: str = "") -> Callable[[Facts], str]:
    return lambda row: _number(row["measured"]["quality"]["photos_mean"][key], digits, unit)


def _quality(key: str, digits: int) -> Callable[[Facts], str]:
    return lambda row: _number(row["measured"]["quality"][key], digits)


QUALITY = (
    Column("PSNR-Y", "closeness to the original, mean over the pictures", _mean_score("psnr_y", 2, " dB")),
    Column("SSIM-Y", "structural similarity, 1 is identical", _mean_score("ssim_y", 4)),
    Column("LR consistency", "the result, downscaled, against the input", _mean_score("lr_consistency", 1, " dB")),
    Column(
        "Invented detail", "share of the restored detail that the original does not have (opensr-test: hallucination)",
        _mean_score("hallucination", 0, " %"),
    ),
    Column("Colour drift", "largest change of a channel's mean, of 255 levels", _mean_score("colour_drift", 2)),
    Column(
        "Flat fields", "largest error on a plain gray, black or white area, of 255 levels",
        _quality("flat_field_error_levels", 2),
    ),
    Column(
        "Noise", "noise of a gray field, after divided by before: above 1 it is amplified",
        lambda r: "x " + _quality("noise_gain", 2)(r),
    ),
    Column(
        "Saturated areas", "largest error in black and white bars, away from their edges, of 255 levels",
        _quality("saturated_error_levels", 2),
    ),
    Column(
        "False detail", "structure that the original does not have, mean, of 255 levels",
        lambda r: _number(r["measured"]["quality"]["false_detail"]["mean_levels"], 2),
    ),
    Column("Repeatable", "", _repeatable),
)  # fmt: skip

RESOLUTION = (
    Column("MTF50", "lines per picture height at half contrast, slanted edge", lambda r: _number(r["mtf50_lines"], 0)),
    Column("Finest lines", "per picture height, resolved in both directions", lambda r: str(r["finest_lines"] or "–")),
)

RIGHTS = (
    Column("Licence of the code", "of our code, which runs it", lambda r: r["licence"]["code"]),
    Column("Licence of the weights", "", lambda r: r["licence"]["weights"]),
    Column("Commercial use", "", lambda r: r["licence"]["commercial"]),
    Column("Trained on", "", lambda r: r["training_data"]),
    Column("May invent detail", "", lambda r: "yes" if r["may_invent_detail"] else "no"),
    Column("Can be exported to", "", lambda r: ", ".join(r["formats"]) or "no network to export"),
)
