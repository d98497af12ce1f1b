"""The faithful partner of a generative method, whose result is blended with the generative one to reduce its detail.

EDSR is the partner of all generative methods: it ships with this app, is fast, and was trained for fidelity alone. It
upscales the same input to the same size. Its result is corrected by back-projection until it downscales to the input
(`with_lr_consistency`), so that no method has a higher LR consistency than its partner. `imaging/detail.py` blends the two.

Three values limit the detail at each pixel of a result, and the lowest one applies: the option `detail` for the whole image,
`face_detail` in faces, and a mask, which allows no detail where it is white. `detail_map` applies this rule for the page, the
command line and the API.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches import edsr
from sr_demo.errors import BadInput
from sr_demo.faces.detail_limit import FaceDetailLimit, face_detail_limit
from sr_demo.faces.detection import detect
from sr_demo.image import Image, ImageData, Size, bt601_luma
from sr_demo.imaging.back_projection import enforce_lr_consistency
from sr_demo.imaging.letters import has_fine_text
from sr_demo.imaging.output_size import by_factor
from sr_demo.inference.black_and_white import keep_black_and_white
from sr_demo.inference.jobs import Job
from sr_demo.inference.shared_work import SharedWork
from sr_demo.options import as_dict, build
from sr_demo.system.large_array import bands, release, zeros

APPROACH = edsr.APPROACH
_NEAR = 0.01 / 255
"""Largest root mean square difference between input and downscaled partner; rounding to 8 bits adds six times as much."""
_SOFT_REACH = 4
"""Radius in sigmas of the filter that OpenCV chooses for a Gaussian of float32."""


def detail_of(job: Job) -> float:
    """Return the share of its detail that a job shows, in [0, 1]; always 1 for methods that do not invent detail."""
    return float(getattr(job.options, "detail", 1)) if job.approach.invents_with(job.checkpoint) else 1.0


def is_adjustable(job: Job) -> bool:
    """Return whether the detail of results of `job` can be reduced."""
    return job.approach.invents_with(job.checkpoint) and hasattr(job.options, "detail")


def can_limit_face_detail(job: Job) -> bool:
    """Return whether the detail of results of `job` can be reduced in faces."""
    return is_adjustable(job) and hasattr(job.options, "face_detail")


def with_detail(job: Job, detail: float) -> Job:
    """Return an adjustable job with another value of its option `detail`."""
    return replace(job, options=build(job.approach.options, {**as_dict(job.options), "detail": detail}))


def partner(job: Job, *, part: bool = False) -> Job | None:
    """Return the job whose result is blended with that of `job`; None if the result of `job` is shown unchanged.

    Args:
        job: A job of any method.
        part: Whether the detail is to be reduced in a part of the image.

    Raises:
        BadInput: `part` is set for a method that does not invent detail.
    """
    if part and not is_adjustable(job):
        raise BadInput(
            f"{job.title} cannot show less detail in a part of the picture. Choose a method that invents detail."
        )
    return faithful_job(job) if part or detail_of(job) < 1 else None


def face_limit_of(job: Job, image: Image, shared: SharedWork) -> FaceDetailLimit | None:
    """Return the detail that a job may show because of the faces in an image.

    Args:
        job: A job of any method.
        image: (H, W, 3) in [0, 1].
        shared: Shared work for this image.

    Returns:
        The allowed detail; None if the job does not reduce detail in faces, or if there are no faces.
    """
    detail, most = detail_of(job), float(getattr(job.options, "face_detail", 1))
    if not can_limit_face_detail(job) or most >= detail:
        return None
    faces = shared.once("faces", lambda: detect(image))
    return face_detail_limit(faces, Size.of(image), most) if faces else None


def changes_letters(job: Job, image: Image, shared: SharedWork) -> bool:
    """Return whether the image contains fine text that the job may change. See `face_limit_of` for the arguments."""
    draws = job.approach.invents_with(job.checkpoint) and job.approach.family != "faces" and detail_of(job) > 0
    return draws and shared.once("letters", lambda: has_fine_text(image))


def allowed_detail(mask: Image) -> NDArray[np.float32]:
    """Return the detail that a mask (h, w, 3) allows at each pixel, (h, w) in [0, 1]: 0 where it is white."""
    return np.asarray(1 - bt601_luma(mask), np.float32).clip(0, 1)


def detail_map(
    limits: Sequence[NDArray[np.float32]], detail: float, size: Size, scale: float
) -> float | NDArray[np.float32]:
    """Return the detail of each pixel of a result for `blend_detail`, the minimum of all limits.

    Args:
        limits: Allowed detail at each pixel, (h, w) each in [0, 1], of any size.
        detail: Detail of the job, which is the limit everywhere.
        size: Size of the result.
        scale: Scale factor of the result.

    Returns:
        (H, W) in [0, 1], with edges that are soft over about two pixels of the input, memory-mapped if large; the number
        `detail` without `limits`.
    """
    if not limits:
        return detail
    least = zeros(*size)
    reach = ceil(_SOFT_REACH * scale) + 1
    for rows in bands(least, least=reach):
        wide = slice(max(rows.start - reach, 0), min(rows.stop + reach, size.height))
        least[rows] = detail
        for limit in limits:
            soft = np.asarray(cv2.GaussianBlur(_resized_rows(limit, size, wide), (0, 0), scale), np.float32)
            np.minimum(least[rows], soft[rows.start - wide.start : rows.stop - wide.start], out=least[rows])
        np.clip(least[rows], 0, 1, out=least[rows])
    return least


def _resized_rows(limit: NDArray[np.float32], size: Size, rows: slice) -> NDArray[np.float32]:
    """Return some rows of a limit (h, w) resized to `size` by linear interpolation."""
    last = len(limit) - 1
    position = ((np.arange(rows.start, rows.stop) + 0.5) * len(limit) / size.height - 0.5).clip(0, last)
    above = position.astype(np.intp)
    share = (position - above).astype(np.float32)[:, None]
    between = limit[above] * (1 - share) + limit[np.minimum(above + 1, last)] * share
    return np.asarray(cv2.resize(between, (size.width, len(between)), interpolation=cv2.INTER_LINEAR), np.float32)


def faithful_job(job: Job) -> Job:
    """Return the job of the faithful method whose results have the size of those of `job`."""
    checkpoint = APPROACH.checkpoint()
    own = APPROACH.scale_of(checkpoint)
    size = job.size or (None if job.scale == own else by_factor(job.scale))
    return Job(APPROACH, checkpoint, APPROACH.options(), size=size)


def with_lr_consistency(result: ImageData, image: ImageData) -> ImageData:
    """Correct a result of the faithful method for `image` by back-projection, so that it downscales to `image`."""
    out = zeros(*result.pixels.shape)
    rgb = result.rgb
    for rows in bands(rgb, out):
        out[rows] = rgb[rows]
        release(out[rows])
    enforce_lr_consistency(out, image.rgb, _NEAR)
    return replace(result, pixels=keep_black_and_white(out, image.rgb))
