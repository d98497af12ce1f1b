"""Adjustment of a finished comparison: less detail, and maps of invented detail, computed on request from its files.

For a result `srgan.png`, a request writes these files into the folder of the comparison::

    faithful-512x384.png         the partner's result of that size, for all results
    srgan_detailed.png           all detail of the result on the low band of the partner's: see `imaging/detail.py`
    srgan_detail-60.png          the result with a detail of 0.6, which Save, zip and Share then contain
    srgan_detail-60_masked-1a2b3c4d.png    the same with a mask: see `detail_limits.py`
    srgan_detail-60_invention.png    the map of the displayed result

The viewer mixes the first two itself, so that slider and brush take effect without a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import BadInput
from sr_demo.faces.detection import detect
from sr_demo.image import Image, ImageData, Limits, Size, crop, read, write_png
from sr_demo.imaging.detail import ALMOST_ALL, blend_detail, mix_detail, unmix_detail
from sr_demo.inference.faithful import (
    detail_map,
    detail_of,
    faithful_job,
    is_adjustable,
    with_detail,
    with_lr_consistency,
)
from sr_demo.inference.jobs import Result
from sr_demo.inference.runner import Runner
from sr_demo.metrics.scores import score
from sr_demo.progress import Progress
from sr_demo.reports.invention_overlay import amplitude_overlay, reference_overlay, unsupported_overlay
from sr_demo.reports.saved_image import Part, SavedImage, save, save_result, shown_file
from sr_demo.reports.table import html_table
from sr_demo.ui.compare import detail_limits
from sr_demo.ui.compare.comparison import write_all
from sr_demo.ui.compare.detail_limits import Mask
from sr_demo.ui.compare.view import MOST_SPREAD, ShownImage, chart, difference_image
from sr_demo.ui.histories import StoredComparison
from sr_demo.ui.viewer.viewer import ViewerImage, file_url

STEPS = 20
"""Number of steps of the slider from 0 to 1."""
_LIMITS = Limits(max_bytes=2**34, max_pixels=2 * 10**9, max_side=2**20, max_unpacked=2**36)
"""Limits for reading PNG files that this program wrote."""
_MOST_PIXELS = 16_000_000
"""Largest number of pixels of a result for which a map is drawn."""


@dataclass(frozen=True)
class AdjustmentRequest:
    """A visitor's request: how a comparison is to be shown."""

    detail: float = 1.0
    """Detail of all results whose detail can be reduced, 0..1."""
    mapped: bool = False
    """Whether maps are shown."""
    number: int = 0
    """Sequence number of the request: the browser ignores responses to earlier ones."""
    mask: Mask | None = None
    """Areas where the results show none of their detail; None if nothing is painted."""

    @staticmethod
    def of(given: object) -> AdjustmentRequest:
        """Return the request that a browser has sent as attributes of `given`. Raises BadInput."""
        detail, mapped, number = (getattr(given, name, None) for name in ("detail", "mapped", "number"))
        if not isinstance(detail, float | int) or not 0 <= detail <= 1 or not isinstance(number, int):
            raise BadInput("The detail is a number from 0 to 1.")
        mask = detail_limits.mask_of(getattr(given, "mask", None))
        return AdjustmentRequest(round(STEPS * detail) / STEPS, mapped is True, number, mask)


def apply_adjustment(
    runner: Runner, run: StoredComparison, wish: AdjustmentRequest, progress: Progress
) -> dict[str, Any]:
    """Write the images of a comparison as requested, and its downloads with them.

    Args:
        runner: Runs the faithful partner.
        run: The comparison.
        wish: The request.
        progress: Receives 0..1.

    Returns:
        The values of the page's components, which `run` stores: see `StoredComparison.write`.

    Raises:
        SRError: A file of the comparison was deleted, or a file cannot be written.
        Cancelled: The visitor has pressed Stop.
    """
    before, shown = run.comparison, run.read()
    files = _Files(run, runner, wish.mask)
    saved = {image.id: image for image in before.images}
    results: list[Result] = []
    images: dict[str, ViewerImage] = {}
    for number, result in enumerate(before.results):
        part = progress.part(number / len(before.results), (number + 1) / len(before.results))
        part(0.0, result.job.title)
        name = result.job.file_name
        made = files.with_detail(result, saved[name], wish.detail, part)
        image = made.shown.for_viewer()
        image = replace(image, url=file_url(saved[name].shown), download_url=made.download or image.download_url)
        if made.faithful is not None and made.detailed is not None:
            mixed = file_url(shown_file(made.faithful)), file_url(shown_file(made.detailed))
            image = replace(image, faithful_url=mixed[0], detailed_url=mixed[1])
        if wish.mapped and saved[name].size == result.size:
            image = replace(image, invention_url=file_url(files.map_of(made, part)))
        results.append(made.result)
        images[name], saved[name] = image, made.shown.saved
    now = replace(before, results=results, images=[saved[image.id] for image in before.images])
    downloads = {kind: str(file) for kind, file in write_all(now, run.folder).items()}
    viewer = shown["viewer"]
    given = [asdict(images[one["id"]]) if one["id"] in images else one for one in viewer["images"]]
    detail_limits.delete_other_masks(wish.mask, run.folder)
    shown |= {
        "viewer": {**viewer, "images": given, "adjusted": files.state(wish)}, "table": html_table(results),
        "chart": chart(results), "files": downloads,
    }  # fmt: skip
    run.write(shown)
    return shown


def is_outdated(run: StoredComparison, wish: AdjustmentRequest) -> bool:
    """Return whether a later request has been handled: requests may arrive in another order than they were sent."""
    return (run.read()["viewer"].get("adjusted") or _state(AdjustmentRequest()))["number"] > wish.number


def previous_value(run: StoredComparison, number: object) -> dict[str, Any]:
    """Return the viewer's previous value as the response to request `number`, which was rejected."""
    viewer = run.read()["viewer"]
    before = viewer.get("adjusted") or _state(AdjustmentRequest())
    return {**viewer, "adjusted": {**before, "number": number if isinstance(number, int) else before["number"]}}


def _state(wish: AdjustmentRequest) -> dict[str, Any]:
    """Return a request in the viewer's format, without the mask, which has an address there."""
    return {"detail": wish.detail, "mapped": wish.mapped, "number": wish.number}


def with_faces(run: StoredComparison) -> dict[str, Any]:
    """Return the viewer's value with the positions of faces in the photo, which are stored nowhere.

    Each face is a box in the viewer's format of parts: left, top, width and height, as fractions of the photo.

    Raises:
        SRError: A file of the comparison was deleted.
    """
    viewer = run.read()["viewer"]
    photo = read(run.folder / f"{viewer['images'][0]['id']}.png", _LIMITS).rgb
    height, width = photo.shape[:2]
    boxes = [(f.left / width, f.top / height, f.width / width, f.height / height) for f in detect(photo)]
    return {**viewer, "faces": boxes}


class _Made(NamedTuple):
    """A result with the requested detail."""

    result: Result
    shown: ShownImage
    download: str = ""
    """Address of its file if the viewer loads another one."""
    faithful: Path | None = None
    detailed: Path | None = None


class _Files:
    """The images of one comparison, which are read and computed when needed."""

    def __init__(self, run: StoredComparison, runner: Runner, mask: Mask | None) -> None:
        self._folder, self._results, self._runner = run.folder, run.comparison.results, runner
        original = run.folder / "truth.png"  # words: ok
        photo = read(run.folder / "input.png", _LIMITS)
        part = next((image.part for image in run.comparison.images if image.part), None)
        self.lr = photo if part is None else _cut(photo, part)
        self.reference = read(original, _LIMITS).rgb if original.is_file() else None
        self._mask, self._mask_file = mask, detail_limits.written(mask, run.folder) if mask else None

    def state(self, wish: AdjustmentRequest) -> dict[str, Any]:
        """Return the viewer's data about the images that were made for `wish`."""
        faces = None if self._faces is None else detail_limits.write_faces(self._faces, self._folder)
        urls = {"mask_url": self._mask_file, "faces_url": faces}
        addresses = {name: file_url(path) if path else "" for name, path in urls.items()}
        spread = self.reference is None and any(self._spread(result).is_file() for result in self._results)
        return {**_state(wish), **addresses, "reference": self.reference is not None, "spread": spread}

    @cached_property
    def _faces(self) -> NDArray[np.float32] | None:
        """Limit of detail at each place, lower in faces; None if no result has limited detail in faces."""
        kept = next((result for result in self._results if result.kept_faces), None)
        return None if kept is None else detail_limits.face_limits(kept, self.lr.rgb)

    def _faces_in(self, result: Result) -> list[NDArray[np.float32]]:
        """Return the limits of detail in faces that apply to a result: one, or none."""
        return [self._faces] if result.kept_faces and self._faces is not None else []

    def with_detail(self, result: Result, saved: SavedImage, detail: float, progress: Progress) -> _Made:
        """Return a result with this detail; a result whose detail cannot be reduced is returned unchanged."""
        difference = self._folder / f"{result.job.file_name}_difference.png"
        plain = _Made(result, ShownImage(saved, difference if self.reference is not None else None))
        # If the results show a part, one image may show the whole photo.
        if not is_adjustable(result.job) or saved.size != result.size:
            return plain
        faithful = self.faithful(result, progress)
        scale = result.size[0] / self.lr.rgb.shape[0]
        whole = read(saved.path, _LIMITS)
        detailed = self._detailed(result, whole, faithful, saved)
        if detail == 1 and self._mask is None:
            return plain._replace(shown=replace(plain.shown, invents=True), faithful=faithful, detailed=detailed)
        share = self._share(replace(result, job=with_detail(result.job, detail)))
        rgb = mix_detail(read(detailed, _LIMITS).rgb, read(faithful, _LIMITS).rgb, share)
        scores = score(rgb, self.lr.rgb, self.reference, round(scale))
        made = replace(
            result, job=with_detail(result.job, detail), scores=scores, masked=self._mask is not None
        )  # fmt: skip
        ending = self._mask.ending if self._mask else ""
        blended = save_result(made.with_image(replace(whole, pixels=rgb)), self._folder, ending)
        blended = replace(blended, name=saved.id, part=saved.part)
        if self.reference is not None:
            difference = blended.path.with_name(f"{blended.path.stem}_difference.png")
            write_png(ImageData(difference_image(rgb, self.reference)), difference)
        shown = ShownImage(blended, plain.shown.difference and difference, invents=True)
        return _Made(made, shown, file_url(blended.path), faithful, detailed)

    def _share(self, result: Result) -> float | NDArray[np.float32]:
        """Return the share of the detail that a result shows at each place, given the detail of its job."""
        painted = [detail_limits.mask_limits(self._mask_file)] if self._mask_file else []
        scale = result.size[0] / self.lr.rgb.shape[0]
        return detail_map([*painted, *self._faces_in(result)], detail_of(result.job), Size(*result.size), scale)

    def _spread(self, result: Result) -> Path:
        """Return the path of the spread of a diffusion model's samples; the file does not exist for other methods."""
        return self._folder / f"{result.job.file_name}_spread.png"

    def faithful(self, result: Result, progress: Progress) -> Path:
        """Return the file of the faithful partner's result in the size of `result`."""
        height, width = result.size
        path = self._folder / f"faithful-{width}x{height}.png"

        def make() -> ImageData:
            made = self._runner.run(faithful_job(result.job), self.lr, progress=progress)
            return with_lr_consistency(made.image, self.lr)

        return _once(path, make)

    def _detailed(self, result: Result, whole: ImageData, faithful: Path, saved: SavedImage) -> Path:
        """Return the file with all detail of a result, in faces too, on the low band of the partner's result."""

        def make() -> ImageData:
            plain, faces = read(faithful, _LIMITS).rgb, self._faces_in(result)
            if not faces:
                return replace(whole, pixels=blend_detail(whole.rgb, plain, ALMOST_ALL, self.lr.rgb))
            # A result with limited detail in faces is a mixture already.
            scale = result.size[0] / self.lr.rgb.shape[0]
            return replace(
                whole, pixels=unmix_detail(whole.rgb, plain, detail_map(faces, 1.0, Size(*result.size), scale))
            )

        return _once(saved.path.with_name(f"{saved.path.stem}_detailed.png"), make)

    def map_of(self, made: _Made, progress: Progress) -> Path:
        """Return the file of the map of a displayed result. Raises BadInput if the result is too large."""
        image = read(made.shown.saved.path, _LIMITS).rgb
        if image.shape[0] * image.shape[1] > _MOST_PIXELS:
            raise BadInput(f"Maps are drawn for results of up to {_MOST_PIXELS // 10**6} megapixels. Choose a part.")
        shown = made.shown.saved.path
        path = shown.with_name(f"{shown.stem}_invention.png")
        write_png(self._overlay(image, made.result, progress), path)
        return path

    def _overlay(self, image: Image, result: Result, progress: Progress) -> ImageData:
        if self.reference is not None and self.reference.shape == image.shape:
            return reference_overlay(image, self.lr.rgb, self.reference)
        spread = self._spread(result)
        if spread.is_file():
            return amplitude_overlay(read(spread, _LIMITS).rgb[..., 0] * np.float32(MOST_SPREAD) * self._share(result))
        paths = [
            self.faithful(result, progress),
            *(path for key, path in self._others(result) if key != result.job.key),
        ]
        return unsupported_overlay(image, self.lr.rgb, (read(path, _LIMITS).rgb for path in paths))

    def _others(self, result: Result) -> Iterator[tuple[str, Path]]:
        """Yield job key and file of each result of the same size by a trained method that invents no detail."""
        for other in self._results:
            job = other.job
            if job.approach.invents_with(job.checkpoint) or job.approach.family == "baseline" or other.is_brought:
                continue
            if other.size == result.size:
                yield job.key, self._folder / f"{job.file_name}.png"


def _cut(photo: ImageData, part: Part) -> ImageData:
    height, width = photo.rgb.shape[:2]
    tops, lefts = (part.top, part.height), (part.left, part.width)
    (top, rows), (left, columns) = (
        [round(of * share) for share in each] for of, each in ((height, tops), (width, lefts))
    )
    return crop(photo, top, left, rows, columns)


def _once(path: Path, make: Callable[[], ImageData]) -> Path:
    """Return `path`; compute and write its image if the file does not exist yet."""
    if not path.is_file():
        save(make(), path, "", "", "")
    return path
