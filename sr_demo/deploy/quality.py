"""What results of one approach look like: closeness, resolving power, flat fields, noise, saturation, false detail."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from math import isinf, log10
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.deploy.timed_run import Subject
from sr_demo.errors import BadInput
from sr_demo.image import Image, ImageData, bt601_luma, encode_png, quantize, readonly
from sr_demo.imaging.resize import resize
from sr_demo.imaging.resolution_chart import STAR_CENTRE, resolution_chart
from sr_demo.imaging.samples import SAMPLES
from sr_demo.metrics.full_reference import lr_consistency, psnr_y, ssim_y
from sr_demo.metrics.resolution import measure as resolution_of
from sr_demo.reports.evaluation import Pair, load_pair, small_version

Facts = dict[str, Any]
Plane = NDArray[np.float32]
BUNDLED = "the middles, 256 x 256 pixels, of four bundled photos"
_PHOTOS = ("cat", "text", "cells", "brick")
_CROP = 256
"""Side of the true pictures, cut from the middle."""
_LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
_COMPARED = 48
"""Side of the picture that is enlarged in every precision."""
_NOISE = 5 / 255
"""Standard deviation of the noise on a flat gray field."""
_BAR = 16
"""Width in LR pixels of the black and white bars."""
_AWAY = 4
"""LR pixels from an edge from which on a bar must be plain again."""
_STRUCTURE, _WINDOW = 4.0, 2.0
"""Sigmas in pixels of the result: what is finer is structure; how large the neighbourhoods are that are compared."""
_BLURS = (0.0, 0.7, 1.0, 1.4, 2.0, 2.8)
"""Sigmas in pixels of the result."""
_GRAIN = 0.25
"""Squared levels of structure that are rounding, not structure."""
_FULL_RED = 16.0
"""Levels of false detail that are drawn in full red."""
_STAR_SIDE = 160


def precisions(subject: Subject) -> Facts:
    """How far are the chosen precision, and the others that it can run in, from fp32? On a picture of 48 x 48 pixels."""
    picture = filled((_COMPARED, _COMPARED))
    chosen = subject.run(picture)
    exact = chosen if chosen.precision == "fp32" else subject.run(picture, "fp32")
    found: Facts = {
        "precision": chosen.precision,
        "psnr_to_fp32": None,
        "largest_difference_to_fp32": 0.0,
        "others": [],
    }
    if chosen.precision != "fp32":
        found["psnr_to_fp32"], found["largest_difference_to_fp32"] = _apart(chosen.rgb, exact.rgb)
    for precision in ("bf16", "fp16"):
        if precision == chosen.precision:
            continue
        try:
            other = subject.run(picture, precision)
        except BadInput:  # this network, or this machine, cannot
            continue
        if other.precision == precision:
            psnr, largest = _apart(other.rgb, exact.rgb)
            found["others"].append(
                {"precision": precision, "psnr_to_fp32": psnr, "largest_difference_to_fp32": largest}
            )
    return found


def _apart(one: Image, exact: Image) -> tuple[float | None, float]:
    """PSNR in dB (None: identical) and the largest difference, of values in [0, 1]."""
    difference = one.astype(np.float64) - exact
    squared = float(np.mean(difference**2))
    return None if squared == 0 else round(-10 * log10(squared), 2), round(float(np.abs(difference).max()), 5)


def quality(subject: Subject, pairs: Sequence[Pair]) -> Facts:
    """Scores on the chart and on `pairs` (none: bundled photos), and what the results do to plain fields."""
    scale = subject.job.approach.scale
    truth = resolution_chart(1024)
    small, _ = small_version(ImageData(truth), scale, None)
    chart = subject.run(small.rgb).rgb
    rows: list[Facts] = [{"picture": "chart", **_scores(chart, small.rgb, truth, scale)}]
    levels: list[float] = []
    shown: Facts = {}
    for name, small, true in _true_pictures(pairs, scale):
        found = subject.run(small.rgb).rgb
        rows.append({"picture": name, **_scores(found, small.rgb, true, scale)})
        false = false_detail(found, true)
        levels.append(float(false.mean()))
        if not shown:
            shown = {"picture": name, "map": _uri(_painted(_middle(true), _middle(false)))}
    keys = ("psnr_y", "ssim_y", "lr_consistency", "colour_drift")
    return {
        "pictures": rows,
        "photos_mean": {key: _mean([p[key] for p in rows[1:]]) for key in keys},
        "resolution": describe_resolution(chart),
        "star": star(chart),
        "false_detail": {"mean_levels": round(float(np.mean(levels)), 3), **shown},
        **_fields(subject),
    }


def _true_pictures(pairs: Sequence[Pair], scale: int) -> Iterator[tuple[str, ImageData, Image]]:
    """Name, small picture and truth of each."""
    for pair in pairs:
        small, truth = load_pair(pair, scale, None)
        yield pair.hr.name, small, truth
    for sample in SAMPLES:
        if not pairs and sample.id in _PHOTOS:
            small, truth = small_version(ImageData(_middle(sample.make())), scale, None)
            yield sample.id, small, truth


def false_detail(result: Image, truth: Image) -> Plane:
    """Structure in `result` that `truth` does not have, in levels of 255, for each pixel: (H, W).

    Brightness without what is coarser than 4 pixels is the structure. In a Gaussian neighbourhood the part of the result's
    structure that is a (positive) multiple of the truth's, sharp or blurred by one of `_BLURS`, whichever explains most, is
    explained; the standard deviation of the rest is returned. Lost contrast and blur therefore count little, invented
    texture, displaced lines and jagged edges (aliasing, which bicubic has too) fully.
    """
    ours = _structure(result)
    energy, least = _around(ours * ours), None
    for sigma in _BLURS:
        true = _structure(np.asarray(cv2.GaussianBlur(truth, (0, 0), sigma), np.float32) if sigma else truth)
        rest = energy - np.maximum(_around(ours * true), 0) ** 2 / (_around(true * true) + _GRAIN)
        least = rest if least is None else np.minimum(least, rest)
    assert least is not None
    return np.sqrt(np.maximum(least, 0))


def _structure(image: Image) -> Plane:
    luma = (bt601_luma(image) * np.float32(255)).astype(np.float32)
    return luma - np.asarray(cv2.GaussianBlur(luma, (0, 0), _STRUCTURE), np.float32)


def _around(plane: Plane) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), _WINDOW), np.float32)


def _painted(truth: Image, false: Plane) -> Image:
    """The truth in pale gray, false detail over it in red."""
    gray = 0.45 + 0.5 * truth.mean(axis=2, keepdims=True, dtype=np.float32)
    share = np.minimum(false / _FULL_RED, 1)[..., None]
    return readonly((gray * (1 - share) + np.array([0.8, 0.0, 0.0], np.float32) * share).astype(np.float32))


def star(chart: Image) -> str:
    """The middle of the chart's star as a picture for a page: where its rays run together, nothing is told apart."""
    side = chart.shape[0]
    left, top = (int(value / 1000 * side) - _STAR_SIDE // 2 for value in STAR_CENTRE)
    return _uri(readonly(np.ascontiguousarray(chart[top : top + _STAR_SIDE, left : left + _STAR_SIDE])))


def _uri(image: Image) -> str:
    return "data:image/png;base64," + base64.b64encode(encode_png(ImageData(image))).decode("ascii")


def describe_resolution(chart: Image) -> Facts:
    """What a picture of the chart resolves, as JSON-able data."""
    found = resolution_of(chart)
    return {
        "mtf50_cycles_per_pixel": None if found.mtf50 is None else round(found.mtf50, 4),
        "mtf50_lines": None if found.mtf50_lines is None else round(found.mtf50_lines, 1),
        "finest_lines": found.finest,
    }


def _fields(subject: Subject) -> Facts:
    """Flat fields (black and white among them) must stay flat; noise is passed on, softened or amplified."""
    worst, where = 0.0, 0.0
    for level in _LEVELS:
        flat = np.full((32, 32, 3), np.float32(round(level * 255) / 255), np.float32)
        result = subject.run(readonly(flat)).rgb
        away = float(np.abs(result - flat[0, 0, 0]).max()) * 255
        if away > worst:
            worst, where = away, level
    grain = np.random.default_rng(0).normal(0.5, _NOISE, (64, 64, 3)).astype(np.float32)
    noisy = readonly(np.divide(quantize(readonly(np.clip(grain, 0, 1))), np.float32(255), dtype=np.float32))
    out = subject.run(noisy).rgb
    bars = np.zeros((32, 4 * _BAR, 3), np.float32)
    bars[:, _BAR : 2 * _BAR], bars[:, 3 * _BAR :] = 1, 1
    drawn = subject.run(readonly(bars)).rgb
    scale = subject.job.approach.scale
    true = np.repeat(np.repeat(bars, scale, axis=0), scale, axis=1)
    place = np.arange(drawn.shape[1]) % (_BAR * scale)
    plain = (place >= _AWAY * scale) & (place < (_BAR - _AWAY) * scale)
    return {
        "saturated_error_levels": round(float(np.abs(drawn - true)[:, plain].max()) * 255, 3),
        "flat_field_error_levels": round(worst, 3),
        "flat_field_worst_at": where,
        "noise_gain": round(float(out.std() / noisy.std()), 4),
    }


def _scores(result: Image, small: Image, truth: Image, scale: int) -> Facts:
    """What the report shows, and no more: NIQE would take longer than some of the methods."""
    found = {
        "psnr_y": psnr_y(result, truth, scale),
        "ssim_y": ssim_y(result, truth, scale),
        "lr_consistency": lr_consistency(result, small),
    }
    rounded = {key: None if isinf(value) else round(value, 4) for key, value in found.items()}
    return {**rounded, "colour_drift": _drift(result, truth)}


def _drift(result: Image, truth: Image) -> float:
    """The largest difference of a channel's mean, in levels of 255."""
    means: NDArray[np.float64] = np.abs(result.mean(axis=(0, 1), dtype=np.float64) - truth.mean(axis=(0, 1)))
    return round(float(means.max()) * 255, 4)


def _middle(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The middle `_CROP` x `_CROP` pixels, or what there is."""
    top, left = (max((side - _CROP) // 2, 0) for side in image.shape[:2])
    return readonly(np.ascontiguousarray(image[top : top + _CROP, left : left + _CROP]))


def _mean(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return round(float(np.mean(known)), 4) if len(known) == len(values) and known else None


def filled(size: tuple[int, int]) -> Image:
    """Smooth random colours, `size` (width, height), rounded to 8 bit. Made in place: a chart would count as memory."""
    coarse = np.random.default_rng(0).random((size[1] // 4 + 1, size[0] // 4 + 1, 3), np.float32)
    smooth = quantize(resize(readonly(coarse), (size[1], size[0])))
    return readonly(np.divide(smooth, np.float32(255), dtype=np.float32))
