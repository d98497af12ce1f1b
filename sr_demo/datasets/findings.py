"""The findings of a data set report as plain sentences, for the page, the HTML file and the command line."""

from __future__ import annotations

from math import isinf

from sr_demo.datasets.duplicates import groups
from sr_demo.datasets.entries import SCALE
from sr_demo.datasets.inspection import ImageStatistics
from sr_demo.datasets.report import DataReport, quantiles, sizes


def findings(report: DataReport) -> list[str]:
    """Return the most important findings, one sentence each."""
    images = report.images
    found = [_count(report), _sizes(report)]
    difficulty = quantiles([image.psnr_y for image in images])
    if difficulty is not None:
        found.append(
            f"Difficulty: after downscaling by {SCALE} and bicubic upscaling, the median picture has "
            f"{difficulty['median']:.1f} dB; a tenth has less than {difficulty['p10']:.1f}, a tenth more than "
            f"{difficulty['p90']:.1f}."
        )
    gray = sum(image.gray for image in images)
    if gray:
        found.append(f"{_share(gray, len(images))} gray.")
    clipped = sum(image.clipped > 0.2 for image in images)
    if clipped:
        found.append(f"{_share(clipped, len(images))} black or white on more than a fifth of the area.")
    smooth = sum(_is_smooth(image) for image in images)
    if smooth:
        found.append(
            f"{_share(smooth, len(images))} so smooth that bicubic loses almost nothing: little to learn from."
        )
    found.append(_duplicates(report))
    if report.against is not None:
        found.append(_leaks(report))
    if report.not_searched:
        found.append(f"Stopped before copies of {report.not_searched} were searched for.")
    elif report.stopped and len(images) == report.total:
        found.append("Stopped before everything was searched for and shown.")
    return found


def _count(report: DataReport) -> str:
    measured = len(report.images)
    if report.stopped and measured < report.total:
        return f"Stopped after {measured} of {report.total} pictures; everything below describes those."
    missing = report.total - measured
    skipped = f", {missing} {'was' if missing == 1 else 'were'} skipped" if missing else ""
    pixels = sum(image.width * image.height for image in report.images) / 1e6
    return f"{_images(measured, 'was', 'were')} measured{skipped}; {pixels:.1f} megapixels in all."


def _sizes(report: DataReport) -> str:
    found = sizes(report)
    if len(found) == 1:
        (width, height), _ = found[0]
        return f"All are {width} x {height} pixels."
    areas = sorted((image.width * image.height, image.width, image.height) for image in report.images)
    (_, w1, h1), (_, w2, h2) = areas[0], areas[-1]
    (width, height), count = found[0]
    return f"From {w1} x {h1} to {w2} x {h2} pixels, {len(found)} sizes; most often {width} x {height} ({count})."


def _duplicates(report: DataReport) -> str:
    copies = sum(len(group) - 1 for group in groups(report.copies))
    if copies:
        return f"{_images(copies, 'is a copy of another', 'are copies of others')}."
    return "No picture is in it twice."


def _leaks(report: DataReport) -> str:
    leaked = len({copy.first for copy in report.leaks})
    if leaked:
        advice = "take it out before training" if leaked == 1 else "take them out before training"
        return f"{_images(leaked, 'is', 'are')} also in {report.against}: {advice}."
    if report.searched_cut_outs:
        extent = "whole or in part"
    elif report.has_too_many_for_cut_outs:
        extent = "whole (there are too many to search for parts)"
    else:
        extent = "whole (stopped before parts were searched for)"
    return f"None of the {len(report.against_names)} pictures of {report.against} is among them, {extent}."


def _is_smooth(image: ImageStatistics) -> bool:
    return isinf(image.psnr_y) or image.psnr_y > 42


def _images(count: int, one: str, several: str) -> str:
    return f"1 picture {one}" if count == 1 else f"{count} pictures {several}"


def _share(some: int, total: int) -> str:
    share = f"{some / total:.0%}" if some / total >= 0.005 else "under 1%"
    return f"{some} of {total} ({share}) {'is' if some == 1 else 'are'}"
