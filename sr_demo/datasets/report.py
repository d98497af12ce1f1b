"""The data set report: statistics, difficulty, duplicates, and leaks of test images, before any training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import numpy as np

from sr_demo import __version__
from sr_demo.datasets.duplicates import Copy, Features, duplicates, features, find_crops, groups, leaks
from sr_demo.datasets.entries import SCALE, Entry
from sr_demo.datasets.inspection import FREQUENCIES, ImageStatistics, crops, finite, measure, thumbnail
from sr_demo.errors import BadInput, Cancelled, SRError, TookTooLong
from sr_demo.image import Image
from sr_demo.progress import SILENT, Progress
from sr_demo.reports.verdicts import Facts

SHOWN = 6
"""Number of sample pairs, of hardest and of easiest images in the report."""
CROP = 96
"""Side of a crop in the report, in HR pixels."""
_MOST_MATCHES = 60_000
"""Largest number of image pairs whose local features are compared; beyond, only whole copies are searched for."""


@dataclass(frozen=True)
class Triplet:
    """A crop of one image as HR, LR and bicubic upscaling."""

    name: str
    """Name of the image in the data set."""
    psnr_y: float
    """PSNR-Y of bicubic upscaling against HR in dB, over the measured part of the image rather than the crop."""
    hr: Image
    """(s*h, s*w, 3) float32 in [0, 1]."""
    lr: Image
    """(h, w, 3) float32 in [0, 1]."""
    bicubic: Image
    """LR upscaled: (s*h, s*w, 3) float32 in [0, 1]."""


@dataclass(frozen=True)
class HeldOutSet:
    """Test images that must not be in the training set."""

    name: str
    entries: Sequence[Entry]


@dataclass
class DataReport:
    """The statistics of all images and the findings on the set."""

    name: str
    what: str
    total: int
    """Number of images in the set; fewer were measured if some were skipped, or after Stop or the time limit."""
    images: list[ImageStatistics] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    stopped: bool = False
    """Whether Stop or the time limit ended the work early."""
    copies: list[Copy] = field(default_factory=list)
    """Copies within the set; both indices refer to `images`."""
    against: str | None = None
    """Name of the test images, once the search for whole copies of them is complete."""
    against_names: list[str] = field(default_factory=list)
    leaks: list[Copy] = field(default_factory=list)
    """Copies of test images: `first` is an index into `images`, `second` into `against_names`."""
    searched_cut_outs: bool = False
    not_searched: str = ""
    """Name of the test images, if the work ended before the search for whole copies of them was complete."""
    samples: list[Triplet] = field(default_factory=list)
    hardest: list[Triplet] = field(default_factory=list)
    easiest: list[Triplet] = field(default_factory=list)

    @property
    def has_too_many_for_cut_outs(self) -> bool:
        """Whether the search for cut-outs is left out, since it would take too long."""
        return len(self.images) * len(self.against_names) > _MOST_MATCHES


def examine(
    name: str, what: str, entries: Sequence[Entry], against: HeldOutSet | None = None, progress: Progress = SILENT
) -> DataReport:
    """Measure all images of a data set. Unreadable images are skipped.

    After Stop or the time limit, the findings so far are returned.

    Args:
        name: Name of the data set.
        what: Short description of the data set.
        entries: Images of the data set.
        against: Test images that must not be in the data set.
        progress: Receives the progress, and may stop.

    Raises:
        BadInput: No image could be measured.
        Cancelled: Stopped before the first image was measured.
        TookTooLong: The time limit passed before the first image was measured.
    """
    report = DataReport(name, what, len(entries))
    found: list[Features] = []
    read: list[Entry] = []
    share = 0.75 if against is None else 0.55
    for i, entry in enumerate(entries):
        try:
            progress(share * i / len(entries), f"{entry.name}, {i + 1} of {len(entries)}")
        except (Cancelled, TookTooLong):
            if not report.images:
                raise
            report.stopped = True
            break
        try:
            hr, lr = entry.read()
            report.images.append(measure(entry.name, hr, lr))
        except SRError as problem:
            report.skipped.append(str(problem))
            continue
        read.append(entry)
        if against is not None:
            found.append(features(hr))
    if not report.images:
        first = f"; the first: {report.skipped[0]}" if report.skipped else ""
        raise BadInput(f"None of the {len(entries)} pictures of {name} could be used{first}")
    report.copies = duplicates([image.thumb for image in report.images])
    try:
        if against is not None:
            progress.check()
            _compare(report, against, found, progress.part(share, 0.9))
        _choose(report, read, SILENT if report.stopped else progress.part(0.9, 1.0))
        progress(1.0, "done")
    except (Cancelled, TookTooLong):
        report.stopped = True
    if against is not None and report.against is None:
        report.not_searched = against.name
    return report


def _compare(report: DataReport, against: HeldOutSet, found: Sequence[Features], progress: Progress) -> None:
    """Find copies of `against` in the set, and crops of them if the search does not take too long."""
    names: list[str] = []
    thumbs: list[np.ndarray[Any, np.dtype[np.uint8]]] = []
    others: list[Features] = []
    for i, entry in enumerate(against.entries):
        progress(0.3 * i / len(against.entries), f"{against.name}: {entry.name}")
        try:
            hr, _ = entry.read()
        except SRError as problem:
            report.skipped.append(f"{against.name}: {problem}")
            continue
        names.append(entry.name)
        thumbs.append(thumbnail(hr))
        others.append(features(hr))
    report.leaks = leaks([image.thumb for image in report.images], thumbs)
    report.against, report.against_names = against.name, names
    if not report.has_too_many_for_cut_outs:
        whole = {(copy.first, copy.second) for copy in report.leaks}
        parts = find_crops(found, others, progress.part(0.3, 1.0))
        report.leaks += [copy for copy in parts if (copy.first, copy.second) not in whole]
        report.searched_cut_outs = True


def _choose(report: DataReport, read: Sequence[Entry], progress: Progress) -> None:
    """Choose the images to show: evenly spread ones, and the hardest and the easiest for bicubic."""
    order = sorted(range(len(read)), key=lambda i: report.images[i].psnr_y)
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
            try:
                hr, lr = read[i].read()
            except SRError:  # removed since it was measured
                continue
            target.append(Triplet(read[i].name, report.images[i].psnr_y, *crops(hr, lr, CROP)))


def facts(report: DataReport) -> Facts:
    """Return the report as JSON-able data: lengths in pixels, brightness in 0..255, PSNR in dB; None for unknown values."""
    images = report.images
    return {
        "program": f"sr_demo {__version__}",
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "name": report.name,
        "what": report.what,
        "scale": SCALE,
        "pictures": report.total,
        "measured": len(images),
        "stopped": report.stopped,
        "skipped": report.skipped,
        "sizes": [[width, height, count] for (width, height), count in sizes(report)],
        "megapixels": round(sum(image.width * image.height for image in images) / 1e6, 3),
        "gray": sum(image.gray for image in images),
        "summary": {key: quantiles([read(image) for image in images]) for key, read in MEASURES.items()},
        "spectrum": spectrum(report),
        "duplicates": [[images[i].name for i in group] for group in groups(report.copies)],
        "against": None if report.against is None else {
            "name": report.against,
            "pictures": len(report.against_names),
            "searched_for_cut_outs": report.searched_cut_outs,
            "leaks": [
                {"picture": images[c.first].name, "is": c.how, "of": report.against_names[c.second]} for c in report.leaks
            ],
        },
        "rows": [
            {
                "name": image.name, "width": image.width, "height": image.height, "gray": image.gray,
                **{key: _rounded(read(image)) for key, read in MEASURES.items()},
            }
            for image in images
        ],
    }  # fmt: skip


MEASURES: dict[str, Callable[[ImageStatistics], float | None]] = {
    "bicubic_psnr_y": lambda image: image.psnr_y,
    "brightness": lambda image: image.brightness,
    "contrast": lambda image: image.contrast,
    "clipped": lambda image: image.clipped,
    "sharpness": lambda image: image.sharpness,
    "niqe": lambda image: image.niqe,
}


def quantiles(values: Sequence[float | None]) -> dict[str, float] | None:
    """Return minimum, 10 %, median, 90 % and maximum of the finite values; None without any."""
    known = finite(values)
    if not known:
        return None
    marks = np.quantile(known, (0, 0.1, 0.5, 0.9, 1))
    return {key: round(float(v), 4) for key, v in zip(("min", "p10", "median", "p90", "max"), marks, strict=True)}


def sizes(report: DataReport) -> list[tuple[tuple[int, int], int]]:
    """Return each (width, height) with the number of images that have it, the most frequent first."""
    return Counter((image.width, image.height) for image in report.images).most_common()


def spectrum(report: DataReport) -> dict[str, list[float]] | None:
    """Return 10 %, median and 90 % of the images' spectra in dB, by cycles per pixel; None if all images are tiny."""
    known = [image.spectrum for image in report.images if image.spectrum is not None]
    if not known:
        return None
    low, median, high = np.quantile(np.stack(known), (0.1, 0.5, 0.9), axis=0)
    return {
        "cycles_per_pixel": [round((i + 0.5) / (2 * FREQUENCIES), 5) for i in range(FREQUENCIES)],
        "p10": [round(float(v), 2) for v in low],
        "median": [round(float(v), 2) for v in median],
        "p90": [round(float(v), 2) for v in high],
    }


def _rounded(value: float | None) -> float | str | None:
    if value is None:
        return None
    return "identical" if value == float("inf") else round(value, 4)
