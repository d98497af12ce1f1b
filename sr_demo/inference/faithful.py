"""The faithful partner of a generative method: what its detail is blended with where less than all of it is requested.

The partner of all of them is EDSR, which ships with this app, is quick, and was trained for fidelity alone. It upscales the
same input to the same size; its result is corrected until, made small again, it is the input (`agreeing`), so that no method
agrees better with the input than its partner; `imaging/detail.py` blends the two.

Three things limit the detail at each place of a result, and the lowest of the three holds: the option `detail` of all of it,
`face_detail` in faces, and a mask, which allows none where it is white. Page, command line and API follow this rule, which
`detail_map` applies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches import edsr
from sr_demo.errors import BadInput
from sr_demo.faces.detection import detect
from sr_demo.faces.keep import Kept, keep_faces
from sr_demo.image import Image, ImageData, Size, bt601_luma
from sr_demo.imaging.back_projection import make_agree
from sr_demo.imaging.letters import has_fine_text
from sr_demo.imaging.output_size import times
from sr_demo.inference.jobs import Job
from sr_demo.inference.saturation import keep_black_and_white
from sr_demo.inference.shared_work import SharedWork
from sr_demo.options import as_dict, build
from sr_demo.system.large_array import bands, release, zeros

APPROACH = edsr.APPROACH
_NEAR = 0.01 / 255
"""How far the partner may be from the input, as a root mean square: rounding a result to 8 bits adds six times as much."""


def detail_of(job: Job) -> float:
    """Return how much of its detail a job shows: 1 for every method that invents nothing, whatever its options say."""
    return float(getattr(job.options, "detail", 1)) if job.approach.invents_with(job.checkpoint) else 1.0


def is_adjustable(job: Job) -> bool:
    """Return whether a result of `job` can show less of its detail."""
    return job.approach.invents_with(job.checkpoint) and hasattr(job.options, "detail")


def keeps_faces(job: Job) -> bool:
    """Return whether a result of `job` can show less of its detail in faces."""
    return is_adjustable(job) and hasattr(job.options, "face_detail")


def with_detail(job: Job, detail: float) -> Job:
    """Return an adjustable job with another detail."""
    return replace(job, options=build(job.approach.options, {**as_dict(job.options), "detail": detail}))


def partner(job: Job, *, part: bool = False) -> Job | None:
    """Return the job whose result that of `job` is blended with; None where `job` shows its result as it is.

    Args:
        job: of any method.
        part: Whether a part of the image is to have less detail than the job shows.

    Raises:
        BadInput: `part`, for a method that invents nothing.
    """
    if part and not is_adjustable(job):
        raise BadInput(
            f"{job.title} cannot show less detail in a part of the picture. Choose a method that invents detail."
        )
    return faithful_job(job) if part or detail_of(job) < 1 else None


def kept_faces(job: Job, image: Image, shared: SharedWork) -> Kept | None:
    """Return where a job shows less of its detail since faces are there; None where it treats faces like all else.

    Args:
        job: of any method.
        image: (H, W, 3) in [0, 1].
        shared: of this image.
    """
    detail, most = detail_of(job), float(getattr(job.options, "face_detail", 1))
    if not keeps_faces(job) or most >= detail:
        return None
    faces = shared.once("faces", lambda: detect(image))
    return keep_faces(faces, Size.of(image), most) if faces else None


def changes_letters(job: Job, image: Image, shared: SharedWork) -> bool:
    """Return whether the image holds fine text, and the job may draw other letters; arguments as of `kept_faces`."""
    draws = job.approach.invents_with(job.checkpoint) and job.approach.family != "faces" and detail_of(job) > 0
    return draws and shared.once("letters", lambda: has_fine_text(image))


def allowed_by(mask: Image) -> NDArray[np.float32]:
    """Return the most detail that a mask (h, w, 3) allows at each place, (h, w) in [0, 1]: none where it is white."""
    return np.asarray(1 - bt601_luma(mask), np.float32).clip(0, 1)


def detail_map(
    limits: Sequence[NDArray[np.float32]], detail: float, size: Size, scale: float
) -> float | NDArray[np.float32]:
    """Return the detail of each pixel of a result, for `blend_detail`: the lowest of all limits there.

    Args:
        limits: (h, w) each in [0, 1], of any size: the most detail that is allowed at each place.
        detail: of the job, which is the most everywhere.
        size: of the result.
        scale: of the result.

    Returns:
        (H, W) in [0, 1], with edges that are soft over about two pixels of the input; `detail` where nothing else limits it.
    """
    if not limits:
        return detail
    least = np.full(size, detail, np.float32)
    for limit in limits:
        large = cv2.resize(limit, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
        np.minimum(least, np.asarray(cv2.GaussianBlur(large, (0, 0), scale), np.float32), out=least)
    return least.clip(0, 1)


def faithful_job(job: Job) -> Job:
    """Return the job of the faithful method, for results as large as those of `job`."""
    checkpoint = APPROACH.checkpoint()
    own = APPROACH.scale_of(checkpoint)
    size = job.size or (None if job.scale == own else times(job.scale))
    return Job(APPROACH, checkpoint, APPROACH.options(), size=size)


def agreeing(result: ImageData, image: ImageData) -> ImageData:
    """Return a result of the faithful method for `image`, corrected until it is `image` when it is made small again."""
    out = zeros(*result.pixels.shape)
    rgb = result.rgb
    for rows in bands(rgb, out):
        out[rows] = rgb[rows]
        release(out[rows])
    make_agree(out, image.rgb, _NEAR)
    return replace(result, pixels=keep_black_and_white(out, image.rgb))
