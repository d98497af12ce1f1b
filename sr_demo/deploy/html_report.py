"""The deployability report for people: one HTML file that needs nothing else, conclusions first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from sr_demo.deploy.plots import latency_plot, memory_plot
from sr_demo.reports.formatting import megabytes, parameters, seconds
from sr_demo.reports.scatter_chart import Point, quality_against_time

Facts = dict[str, Any]
Column = tuple[str, str, Callable[[Facts], str]]
"""Heading, explanation, and text of a row."""
_MARKS = {"fits": "✓", "fits with": "~", "does not fit": "✗", "not measured": "?"}
_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.3rem .6rem;text-align:left;"
    "border-bottom:1px solid #8884;vertical-align:top}.sr-table-scroll{overflow-x:auto}.fine{opacity:.75;font-size:.9em}"
    "li{margin:.3rem 0}figure img{max-width:100%}.sr-table-scroll svg{min-width:34rem}"
)


def deploy_html(report: Facts) -> str:
    """The whole report, self-contained."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Can these methods go into our system?</title><style>{_STYLE}</style>"
        f"<h1>Can these methods go into our system?</h1>{summary(report)}{details(report)}</html>"
    )


def summary(report: Facts) -> str:
    """The verdicts in plain sentences, as HTML."""
    budget = report["budget"]
    conditions = [
        f"a picture of {budget['side']} x {budget['side']} pixels, enlarged four times, in at most {budget['seconds']:g} s",
        f"{budget['memory_mb']} MB of memory",
        f"{budget['disk_mb']} MB of disk",
        f"on {budget['hardware']}",
        f"{budget['vram_mb']} MB of GPU memory where there is one",
        *(["without a network"] if budget["offline"] else []),
        *(["with commercial use"] if budget["commercial"] else []),
        *(["with measurements made in the results"] if budget["measures"] else []),
    ]
    items = "".join(
        f'<li><span aria-hidden="true">{_MARKS[row["verdict"]["level"]]}</span> <b>{escape(row["title"])}</b> '
        f"{escape(_sentence(row))}</li>"
        for row in report["approaches"]
    )
    return f"<p>Asked for: {escape(', '.join(conditions))}.</p><ul>{items}</ul>{_resolving(report)}"


def _resolving(report: Facts) -> str:
    """What the chart says, in one sentence; the table comes later."""
    chart = report["chart"]
    rows = [row for row in report["approaches"] if row["measured"] and "quality" in row["measured"]]
    if chart is None or not rows:
        return ""
    finest = {row["title"]: row["measured"]["quality"]["resolution"]["finest_lines"] for row in rows}
    best = max(finest.values())
    names = [title for title, lines in finest.items() if lines == best]
    return (
        "<p><b>More pixels is not more resolving power:</b> all of them give sixteen times the pixels, but of a chart that "
        f"holds {chart['truth']['finest_lines']} lines per picture height, shrunk four times, bicubic still tells "
        f"{chart['bicubic']['finest_lines']} apart, and at best {best} are told apart ({escape(', '.join(names))}). What the "
        "small picture lost is not brought back.</p>"
    )


def _sentence(row: Facts) -> str:
    verdict = row["verdict"]
    if row["measured"] is None:
        return f"could not be measured: {row['failed']}"
    if verdict["level"] != "fits":
        return verdict["sentence"] + "."
    return "fits: " + "; ".join(reason["text"] for reason in verdict["reasons"]) + "."


def details(report: Facts) -> str:
    """Everything that was measured, as HTML."""
    rows = [row for row in report["approaches"] if row["measured"] is not None]
    good = [row for row in rows if "quality" in row["measured"]]
    parts = [f"<h2>Costs</h2>{_table(rows, _COSTS)}<h2>Speed by size</h2>{_speed(rows)}{_plots(rows)}"] if rows else []
    if good:
        scored = f"<p>Scored on {escape(report['pictures'])}.</p>"
        parts += [
            _plot(good),
            f"<h2>Quality</h2>{scored}{_table(good, _QUALITY)}",
            _resolution(report, good),
            _false(good),
        ]
    parts.append(f"<h2>Rights and formats</h2>{_table(report['approaches'], _RIGHTS)}")
    facts = "".join(f"<li>{escape(key)}: {escape(str(value))}</li>" for key, value in report["machine"].items())
    return (
        f"{''.join(parts)}<h2>How it was measured</h2>{_METHOD}<p>Estimates: {escape(report['estimates']['rule'])}.</p>"
        f"<ul>{facts}</ul>"
        f'<p class="fine">{escape(report["program"])}, {escape(report["made"])}</p>'
    )


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def _time(value: float) -> str:
    return f"{value * 1000:.1f} ms" if value < 0.1 else seconds(value)


def _operations(row: Facts) -> str:
    found = row["measured"]["multiply_adds_per_pixel"]
    mark = "" if found["how"] == "counted" else " (stated)"
    return f"{found['value'] / 1e6:.2f} M{mark}" if found["value"] else "–"


_METHOD = (
    "<p>Each method ran in a process of its own on this machine: loaded, run once, then run repeatedly. Median and 95th "
    "percentile are without the first run, and only as good as the number of runs, which stands beside them: slow methods "
    "are run less often. Timed is the enlarging alone, from picture to picture in memory, without files and scores. Memory "
    "is what the system had given to the process (resident set), at most; idle is the same before loading. A network that "
    "this machine converted for OpenVINO earlier runs there, as it does on the page.</p>"
)
_COSTS: tuple[Column, ...] = (
    ("Parameters", "numbers the network learned", lambda r: parameters(r["parameters"])),
    ("Multiply-adds", "per pixel of the small picture", _operations),
    ("Weight files", "size on disk", lambda r: megabytes(r["files"]["bytes"])),
    ("Load", "time until it can begin", lambda r: _time(r["measured"]["load_seconds"])),
    ("Idle", "memory before loading", lambda r: f"{r['measured']['idle_mb']:.0f} MB"),
    ("Peak memory", "of the whole process", lambda r: f"{r['measured']['peak_mb']:.0f} MB"),
    ("Over idle", "what the method itself takes", lambda r: f"{r['measured']['peak_over_idle_mb']:.0f} MB"),
    ("GPU memory", "most that torch held", lambda r: _number(r["measured"]["vram_peak_mb"], 0, " MB")),
    (
        "Precision",
        "how it computes here",
        lambda r: ", ".join(filter(None, (r["measured"]["precision"], r["measured"]["engine"]))),
    ),
    ("Threads", "that it computes with", lambda r: str(r["measured"]["threads"])),
)


def _same(row: Facts) -> str:
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


def _photos(key: str, digits: int, unit: str = "") -> Callable[[Facts], str]:
    return lambda row: _number(row["measured"]["quality"]["photos_mean"][key], digits, unit)


_QUALITY: tuple[Column, ...] = (
    ("PSNR-Y", "closeness to the truth, mean of the pictures", _photos("psnr_y", 2, " dB")),
    ("SSIM-Y", "structure, 1 is identical", _photos("ssim_y", 4)),
    ("Agrees with input", "the result, shrunk again, against what went in", _photos("lr_consistency", 1, " dB")),
    ("Colour drift", "largest change of a channel's mean, of 255 levels", _photos("colour_drift", 2)),
    (
        "Flat fields", "largest error on a plain gray, black or white area, of 255 levels",
        lambda r: _number(r["measured"]["quality"]["flat_field_error_levels"], 2),
    ),
    (
        "Noise", "noise of a gray field after and before: above 1 it is amplified",
        lambda r: "x " + _number(r["measured"]["quality"]["noise_gain"], 2),
    ),
    (
        "Saturated areas", "largest error in black and white bars, away from their edges, of 255 levels",
        lambda r: _number(r["measured"]["quality"]["saturated_error_levels"], 2),
    ),
    (
        "False detail", "structure that the truth does not have, mean, of 255 levels",
        lambda r: _number(r["measured"]["quality"]["false_detail"]["mean_levels"], 2),
    ),
    ("Repeatable", "", _same),
)  # fmt: skip
_RIGHTS: tuple[Column, ...] = (
    ("Licence of the code", "ours, that runs it", lambda r: r["licence"]["code"]),
    ("Licence of the weights", "", lambda r: r["licence"]["weights"]),
    ("Commercial use", "", lambda r: r["licence"]["commercial"]),
    ("Trained on", "", lambda r: r["training_data"]),
    ("May invent detail", "", lambda r: "yes" if r["may_invent_detail"] else "no"),
    ("Can be exported to", "", lambda r: ", ".join(r["formats"]) or "no network to export"),
)


def _table(rows: Sequence[Facts], columns: Sequence[Column]) -> str:
    head = "".join(
        f'<th scope="col">{escape(title)}<br><small style="font-weight:400">{escape(help)}</small></th>'
        for title, help, _ in columns
    )
    body = "".join(
        f'<tr><th scope="row">{escape(row["title"])}</th>'
        + "".join(f'<td style="min-width:5rem">{escape(text(row))}</td>' for _, _, text in columns)
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="sr-table-scroll"><table><thead><tr><th scope="col">Method</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _speed(rows: Sequence[Facts]) -> str:
    lines = [
        row | {"line": line, "title": f"{row['title']}, {line['width']} x {line['height']}"}
        for row in rows
        for line in row["measured"]["latency"]
    ]
    columns: tuple[Column, ...] = (
        ("First run", "", lambda r: _time(r["line"]["first_seconds"])),
        ("Median", "", lambda r: _time(r["line"]["median_seconds"])),
        ("95th percentile", "", lambda r: _time(r["line"]["p95_seconds"])),
        ("Runs", "", lambda r: str(r["line"]["runs"])),
        ("Speed", "megapixels of the result per second", lambda r: _number(r["line"]["megapixels_per_second"], 2)),
        ("Effort", "processor seconds per megapixel", lambda r: _number(r["line"]["cpu_seconds_per_megapixel"], 2)),
        ("Memory growth", "while it worked", lambda r: f"{r['line']['peak_growth_mb']:.0f} MB"),
        ("Tiles", "", lambda r: str(r["line"]["tiles"])),
    )
    return _table(lines, columns)


def _plots(rows: Sequence[Facts]) -> str:
    return (
        "<h2>Every run</h2><p>Each dot is one run at the largest size, the bar is the median.</p>"
        f"{_wide(latency_plot(rows))}<h2>Memory against size</h2>{_wide(memory_plot(rows))}"
    )


def _wide(plot: str) -> str:
    """A plot that is scrolled sideways on a phone, where its letters would shrink beyond reading."""
    return f'<div class="sr-table-scroll">{plot}</div>'


def _false(rows: Sequence[Facts]) -> str:
    pictures = "".join(
        f'<figure style="margin:0;max-width:14rem"><img src="{escape(row["measured"]["quality"]["false_detail"]["map"])}" '
        f'alt="False detail of {escape(row["title"])}"><figcaption>{escape(row["title"])}: '
        f"{row['measured']['quality']['false_detail']['mean_levels']:.2f} levels</figcaption></figure>"
        for row in rows
    )
    picture = escape(rows[0]["measured"]["quality"]["false_detail"]["picture"])
    return (
        "<h2>False detail</h2><p>Red is structure in the result that the truth does not have, in neighbourhoods of a few "
        f"pixels: invented or displaced. Plain blur counts little, jagged edges "
        f"count. Picture: {picture}. Full red is 16 of 255 levels.</p>"
        f'<div style="display:flex;flex-wrap:wrap;gap:1rem;margin:1rem 0">{pictures}</div>'
    )


def _star(title: str, uri: str) -> str:
    return (
        f'<figure style="margin:0;max-width:14rem"><img src="{escape(uri)}" alt="Middle of the star: {escape(title)}">'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )


def _plot(rows: Sequence[Facts]) -> str:
    points: list[Point] = []
    for row in rows:
        quality = row["measured"]["quality"]["photos_mean"]["psnr_y"]
        largest = max(row["measured"]["latency"], key=lambda line: line["width"] * line["height"])
        if quality is not None:
            points.append(Point(row["title"], largest["median_seconds"], quality))
    return f"<h2>Quality against time</h2>{_wide(quality_against_time(points, 'PSNR-Y (dB)'))}" if points else ""


def _resolution(report: Facts, rows: Sequence[Facts]) -> str:
    chart = report["chart"]
    if chart is None:
        return ""
    found = [("The truth", chart["truth"])]
    found += [(row["title"], row["measured"]["quality"]["resolution"]) for row in rows]
    if not any(row["approach"] == "bicubic" for row in rows):
        found.insert(1, ("Bicubic", chart["bicubic"]))
    lines = [{"title": title, **values} for title, values in found]
    stars = _star("The truth", chart["truth_star"])
    if not any(row["approach"] == "bicubic" for row in rows):
        stars += _star("Bicubic", chart["bicubic_star"])
    stars += "".join(_star(row["title"], row["measured"]["quality"]["star"]) for row in rows)
    columns: tuple[Column, ...] = (
        ("MTF50", "lines per picture height at half contrast, slanted edge", lambda r: _number(r["mtf50_lines"], 0)),
        ("Finest lines", "per picture height, told apart in both directions", lambda r: str(r["finest_lines"] or "–")),
    )
    return (
        "<h2>More pixels is not more resolving power</h2><p>A resolution chart was shrunk four times and enlarged again. "
        f"All results have {chart['rows']} rows, but the small chart had {chart['rows'] // 4}, and no honest method can "
        f"show more than {chart['rows'] // 4} lines of it. A sharper edge (a higher MTF50) looks crisper; only finer lines "
        f"told apart mean that more can be seen.</p>{_table(lines, columns)}"
        f'<div style="display:flex;flex-wrap:wrap;gap:1rem;margin:1rem 0">{stars}</div>'
    )
