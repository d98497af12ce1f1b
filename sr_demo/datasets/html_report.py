"""The data set report as HTML: a fragment for the page, or a self-contained file."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf
from typing import NamedTuple

from sr_demo.datasets.duplicates import groups
from sr_demo.datasets.entries import SCALE
from sr_demo.datasets.findings import findings
from sr_demo.datasets.inspection import LARGEST, finite
from sr_demo.datasets.plots import histogram, spectrum_chart
from sr_demo.datasets.report import DataReport, Triplet, sizes, spectrum
from sr_demo.errors import first_few
from sr_demo.reports.html import image_uri, render

_MOST_LISTED = 30


class _List(NamedTuple):
    """A shortened list with a heading."""

    title: str
    lines: Sequence[str]
    more: int
    """Number of lines that were left out."""


class _Triplet(NamedTuple):
    """Sources, alternative texts and caption of a crop as HR, LR and bicubic."""

    name: str
    hr: str
    lr: str
    bicubic: str
    score: str


def data_html(report: DataReport) -> str:
    """Return the whole report as one self-contained HTML page."""
    return render("data_report.html", title=f"The pictures in {report.name}", body=data_body(report))


def data_body(report: DataReport) -> str:
    """Return the report as an HTML fragment, conclusions first."""
    return render(
        "data_body.html",
        what=report.what[:1].upper() + report.what[1:],
        findings=findings(report),
        lists=_lists(report),
        samples=[_triplet(t) for t in report.samples],
        hardest=[_triplet(t) for t in report.hardest],
        easiest=[_triplet(t) for t in report.easiest],
        charts=_charts(report),
        scale=SCALE,
        largest=LARGEST,
    )


def _lists(report: DataReport) -> list[_List]:
    """Return copies, leaks and skipped files, each sorted by name."""
    images = report.images
    copies: list[str] = []
    for group in groups(report.copies):
        names = ", ".join(images[i].name for i in group)
        members = set(group)
        how = sorted({copy.how for copy in report.copies if copy.first in members})
        copies.append(f"{names}: {', '.join(how)}")
    leaks = [f"{images[c.first].name} and {report.against_names[c.second]}: {c.how}" for c in report.leaks]
    found = (
        ("In it more than once", copies),
        (f"Also in {report.against}", leaks),
        ("Skipped", first_few(report.skipped)),
    )
    return [_List(title, lines[:_MOST_LISTED], max(len(lines) - _MOST_LISTED, 0)) for title, lines in found if lines]


def _charts(report: DataReport) -> list[str]:
    images = report.images
    areas = [image.width * image.height / 1e6 for image in images]
    charts = [
        histogram(finite([image.psnr_y for image in images]), "Difficulty: bicubic PSNR-Y of each picture", "dB"),
        histogram(areas, "Resolution", "megapixels") if len(sizes(report)) > 1 else "",
        histogram([image.brightness for image in images], "Brightness: mean of each picture", "levels", (0, 255)),
        histogram([image.contrast for image in images], "Contrast: standard deviation of the brightness", "levels"),
        histogram([image.sharpness for image in images], "Sharpness: deviation of the Laplacian", "levels"),
        histogram(finite([image.niqe for image in images]), "NIQE (own fit): lower looks more natural", ""),
    ]
    power = spectrum(report)
    if power is not None:
        charts.append(spectrum_chart(power, 0.5 / SCALE))
    return charts


def _triplet(triplet: Triplet) -> _Triplet:
    score = "identical" if isinf(triplet.psnr_y) else f"{triplet.psnr_y:.1f} dB"
    return _Triplet(triplet.name, image_uri(triplet.hr), image_uri(triplet.lr), image_uri(triplet.bicubic), score)
