"""Results of other tools for the same image: checked, aligned, and scored like the others.

A result is `brought` if a user provides its file. Since nothing is known about its computation, it has scores but no costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sr_demo.checkpoint import Checkpoint, WeightFile
from sr_demo.codecs.image_files import find_images
from sr_demo.codecs.sniff import display_name
from sr_demo.errors import BadInput, SRError, StorageError, log_unexpected
from sr_demo.image import Image, ImageData, Size, crop, same_mapping
from sr_demo.imaging import alignment
from sr_demo.inference.jobs import Done, Failed, ImageResult, Job
from sr_demo.metrics.scores import score
from sr_demo.options import Options
from sr_demo.reports.formatting import shift_phrase
from sr_demo.reports.pairing import matched
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.system import integrity
from sr_demo.user_models.model_file import public_name
from sr_demo.user_models.opening import with_unique_names

ID = "brought"
MOST = 4
"""Largest number of brought results in one comparison."""
MOST_SHIFT = 8.0
"""Largest shift in pixels that is corrected. Conventions for pixel positions differ by up to 7 px at 8x; larger shifts mean
that the result was cropped or padded."""
_LEAST_LIKENESS = 0.5
"""Smallest `alignment.similarity` of a result and its input."""

Read = Callable[[], ImageData]
"""Function that reads the file of a result, or the part of it that is compared."""


class ExternalResults(NamedTuple):
    """Results of another tool for the images of a test set."""

    job: Job
    files: tuple[Path, ...]
    """One file for each image of the test set, in its order."""


def results_of(paths: Sequence[Path], hr: Sequence[Path], scale: int) -> list[ExternalResults]:
    """Return the results in each of `paths`, matched with the images of a test set by name (see `pairing`).

    Args:
        paths: Folders of results; for a test set of one image, also its result, whatever its name.
        hr: HR images of the test set.
        scale: HR size divided by LR size.

    Raises:
        BadInput: There are too many results, an image has no result, or a folder cannot be read.
        StorageError: A file cannot be read.
    """
    found: list[ExternalResults] = []
    for job, path in zip(jobs_of(paths), paths, strict=True):
        files = find_images(path).images if path.is_dir() else (path,)
        if len(hr) > 1 or len(files) > 1:
            files = tuple(small for _, small in matched(hr, files, scale, "result"))
        found.append(ExternalResults(job, files))
    return found


def jobs_of(files: Sequence[Path]) -> list[Job]:
    """Return jobs that represent files, or folders of them, in tables and events: "brought: NAME", equal names numbered.

    Raises:
        BadInput: There are more than `MOST`.
        StorageError: A file cannot be read.
    """
    if len(files) > MOST:
        raise BadInput(f"At most {MOST} results of other tools are compared at once, not {len(files)}.")
    return [Job(one, one.checkpoints[0], Options()) for one in with_unique_names([_approach(path) for path in files])]


def _approach(path: Path) -> Approach:
    name = path.name if path.is_dir() else path.stem
    try:
        file = WeightFile(path.name, integrity.digest(path) if path.is_file() else "", 0, path=path.absolute())
    except OSError as exc:
        raise StorageError(f"{display_name(path.name)} cannot be read: {exc.strerror or exc}.") from exc
    return Approach(
        id=ID,
        title=f"brought: {display_name(name)[:60]}",
        summary="made by another tool",
        about="A result that another tool made of the same photo.",
        family="baseline",
        load=_nothing_to_load,
        checkpoints=(Checkpoint(public_name(name), "made by another tool", (file,), licence="not known"),),
        preselected=False,
    )


def _nothing_to_load(request: Request) -> Upscaler:
    raise AssertionError("a result that was brought is not run")


def attempt(job: Job, read: Read, lr: ImageData, reference: Image | None) -> Done | Failed:
    """Align and score one result; errors are returned as `Failed` with a sentence.

    Args:
        job: A job from `jobs_of`.
        read: Reads its file.
        lr: The input of the methods.
        reference: (H, W, 3), the HR image; None if it is unknown.
    """
    try:
        image = read()
        return Done(job, aligned(job, image, lr, reference))
    except SRError as exc:
        return Failed(job, str(exc))
    except Exception as exc:
        return Failed(job, log_unexpected(exc, f"comparing {job.key}"))


def aligned(job: Job, image: ImageData, lr: ImageData, reference: Image | None) -> ImageResult:
    """Check that `image` is a result for `lr`, map its values like those of `lr`, correct its shift, and score it.

    Args:
        job: A job from `jobs_of`.
        image: The result as the user provided it.
        lr: The input.
        reference: (H, W, 3) in [0, 1], the HR image; None if it is unknown.

    Raises:
        BadInput: The result has another size, shows another photo, has too large a shift, or a common mapping of the values
            is not known.
    """
    name = display_name(image.name)
    image = _of_size(name, image, lr.size, None if reference is None else Size.of(reference))
    image = same_mapping(image, lr)
    shift = alignment.shift_of(image.rgb, lr.rgb)
    if shift != alignment.NONE:
        alpha = None if image.alpha is None else alignment.undo_shift(image.alpha, shift)
        note = f"It was shifted {shift_phrase(shift)}, which was corrected."
        rgb, notes = alignment.undo_shift(image.rgb, shift), (*image.notes, note)
        image = replace(image, pixels=rgb, alpha=alpha, notes=notes)
    if alignment.similarity(image.rgb, lr.rgb) < _LEAST_LIKENESS:
        raise BadInput(
            f"{name} does not show this photo. Use what another tool made of this very photo, the whole of it."
        )
    if shift.length > MOST_SHIFT:
        raise BadInput(
            f"{name} is shifted by {shift.length:.0f} pixels against this photo, and at most {MOST_SHIFT:g} can be "
            "corrected: it seems to be cropped or padded. Use the whole result."
        )
    return ImageResult(
        job=job, size=Size.of(image.rgb), image=image, shift=shift, notes=image.notes, values=image.values,
        scores=score(image.rgb, lr.rgb, reference, round(image.size.height / lr.size.height)),
        seconds=0.0, load_seconds=0.0, peak_memory_mb=0.0, precision="", tile=0, tiles=1, halo=0,
    )  # fmt: skip


def _of_size(name: str, image: ImageData, lr: Size, reference: Size | None) -> ImageData:
    """Return `image`, cropped to the size of the reference if it is slightly larger. Raises BadInput for other sizes."""
    size = Size.of(image.rgb)
    if reference is None:
        ratio = max(size.height / lr.height, size.width / lr.width)
        if ratio < 1 or any(round(ratio * side) != large for side, large in zip(lr, size, strict=True)):
            raise BadInput(
                f"{name} has {size.width} x {size.height} pixels, which is not the photo of {lr.width} x {lr.height} "
                "enlarged: both sides must be enlarged by the same factor. Use the whole result."
            )
        return image
    # If the sides of an HR image are not multiples of the scale, its last rows and columns are not in the reference.
    spare = (size.height - reference.height, size.width - reference.width)
    if min(spare) < 0 or max(spare) >= max(reference.height // lr.height, 1):
        raise BadInput(
            f"{name} has {size.width} x {size.height} pixels, and the original {reference.width} x {reference.height}: to be "
            "scored against it, a result must have its size."
        )
    return image if not any(spare) else crop(image, 0, 0, *reference)


def part(image: ImageData, whole: Size, top: int, left: int, size: Size) -> ImageData:
    """Return the part of a result that shows a region of the photo.

    Args:
        image: The result for the whole photo.
        whole: Size of the photo.
        top: First row of the region, in pixels of the photo.
        left: First column of the region.
        size: Size of the region.

    Raises:
        BadInput: The scale of the result is not an integer, so that the region may not begin at a whole pixel.
    """
    if size == whole:
        return image
    own = Size.of(image.rgb)
    times = own.height // whole.height
    if times == 0 or own != (times * whole.height, times * whole.width):
        raise BadInput(
            f"{display_name(image.name)} has {own.width} x {own.height} pixels, not a whole number of times those of the "
            f"photo ({whole.width} x {whole.height}), so no part of it can be compared. Choose the whole photo."
        )
    return crop(image, times * top, times * left, times * size.height, times * size.width)
