"""The deployability report as HTML: a self-contained page, or its two parts for the Deploy tab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sr_demo.deploy import table_columns
from sr_demo.deploy.plots import latency_plot, memory_plot
from sr_demo.deploy.report import SCALE
from sr_demo.reports.html import render
from sr_demo.reports.scatter_chart import Point, quality_against_time
from sr_demo.reports.verdicts import Facts

_TITLE = "Can these methods go into our system?"
_MARKS = {"fits": "✓", "fits with": "~", "does not fit": "✗", "not measured": "?"}


class _Figure(NamedTuple):
    """An image of a gallery; `source` is a `data:` address."""

    source: str
    alt: str
    caption: str


class _Verdict(NamedTuple):
    """One line of the summary."""

    mark: str
    title: str
    sentence: str


def deploy_html(report: Facts) -> str:
    """Return the whole report as one self-contained HTML page."""
    return render("deploy_report.html", title=_TITLE, summary=summary(report), details=details(report))


def summary(report: Facts) -> str:
    """Return the requirements and the verdicts as HTML."""
    return render(
        "deploy_summary.html",
        conditions=_conditions(report["budget"], all_alike=_comparable(report["approaches"]) == report["approaches"]),
        verdicts=[
            _Verdict(_MARKS[row["verdict"]["level"]], row["title"], _sentence(row)) for row in report["approaches"]
        ],
        chart=report["chart"],
        best=_best_resolution(report),
    )


def _comparable(rows: Sequence[Facts]) -> list[Facts]:
    """Return the rows of methods with a scale of 4, whose scores are based on the same LR images."""
    return [row for row in rows if row["scale"] == SCALE]


def _conditions(budget: Facts, *, all_alike: bool) -> list[str]:
    size, seconds = f"a picture of {budget['side']} x {budget['side']} pixels", f"{budget['seconds']:g} s"
    return [
        f"{size}, enlarged four times, in at most {seconds}"
        if all_alike
        else f"{size}, enlarged as much as each method does, in at most {seconds}",
        f"{budget['memory_mb']} MB of memory",
        f"{budget['disk_mb']} MB of disk",
        f"on {budget['hardware']}",
        f"{budget['vram_mb']} MB of GPU memory where there is a GPU",
        *(["without a network connection"] if budget["offline"] else []),
        *(["with commercial use"] if budget["commercial"] else []),
        *(["with measurements made in the results", *_thresholds(budget)] if budget["measures"] else []),
    ]


def _thresholds(budget: Facts) -> list[str]:
    return [
        f"at most {budget['invented_percent']} % invented detail",
        f"at most {budget['missing_percent']} % missing detail",
        f"at least {budget['consistency_db']} dB of LR consistency",
    ]


def _sentence(row: Facts) -> str:
    verdict = row["verdict"]
    if row["measured"] is None:
        return f"could not be measured: {row['failed']}"
    if verdict["level"] != "fits":
        return verdict["sentence"] + "."
    return "fits: " + "; ".join(reason["text"] for reason in verdict["reasons"]) + "."


def _best_resolution(report: Facts) -> Facts | None:
    """Return the largest number of resolved lines and the titles that reach it; None if the chart was not measured."""
    rows = _comparable(_scored(_measured(report)))
    if report["chart"] is None or not rows:
        return None
    finest = {row["title"]: row["measured"]["quality"]["resolution"]["finest_lines"] for row in rows}
    lines = max(finest.values())
    return {"lines": lines, "titles": [title for title, found in finest.items() if found == lines]}


def details(report: Facts) -> str:
    """Return all measurements as HTML: tables, plots, and the method of measurement."""
    measured = _measured(report)
    scored = _scored(measured)
    alike = _comparable(scored)
    return render(
        "deploy_details.html",
        report=report,
        chart=report["chart"],
        columns=table_columns,
        measured=measured,
        speeds=table_columns.speed_rows(measured),
        latency_plot=latency_plot(measured) if measured else "",
        memory_plot=memory_plot(measured) if measured else "",
        scored=scored,
        quality_plot=_quality_plot(alike),
        others=[row["title"] for row in scored if row not in alike],
        resolutions=_resolutions(report, alike),
        stars=_stars(report, alike),
        false_detail_image=scored[0]["measured"]["quality"]["false_detail"]["picture"] if scored else "",
        false_detail_maps=[_false_detail_map(row) for row in scored],
    )


def _measured(report: Facts) -> list[Facts]:
    return [row for row in report["approaches"] if row["measured"] is not None]


def _scored(rows: Sequence[Facts]) -> list[Facts]:
    return [row for row in rows if "quality" in row["measured"]]


def _quality_plot(rows: Sequence[Facts]) -> str:
    points: list[Point] = []
    for row in rows:
        psnr = row["measured"]["quality"]["photos_mean"]["psnr_y"]
        largest = max(row["measured"]["latency"], key=lambda line: line["width"] * line["height"])
        if psnr is not None:
            points.append(Point(row["title"], largest["median_seconds"], psnr))
    return quality_against_time(points, "PSNR-Y", "dB") if points else ""


def _shows_bicubic(rows: Sequence[Facts]) -> bool:
    return any(row["approach"] == "bicubic" for row in rows)


def _resolutions(report: Facts, rows: Sequence[Facts]) -> list[Facts]:
    """Return the resolution of the chart itself, bicubic and each method, as rows of a table."""
    chart = report["chart"]
    if chart is None:
        return []
    ends = [("The original", chart["truth"])]
    if not _shows_bicubic(rows):
        ends.append(("Bicubic", chart["bicubic"]))
    found = ends + [(row["title"], row["measured"]["quality"]["resolution"]) for row in rows]
    return [{"title": title, **resolution} for title, resolution in found]


def _stars(report: Facts, rows: Sequence[Facts]) -> list[_Figure]:
    """Return the centre of the chart's star in the chart itself, in bicubic upscaling and in the result of each method."""
    chart = report["chart"]
    if chart is None:
        return []
    found = [("The original", chart["truth_star"])]
    if not _shows_bicubic(rows):
        found.append(("Bicubic", chart["bicubic_star"]))
    found += [(row["title"], row["measured"]["quality"]["star"]) for row in rows]
    return [_Figure(uri, f"Middle of the star: {title}", title) for title, uri in found]


def _false_detail_map(row: Facts) -> _Figure:
    found, title = row["measured"]["quality"]["false_detail"], row["title"]
    return _Figure(found["map"], f"False detail of {title}", f"{title}: {found['mean_levels']:.2f} levels")
