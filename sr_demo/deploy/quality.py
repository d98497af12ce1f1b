"""Quality of one approach's results: scores, resolving power, flat fields, noise, saturation, false detail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from math import isinf, log10

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.deploy.timed_run import Subject
from sr_demo.errors import BadInput
from sr_demo.image import Image, ImageData, Size, bt601_luma, quantize, readonly
from sr_demo.imaging.resize import resize
from sr_demo.imaging.resolution_chart import STAR_CENTRE, resolution_chart
from sr_demo.imaging.samples import SAMPLES
from sr_demo.metrics.full_reference import lr_consistency, psnr_y, ssim_y
from sr_demo.metrics.invention import Invention, invention
from sr_demo.metrics.resolution import measure as resolution_of
from sr_demo.reports.evaluation import Pair, load_pair, lr_and_reference
from sr_demo.reports.html import image_uri
from sr_demo.reports.verdicts import Facts

Plane = NDArray[np.float32]
BUNDLED = "the central 256 x 256 pixels of four bundled photos"
_PHOTOS = ("cat", "text", "cells", "brick")
_CROP = 256
"""Side of the references in pixels, which are the centres of the photos."""
_LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
_COMPARED = 48
"""Side in pixels of the image that is upscaled in every precision."""
_NOISE = 5 / 255
"""Standard deviation of the noise on a flat gray field."""
_BAR = 16
"""Width of the black and white bars in LR pixels."""
_AWAY = 4
"""Distance from an edge in LR pixels beyond which a bar must be uniform again."""
_STRUCTURE, _WINDOW = 4.0, 2.0
"""Sigmas in pixels of the result: of the high-pass that extracts structure, and of the neighbourhoods that are compared."""
_BLURS = (0.0, 0.7, 1.0, 1.4, 2.0, 2.8)
"""Sigmas, in pixels of the result, of the blurs of the reference that are tried to explain the result."""
_GRAIN = 0.25
"""Energy in squared levels that is caused by rounding rather than by structure."""
_FULL_RED = 16.0
"""Levels of false detail from which a pixel of the map is fully red."""
_STAR_SIDE = 160
_SHARES = tuple(field.name for field in fields(Invention))


def precisions(subject: Subject) -> Facts:
    """Compare the chosen precision and all others that the approach supports with fp32, on an image of 48 x 48 pixels."""
    image = filled(Size(_COMPARED, _COMPARED))
    chosen = subject.run(image)
    exact = chosen if chosen.precision == "fp32" else subject.run(image, "fp32")
    found: Facts = {
        "precision": chosen.precision,
        "psnr_to_fp32": None,
        "largest_difference_to_fp32": 0.0,
        "others": [],
    }
    if chosen.precision != "fp32":
        found["psnr_to_fp32"], found["largest_difference_to_fp32"] = _difference(chosen.rgb, exact.rgb)
    for precision in ("bf16", "fp16"):
        if precision == chosen.precision:
            continue
        try:
            other = subject.run(image, precision)
        except BadInput:  # not supported by this network or this hardware
            continue
        if other.precision == precision:
            psnr, largest = _difference(other.rgb, exact.rgb)
            found["others"].append(
                {"precision": precision, "psnr_to_fp32": psnr, "largest_difference_to_fp32": largest}
            )
    return found


def _difference(one: Image, exact: Image) -> tuple[float | None, float]:
    """Return PSNR in dB (None if identical) and the largest difference, for values in [0, 1]."""
    difference = one.astype(np.float64) - exact
    squared = float(np.mean(difference**2))
    return None if squared == 0 else round(-10 * log10(squared), 2), round(float(np.abs(difference).max()), 5)


def quality(subject: Subject, pairs: Sequence[Pair]) -> Facts:
    """Measure the quality of the results.

    Args:
        subject: The approach.
        pairs: Images to score on; bundled photos if it is empty.

    Returns:
        JSON-able data: scores on the resolution chart and on the images, resolving power, false detail, and errors on
        flat fields.
    """
    scale = subject.job.default_scale
    lr, reference = lr_and_reference(ImageData(resolution_chart(1024)), scale, None)
    chart = subject.run(lr.rgb).rgb
    rows: list[Facts] = [{"picture": "chart", **_scores(chart, lr.rgb, reference, scale)}]
    levels: list[float] = []
    shown: Facts = {}
    for name, lr, reference in _references(pairs, scale):
        result = subject.run(lr.rgb).rgb
        rows.append({"picture": name, **_scores(result, lr.rgb, reference, scale)})
        false = false_detail(result, reference)
        levels.append(float(false.mean()))
        if not shown:
            shown = {"picture": name, "map": image_uri(_painted(_middle(reference), _middle(false)))}
    keys = ("psnr_y", "ssim_y", "lr_consistency", "colour_drift", "improvement", "omission", "hallucination")
    return {
        "pictures": rows,
        "photos_mean": {key: _mean([p[key] for p in rows[1:]]) for key in keys},
        "resolution": describe_resolution(chart),
        "star": star(chart),
        "false_detail": {"mean_levels": round(float(np.mean(levels)), 3), **shown},
        **_fields(subject),
    }


def _references(pairs: Sequence[Pair], scale: int) -> Iterator[tuple[str, ImageData, Image]]:
    """Yield name, LR image and reference of each image to score on."""
    for pair in pairs:
        lr, reference = load_pair(pair, scale, None)
        yield pair.hr.name, lr, reference
    for sample in SAMPLES:
        if not pairs and sample.id in _PHOTOS:
            lr, reference = lr_and_reference(ImageData(_middle(sample.make())), scale, None)
            yield sample.id, lr, reference


def false_detail(result: Image, reference: Image) -> Plane:
    """Return the structure in a result that its reference does not have.

    Structure is luma after a high-pass with a sigma of 4 pixels. In each Gaussian neighbourhood, the structure of the result
    is explained by a positive multiple of the structure of the reference, blurred by the sigma among `_BLURS` that explains
    most. The standard deviation of the remainder is returned. Lost contrast and blur therefore count little; invented
    texture, displaced lines and jagged edges (aliasing, which bicubic has too) count fully.

    Args:
        result: (H, W, 3) float32 in [0, 1].
        reference: (H, W, 3) float32 in [0, 1].

    Returns:
        (H, W) float32, in levels of 0 to 255.
    """
    ours = _structure(result)
    energy, least = _local_mean(ours * ours), None
    for sigma in _BLURS:
        theirs = _structure(np.asarray(cv2.GaussianBlur(reference, (0, 0), sigma), np.float32) if sigma else reference)
        rest = energy - np.maximum(_local_mean(ours * theirs), 0) ** 2 / (_local_mean(theirs * theirs) + _GRAIN)
        least = rest if least is None else np.minimum(least, rest)
    assert least is not None
    return np.sqrt(np.maximum(least, 0))


def _structure(image: Image) -> Plane:
    luma = (bt601_luma(image) * np.float32(255)).astype(np.float32)
    return luma - np.asarray(cv2.GaussianBlur(luma, (0, 0), _STRUCTURE), np.float32)


def _local_mean(plane: Plane) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), _WINDOW), np.float32)


def _painted(reference: Image, false: Plane) -> Image:
    """Return the reference in pale gray, overlaid with false detail in red."""
    gray = 0.45 + 0.5 * reference.mean(axis=2, keepdims=True, dtype=np.float32)
    share = np.minimum(false / _FULL_RED, 1)[..., None]
    return readonly((gray * (1 - share) + np.array([0.8, 0.0, 0.0], np.float32) * share).astype(np.float32))


def star(chart: Image) -> str:
    """Return the centre of the chart's star; detail is unresolved where its rays merge.

    Args:
        chart: An upscaled resolution chart, (H, W, 3) float32 in [0, 1], square.

    Returns:
        The central 160 x 160 pixels of the star as PNG, in a `data:` address.
    """
    side = chart.shape[0]
    left, top = (int(value / 1000 * side) - _STAR_SIDE // 2 for value in STAR_CENTRE)
    return image_uri(readonly(np.ascontiguousarray(chart[top : top + _STAR_SIDE, left : left + _STAR_SIDE])))


def describe_resolution(chart: Image) -> Facts:
    """Return the resolution of an image of the resolution chart.

    Args:
        chart: An upscaled resolution chart, (H, W, 3) float32 in [0, 1], square.

    Returns:
        JSON-able data: `mtf50_cycles_per_pixel`, and `mtf50_lines` and `finest_lines` in lines per picture height. If
        nothing was found, `finest_lines` is 0 and the others are None.
    """
    found = resolution_of(chart)
    return {
        "mtf50_cycles_per_pixel": None if found.mtf50 is None else round(found.mtf50, 4),
        "mtf50_lines": None if found.mtf50_lines is None else round(found.mtf50_lines, 1),
        "finest_lines": found.finest,
    }


def _fields(subject: Subject) -> Facts:
    """Measure errors on flat fields and on bars, and the amplification of noise."""
    worst, where = 0.0, 0.0
    for level in _LEVELS:
        flat = np.full((32, 32, 3), np.float32(round(level * 255) / 255), np.float32)
        result = subject.run(readonly(flat)).rgb
        error = float(np.abs(result - flat[0, 0, 0]).max()) * 255
        if error > worst:
            worst, where = error, level
    grain = np.random.default_rng(0).normal(0.5, _NOISE, (64, 64, 3)).astype(np.float32)
    noisy = readonly(np.divide(quantize(readonly(np.clip(grain, 0, 1))), np.float32(255), dtype=np.float32))
    out = subject.run(noisy).rgb
    bars = np.zeros((32, 4 * _BAR, 3), np.float32)
    bars[:, _BAR : 2 * _BAR], bars[:, 3 * _BAR :] = 1, 1
    upscaled = subject.run(readonly(bars)).rgb
    scale = subject.job.default_scale
    expected = np.repeat(np.repeat(bars, scale, axis=0), scale, axis=1)
    place = np.arange(upscaled.shape[1]) % (_BAR * scale)
    plain = (place >= _AWAY * scale) & (place < (_BAR - _AWAY) * scale)
    return {
        "saturated_error_levels": round(float(np.abs(upscaled - expected)[:, plain].max()) * 255, 3),
        "flat_field_error_levels": round(worst, 3),
        "flat_field_worst_at": where,
        "noise_gain": round(float(out.std() / noisy.std()), 4),
    }


def _scores(result: Image, lr: Image, reference: Image, scale: int) -> Facts:
    """Return the scores of the report, without NIQE, which would take longer than some of the methods."""
    scores = {
        "psnr_y": psnr_y(result, reference, scale),
        "ssim_y": ssim_y(result, reference, scale),
        "lr_consistency": lr_consistency(result, lr),
    }
    rounded = {key: None if isinf(value) else round(value, 4) for key, value in scores.items()}
    shares = invention(result, lr, reference)
    percent = {name: None if shares is None else round(100 * getattr(shares, name), 2) for name in _SHARES}
    return {**rounded, **percent, "colour_drift": _drift(result, reference)}


def _drift(result: Image, reference: Image) -> float:
    """Return the largest difference of a channel's mean, in levels of 0 to 255."""
    means: NDArray[np.float64] = np.abs(result.mean(axis=(0, 1), dtype=np.float64) - reference.mean(axis=(0, 1)))
    return round(float(means.max()) * 255, 4)


def _middle(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the central `_CROP` x `_CROP` pixels, or fewer for a smaller image."""
    top, left = (max((side - _CROP) // 2, 0) for side in image.shape[:2])
    return readonly(np.ascontiguousarray(image[top : top + _CROP, left : left + _CROP]))


def _mean(values: list[float | None]) -> float | None:
    """Return the mean of the known values. Images without one, such as a flat one for its share of detail, do not count."""
    known = [v for v in values if v is not None]
    return round(float(np.mean(known)), 4) if known else None


def filled(size: Size) -> Image:
    """Return an image of smooth random colours, rounded to 8 bit. It needs less memory than the resolution chart."""
    coarse = np.random.default_rng(0).random((size.height // 4 + 1, size.width // 4 + 1, 3), np.float32)
    smooth = quantize(resize(readonly(coarse), size))
    return readonly(np.divide(smooth, np.float32(255), dtype=np.float32))
