"""The report on a data set for people: a fragment for the page, or one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from math import isinf

import cv2

from sr_demo.datasets.duplicates import groups
from sr_demo.datasets.inspection import LARGEST, SCALE, Look, finite
from sr_demo.datasets.plots import histogram, spectrum_chart
from sr_demo.datasets.report import DataReport, Triplet, quantiles, sizes, spectrum
from sr_demo.errors import first_few
from sr_demo.image import Image, quantize

_MOST_LISTED = 30
_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem}"
    ".sr-curves{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:1rem}"
    ".sr-curve{margin:0}figcaption,.sr-fine{opacity:.75;font-size:.9em}"
    ".sr-triplets{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,280px),1fr));gap:1rem}"
    ".sr-triplets figure{margin:0}.sr-triplets div{display:flex;gap:2px}.sr-triplets img{width:33.2%;"
    "aspect-ratio:1;object-fit:contain;image-rendering:pixelated}"
)


def data_html(report: DataReport) -> str:
    """The whole report, self-contained."""
    title = f"The pictures in {escape(report.name)}"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>{data_body(report)}</html>"
    )


def data_body(report: DataReport) -> str:
    """What was found, conclusions first, as HTML."""
    found = "".join(f"<li>{escape(sentence)}</li>" for sentence in findings(report))
    return (
        f"<p>{escape(report.what[:1].upper() + report.what[1:])}.</p><ul>{found}</ul>"
        f"{_copies(report)}{_skipped(report)}"
        f"<h3>Sample pairs</h3>{_legend()}{_triplets(report.samples)}"
        f"<h3>In numbers</h3>{_charts(report)}"
        f"<h3>Hardest for bicubic</h3>{_triplets(report.hardest)}<h3>Easiest</h3>{_triplets(report.easiest)}{_how()}"
    )


def findings(report: DataReport) -> list[str]:
    """What a person should know first, in plain sentences."""
    looks = report.looks
    said = [_count(report), _sizes(report)]
    marks = quantiles([look.psnr_y for look in looks])
    if marks is not None:
        said.append(
            f"Difficulty: shrunk {SCALE} times and enlarged by bicubic, the middle picture keeps {marks['median']:.1f} dB; "
            f"a tenth keeps less than {marks['p10']:.1f}, a tenth more than {marks['p90']:.1f}."
        )
    gray = sum(look.gray for look in looks)
    if gray:
        said.append(f"{_of(gray, len(looks))} gray.")
    clipped = sum(look.clipped > 0.2 for look in looks)
    if clipped:
        said.append(f"{_of(clipped, len(looks))} black or white on more than a fifth of the area.")
    soft = sum(_soft(look) for look in looks)
    if soft:
        said.append(f"{_of(soft, len(looks))} so smooth that bicubic loses almost nothing: little to learn from.")
    twice = sum(len(group) - 1 for group in groups(report.copies))
    said.append(
        f"{_pictures(twice, 'is a copy of another', 'are copies of others')}."
        if twice
        else "No picture is in it twice."
    )
    if report.against:
        leaked = len({copy.first for copy in report.leaks})
        parts = "whole or in part" if report.searched_cut_outs else "whole (too many for a search for parts)"
        said.append(
            f"{_pictures(leaked, 'is', 'are')} also in {report.against}: take {'it' if leaked == 1 else 'them'} out before "
            "training."
            if leaked
            else f"None of the {len(report.against_names)} pictures of {report.against} is among them, {parts}."
        )
    return said


def _count(report: DataReport) -> str:
    measured = len(report.looks)
    if report.stopped:
        return f"Stopped after {measured} of {report.total} pictures; all below is about those."
    missing = report.total - measured
    left = f", {missing} {'was' if missing == 1 else 'were'} skipped" if missing else ""
    pixels = sum(look.width * look.height for look in report.looks) / 1e6
    return f"{_pictures(measured, 'was', 'were')} measured{left}; {pixels:.1f} megapixels in all."


def _pictures(count: int, one: str, several: str) -> str:
    return f"1 picture {one}" if count == 1 else f"{count} pictures {several}"


def _sizes(report: DataReport) -> str:
    found = sizes(report)
    if len(found) == 1:
        (width, height), _ = found[0]
        return f"All are {width} x {height} pixels."
    areas = sorted((look.width * look.height, look.width, look.height) for look in report.looks)
    (_, w1, h1), (_, w2, h2) = areas[0], areas[-1]
    (width, height), count = found[0]
    return f"From {w1} x {h1} to {w2} x {h2} pixels, {len(found)} sizes; most often {width} x {height} ({count})."


def _soft(look: Look) -> bool:
    return isinf(look.psnr_y) or look.psnr_y > 42


def _of(some: int, all_: int) -> str:
    share = f"{some / all_:.0%}" if some / all_ >= 0.005 else "under 1%"
    return f"{some} of {all_} ({share}) {'is' if some == 1 else 'are'}"


def _copies(report: DataReport) -> str:
    lines: list[str] = []
    for group in groups(report.copies):
        names = ", ".join(report.looks[i].name for i in group)
        how = sorted({copy.how for copy in report.copies if copy.first in group})
        lines.append(f"{names}: {', '.join(how)}")
    leaked = [f"{report.looks[c.first].name} and {report.against_names[c.second]}: {c.how}" for c in report.leaks]
    parts = ""
    for title, found in (("In it more than once", lines), (f"Also in {report.against}", leaked)):
        if found:
            parts += f"<h3>{escape(title)}</h3>{_list(found)}"
    return parts


def _skipped(report: DataReport) -> str:
    return f"<h3>Skipped</h3>{_list(first_few(report.skipped))}" if report.skipped else ""


def _list(lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines[:_MOST_LISTED])
    more = f"<li>and {len(lines) - _MOST_LISTED} more</li>" if len(lines) > _MOST_LISTED else ""
    return f'<ul class="sr-fine">{items}{more}</ul>'


def _charts(report: DataReport) -> str:
    looks = report.looks
    several = len(sizes(report)) > 1
    areas = [look.width * look.height / 1e6 for look in looks]
    charts = [
        histogram(finite([look.psnr_y for look in looks]), "Difficulty: bicubic PSNR-Y of each picture", "dB"),
        histogram(areas, "Resolution", "megapixels") if several else "",
        histogram([look.brightness for look in looks], "Brightness: mean of each picture", "levels", (0, 255)),
        histogram([look.contrast for look in looks], "Contrast: deviation of the brightness", "levels"),
        histogram([look.sharpness for look in looks], "Sharpness: deviation of the Laplacian", "levels"),
        histogram(finite([look.niqe for look in looks]), "NIQE (own fit): lower looks more natural", ""),
    ]
    power = spectrum(report)
    if power is not None:
        charts.append(spectrum_chart(power, 0.5 / SCALE))
    return f'<div class="sr-curves">{"".join(charts)}</div>'


def _legend() -> str:
    return (
        f'<p class="sr-fine">Each: the truth, the picture shrunk {SCALE} times as a network sees it, and bicubic '
        "enlargement. The place with the most detail of nine.</p>"
    )


def _triplets(found: Sequence[Triplet]) -> str:
    figures = "".join(
        f"<figure><div>{_img(t.hr, f'{t.name}, truth')}{_img(t.lr, f'{t.name}, shrunk {SCALE} times')}"
        f"{_img(t.bicubic, f'{t.name}, enlarged by bicubic')}</div>"
        f"<figcaption>{escape(t.name)}: {'identical' if isinf(t.psnr_y) else f'{t.psnr_y:.1f} dB'}</figcaption></figure>"
        for t in found
    )
    return f'<div class="sr-triplets">{figures}</div>'


def _img(image: Image, alt: str) -> str:
    """An `img` that holds its own picture, as PNG."""
    _, encoded = cv2.imencode(".png", cv2.cvtColor(quantize(image), cv2.COLOR_RGB2BGR))
    data = base64.b64encode(encoded.tobytes()).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}">'


def _how() -> str:
    return (
        f'<details class="sr-explain"><summary>How was this measured?</summary><p>Of pictures larger than {LARGEST} x '
        f"{LARGEST} pixels the middle. Difficulty is PSNR-Y (BT.601, 8 bit, border of {SCALE} px cut) of Pillow's bicubic "
        "after antialiased shrinking. The spectrum is the power of the middle square under a Hann window, averaged over "
        "directions, in dB of squared levels. Copies are found by a 64-bit perceptual hash and confirmed by the correlation "
        "of 32 x 32 thumbnails, also mirrored; parts cut out of a picture are looked for only among the pictures to compare "
        "with, by ORB features that agree on one shift, turn and scale.</p></details>"
    )
