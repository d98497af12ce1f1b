"""Super-resolution approaches side by side, with what each one costs.

The functions here are the public API. `import sr_demo` alone is cheap: they import what they need when they are called.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sr_demo.errors import SRError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sr_demo.image import ImageData
    from sr_demo.inference.jobs import ImageResult, Job
    from sr_demo.inference.runner import Runner
    from sr_demo.spec import Precision

    ImageLike: TypeAlias = str | PathLike[str] | ArrayLike
    """An image file, or an array: (H, W, 3) uint8, uint16, or floating point in [0, 1]."""

__version__ = "0.2.0"
__all__ = ["SRError", "compare", "evaluate", "list_approaches", "upscale"]


def list_approaches() -> list[dict[str, Any]]:
    """Return all approaches with their options, checkpoints and licences, as `list --json` prints them."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.reports.catalogue_listing import describe

    return describe(APPROACHES)


def upscale(
    image: ImageLike,
    approach: str = "rdn",
    *,
    precision: Precision = "auto",
    download: bool = False,
    size: float | str | None = None,
    mask: ImageLike | None = None,
    **options: object,
) -> ImageResult:
    """Upscale one image with one approach.

    Args:
        image: An image file (PNG, JPEG, TIFF, WebP, HEIC and others), or an array: (H, W, 3) uint8, uint16, or floating
            point in [0, 1].
        approach: `ID` or `ID:CHECKPOINT`, such as `rdn` or `hat:imagenet`.
        precision: Number format of the network: `auto`, `fp32`, `bf16`, `fp16` or `int8`.
        download: Allow a large download if the checkpoint needs one.
        size: Size of the result: a factor from 1 to 8, or a text such as "1920 wide", "1080 high" or "30x20cm@300"
            (print); None uses the scale of the approach, 4 for most.
        mask: Mask image of any size; white marks the regions where no detail may be invented. For approaches that invent
            detail.
        options: Options of the approach, such as `scale=3.3` for `liif`.

    Returns:
        The result. Its `rgb` is (height, width, 3) float32 in [0, 1], its `save(path)` writes a PNG, and its `sizing` says
        how a requested size was reached.

    Raises:
        SRError: The image cannot be read, a name, an option or the size is unknown, or the approach cannot run here.
    """
    from sr_demo.inference.faithful import allowed_detail

    allowed = None if mask is None else allowed_detail(_read(mask).rgb)
    return _runner().run(_job(approach, options, precision, download, size), _read(image), allowed=allowed)


def compare(
    image: ImageLike,
    names: Sequence[str] = ("bicubic", "rdn"),
    *,
    reference: ImageLike | None = None,
    size: float | str | None = None,
    report: str | PathLike[str] | None = None,
) -> dict[str, ImageResult]:
    """Upscale one image with several approaches, one after the other.

    Args:
        image: See `upscale`.
        names: `ID` or `ID:CHECKPOINT` of each approach.
        reference: HR image of the same size as the results, against which they are scored; None omits the scores that
            need a reference.
        size: Size of the results; see `upscale`.
        report: Path of a self-contained HTML page to write, with input and results; None writes no page.

    Returns:
        The results by name, in the order of `names`.

    Raises:
        SRError: An image cannot be read, a name is unknown, one of the approaches cannot run here, or the page cannot be
            written.
    """
    from sr_demo.image import same_mapping
    from sr_demo.inference.shared_work import SharedWork

    jobs = {name: _job(name, size=size) for name in names}
    lr = _read(image)
    hr = None if reference is None else same_mapping(_read(reference), lr).rgb
    shared = SharedWork()
    results = {name: _runner().run(job, lr, hr, shared=shared) for name, job in jobs.items()}
    if report is not None:
        from sr_demo.ui.viewer.shared_page import write_results_page

        different = {result.job.key: result for result in results.values()}
        write_results_page(lr, list(different.values()), Path(report), hr)
    return results


def evaluate(
    hr: str | PathLike[str],
    lr: str | PathLike[str] | None = None,
    names: Sequence[str] = ("bicubic", "rdn"),
    scale: int | None = None,
) -> list[dict[str, Any]]:
    """Score approaches on a folder of images, by the conventions of the published tables.

    Args:
        hr: Folder of HR images (references).
        lr: Folder of LR images of the same names; None computes them by antialiased bicubic downscaling.
        names: `ID` or `ID:CHECKPOINT` of each approach.
        scale: Integer scale up to 8; None uses the scale of each approach.

    Returns:
        One row for each approach, with the keys of `evaluate --json`: mean scores (PSNR in dB), median seconds.

    Raises:
        SRError: Images are missing or do not match, a name is unknown, or one of the approaches cannot run here.
    """
    from sr_demo.inference.jobs import Failed
    from sr_demo.reports import evaluation

    jobs = [_job(name, size=scale) for name in names]
    rows: list[dict[str, Any]] = []
    if jobs:
        scales = [job.test_scale for job in jobs]
        found = evaluation.pairs_by_scale(Path(hr), None if lr is None else Path(lr), scales)
        for row in evaluation.evaluate(_runner(), jobs, found):
            if isinstance(row, Failed):
                raise SRError(f"{row.job.key}: {row.message}")
            rows.append(row)
    return rows


@cache
def _runner() -> Runner:
    """Return the runner of this process; networks stay loaded between calls."""
    from sr_demo.inference.runner import Runner

    return Runner()


def _job(
    name: str,
    options: dict[str, object] | None = None,
    precision: Precision = "auto",
    download: bool = False,
    size: float | str | None = None,
) -> Job:
    from sr_demo.catalogue import APPROACHES
    from sr_demo.imaging.output_size import parse
    from sr_demo.inference.jobs import job_for

    return job_for(APPROACHES, name, options, precision, download, None if size is None else parse(str(size)))


def _read(image: ImageLike) -> ImageData:
    from sr_demo.image import from_array, read

    return read(Path(image)) if isinstance(image, str | PathLike) else from_array(image)
