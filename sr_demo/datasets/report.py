"""A data set looked at before training: what is in it, what is hard, what is in it twice or must not be in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import numpy as np

from sr_demo import __version__
from sr_demo.datasets.duplicates import Copy, Features, cut_outs, duplicates, features, groups, leaks
from sr_demo.datasets.inspection import FREQUENCIES, SCALE, Entry, Look, crops, finite, measure, thumbnail
from sr_demo.errors import BadInput, Cancelled, SRError
from sr_demo.image import Image
from sr_demo.progress import SILENT, Progress

SHOWN = 6
"""Sample pairs, hardest and easiest pictures that are shown, each."""
CROP = 96
"""Side of a shown crop, HR pixels."""
_MOST_MATCHES = 60_000
"""Pairs of pictures whose local features are compared; beyond, only whole copies are looked for."""

Facts = dict[str, Any]


@dataclass(frozen=True)
class Triplet:
    """A crop as HR, LR and bicubic."""

    name: str
    psnr_y: float
    hr: Image
    lr: Image
    bicubic: Image


@dataclass(frozen=True)
class Against:
    """Pictures that must not be in the set."""

    name: str
    entries: Sequence[Entry]


@dataclass
class DataReport:
    """Everything that was found."""

    name: str
    what: str
    total: int
    """Pictures there are; fewer were measured where some were skipped or Stop was pressed."""
    looks: list[Look] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    stopped: bool = False
    copies: list[Copy] = field(default_factory=list)
    """Within the set, by position in `looks`."""
    against: str = ""
    against_names: list[str] = field(default_factory=list)
    leaks: list[Copy] = field(default_factory=list)
    """`first` by position in `looks`, `second` in `against_names`."""
    searched_cut_outs: bool = False
    samples: list[Triplet] = field(default_factory=list)
    hardest: list[Triplet] = field(default_factory=list)
    easiest: list[Triplet] = field(default_factory=list)


def examine(
    name: str, what: str, entries: Sequence[Entry], against: Against | None = None, progress: Progress = SILENT
) -> DataReport:
    """Look at all `entries`; a bad one is skipped with a sentence. Pressing Stop ends the looking, not the report.

    Raises BadInput where nothing could be measured, and Cancelled when stopped before the first picture.
    """
    report = DataReport(name, what, len(entries))
    found: list[Features] = []
    read: list[Entry] = []
    share = 0.75 if against is None else 0.55
    for i, entry in enumerate(entries):
        try:
            progress(share * i / len(entries), f"{entry.name}, {i + 1} of {len(entries)}")
        except Cancelled:
            if not report.looks:
                raise
            report.stopped = True
            progress = SILENT
            break
        try:
            hr, lr = entry.read()
            report.looks.append(measure(entry.name, hr, lr))
        except SRError as problem:
            report.skipped.append(str(problem))
            continue
        read.append(entry)
        if against is not None:
            found.append(features(hr))
    if not report.looks:
        first = f"; the first: {report.skipped[0]}" if report.skipped else ""
        raise BadInput(f"None of the {len(entries)} pictures of {name} could be used{first}")
    report.copies = duplicates([look.thumb for look in report.looks])
    if against is not None:
        _compare(report, against, found, progress.part(share, 0.9))
    _choose(report, read, progress.part(0.9, 1.0))
    progress(1.0, "done")
    return report


def _compare(report: DataReport, against: Against, found: Sequence[Features], progress: Progress) -> None:
    """Whole copies of `against`, and parts of them where that does not take too long."""
    report.against = against.name
    thumbs: list[np.ndarray[Any, np.dtype[np.uint8]]] = []
    others: list[Features] = []
    for i, entry in enumerate(against.entries):
        progress(0.3 * i / len(against.entries), f"{against.name}: {entry.name}")
        try:
            hr, _ = entry.read()
        except SRError as problem:
            report.skipped.append(f"{against.name}: {problem}")
            continue
        report.against_names.append(entry.name)
        thumbs.append(thumbnail(hr))
        others.append(features(hr))
    report.leaks = leaks([look.thumb for look in report.looks], thumbs)
    if len(found) * len(others) <= _MOST_MATCHES:
        whole = {(copy.first, copy.second) for copy in report.leaks}
        parts = cut_outs(found, others, progress.part(0.3, 1.0))
        report.leaks += [copy for copy in parts if (copy.first, copy.second) not in whole]
        report.searched_cut_outs = True


def _choose(report: DataReport, read: Sequence[Entry], progress: Progress) -> None:
    """Pictures to show: evenly spread ones, the hardest and the easiest for bicubic."""
    order = sorted(range(len(read)), key=lambda i: report.looks[i].psnr_y)
    count = len(read)
    spread = sorted({round((i + 0.5) * count / SHOWN - 0.5) for i in range(SHOWN)} & set(range(count)))
    few = min(SHOWN, max(count // 2, 1))
    for picked, target in (
        (spread, report.samples),
        (order[:few], report.hardest),
        (order[::-1][:few], report.easiest),
    ):
        for i in picked:
            progress(0.0, f"showing {read[i].name}")
            hr, lr = read[i].read()
            target.append(Triplet(read[i].name, report.looks[i].psnr_y, *crops(hr, lr, CROP)))


def facts(report: DataReport) -> Facts:
    """The report for programs. Lengths are in pixels, brightness in levels of 255, PSNR in dB; null = cannot be said."""
    looks = report.looks
    return {
        "program": f"sr_demo {__version__}",
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "name": report.name,
        "what": report.what,
        "scale": SCALE,
        "pictures": report.total,
        "measured": len(looks),
        "stopped": report.stopped,
        "skipped": report.skipped,
        "sizes": [[width, height, count] for (width, height), count in sizes(report)],
        "megapixels": round(sum(look.width * look.height for look in looks) / 1e6, 3),
        "gray": sum(look.gray for look in looks),
        "summary": {key: quantiles([read(look) for look in looks]) for key, read in MEASURES.items()},
        "spectrum": spectrum(report),
        "duplicates": [[looks[i].name for i in group] for group in groups(report.copies)],
        "against": None if not report.against else {
            "name": report.against,
            "pictures": len(report.against_names),
            "searched_for_cut_outs": report.searched_cut_outs,
            "leaks": [
                {"picture": looks[c.first].name, "is": c.how, "of": report.against_names[c.second]} for c in report.leaks
            ],
        },
        "rows": [
            {
                "name": look.name, "width": look.width, "height": look.height, "gray": look.gray,
                **{key: _rounded(read(look)) for key, read in MEASURES.items()},
            }
            for look in looks
        ],
    }  # fmt: skip


MEASURES: dict[str, Callable[[Look], float | None]] = {
    "bicubic_psnr_y": lambda look: look.psnr_y,
    "brightness": lambda look: look.brightness,
    "contrast": lambda look: look.contrast,
    "clipped": lambda look: look.clipped,
    "sharpness": lambda look: look.sharpness,
    "niqe": lambda look: look.niqe,
}


def quantiles(values: Sequence[float | None]) -> dict[str, float] | None:
    """Smallest, 10 %, middle, 90 % and largest of those that are numbers; None without any."""
    known = finite(values)
    if not known:
        return None
    marks = np.quantile(known, (0, 0.1, 0.5, 0.9, 1))
    return {key: round(float(v), 4) for key, v in zip(("min", "p10", "median", "p90", "max"), marks, strict=True)}


def sizes(report: DataReport) -> list[tuple[tuple[int, int], int]]:
    """(width, height) and how many pictures have it, the most frequent first."""
    return Counter((look.width, look.height) for look in report.looks).most_common()


def spectrum(report: DataReport) -> dict[str, list[float]] | None:
    """10 %, middle and 90 % of the pictures' spectra in dB, by cycles per pixel; None where all are tiny."""
    known = [look.spectrum for look in report.looks if look.spectrum is not None]
    if not known:
        return None
    low, middle, high = np.quantile(np.stack(known), (0.1, 0.5, 0.9), axis=0)
    return {
        "cycles_per_pixel": [round((i + 0.5) / (2 * FREQUENCIES), 5) for i in range(FREQUENCIES)],
        "p10": [round(float(v), 2) for v in low],
        "median": [round(float(v), 2) for v in middle],
        "p90": [round(float(v), 2) for v in high],
    }


def _rounded(value: float | None) -> float | str | None:
    if value is None:
        return None
    return "identical" if value == float("inf") else round(value, 4)
