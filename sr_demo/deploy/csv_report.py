"""The deployability report as CSV, with a line per method and size."""

from __future__ import annotations

import csv
import io
from typing import Any

from sr_demo.reports.verdicts import Facts

_LINE = (
    "width", "height", "runs", "first_seconds", "median_seconds", "p95_seconds", "megapixels_per_second",
    "cpu_seconds_per_megapixel", "peak_growth_mb", "precision", "engine", "tiles",  # words: ok
)  # fmt: skip
_COSTS = ("load_seconds", "idle_mb", "peak_mb", "peak_over_idle_mb", "vram_peak_mb", "threads")
_MEANS = ("psnr_y", "ssim_y", "lr_consistency", "colour_drift", "improvement", "omission", "hallucination")
_FIELDS = ("flat_field_error_levels", "saturated_error_levels", "noise_gain")
_RESOLVES = ("mtf50_lines", "finest_lines")


def deploy_csv(report: Facts) -> str:
    """Return the report as CSV with a header row; lines end in CRLF.

    Cells without a measurement are empty; a method that failed has one line.
    """
    text = io.StringIO()
    heads: tuple[str, ...] = (
        "method", "title", "scale", "verdict", "reason", "parameters", "weight_bytes", "licence", "commercial",
        *_LINE, *_COSTS, "multiply_adds_per_pixel", *_MEANS, *_FIELDS, *_RESOLVES, "false_detail_levels", "formats",
    )  # fmt: skip
    writer: csv.DictWriter[str] = csv.DictWriter(text, heads, restval="", extrasaction="ignore")
    writer.writeheader()
    for row in report["approaches"]:
        for line in row["measured"]["latency"] if row["measured"] else ({},):
            writer.writerow({name: _plain(value) for name, value in (_method_cells(row) | line).items()})
    return text.getvalue()


def _method_cells(row: Facts) -> Facts:
    """Return the cells that are the same for every size."""
    cells: Facts = {
        "method": row["key"], "title": row["title"], "scale": row["scale"], "verdict": row["verdict"]["level"],
        "reason": row["failed"] or row["verdict"]["sentence"], "parameters": row["parameters"],
        "weight_bytes": row["files"]["bytes"], "licence": row["licence"]["weights"],
        "commercial": row["licence"]["commercial"], "formats": " ".join(row["formats"]),
    }  # fmt: skip
    measured = row["measured"]
    if measured is None:
        return cells
    cells |= {name: measured[name] for name in _COSTS}
    cells["multiply_adds_per_pixel"] = measured["multiply_adds_per_pixel"]["value"]
    if "quality" in measured:
        quality = measured["quality"]
        cells |= {name: quality["photos_mean"][name] for name in _MEANS}
        cells |= {name: quality[name] for name in _FIELDS}
        cells |= {name: quality["resolution"][name] for name in _RESOLVES}
        cells["false_detail_levels"] = quality["false_detail"]["mean_levels"]
    return cells


def _plain(value: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would interpret as a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
