"""What a visitor can download of a comparison: all images in a zip, with a report as HTML and one as JSON."""

from __future__ import annotations

import json
import os
import platform
import zipfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sr_demo import __version__
from sr_demo.errors import StorageError
from sr_demo.image import Size
from sr_demo.inference.jobs import Result
from sr_demo.metrics.scores import COLUMNS
from sr_demo.reports.html import png_uri, render
from sr_demo.reports.saved_image import SavedImage
from sr_demo.reports.table import html_table, record
from sr_demo.system.storage import write_atomically

_EMBEDDED_LIMIT = 48 * 2**20
"""Largest sum of the image files in bytes that `report_html` embeds; beyond, it only names the files."""
_FIGURES = "<!-- figures -->"
"""Where the images go in a rendered page. Escaping keeps it out of every text."""


@dataclass(frozen=True)
class Comparison:
    """Everything that a report contains."""

    name: str
    """Name of the uploaded file."""
    input_size: Size
    """Size of the LR image that the approaches were given."""
    how: str
    """One sentence on where the LR image comes from: the upload itself, or how it was made from the reference."""
    results: Sequence[Result]
    images: Sequence[SavedImage]
    failures: Sequence[tuple[str, str]] = ()
    """Title of an approach and its error message."""
    made: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


def write_downloads(comparison: Comparison, folder: Path) -> dict[str, Path]:
    """Write both reports and the zip into `folder`, which must exist. Raises StorageError.

    Returns:
        The files by their kind: "zip", "html" (stands alone, images embedded) and "json".
    """
    files = {
        "zip": folder / "super-resolution.zip",
        "html": folder / "report.html",
        "json": folder / "report.json",
    }
    page, data = _page(comparison), report_json(comparison)
    with _disk_refusals():
        _write_zip(comparison.images, page, data, files["zip"])
        files["html"].write_text(_with_embedded_images(page, comparison.images), encoding="utf-8")
        files["json"].write_text(data, encoding="utf-8")
    return files


def report_json(comparison: Comparison) -> str:
    """Return the comparison as JSON."""
    height, width = comparison.input_size
    return json.dumps(
        {
            "program": f"sr_demo {__version__}",
            "made": comparison.made.isoformat(timespec="seconds"),
            "input": {"name": comparison.name, "width": width, "height": height},
            "how": comparison.how,
            "machine": machine(),
            "conventions": {c.key: c.help for c in COLUMNS},
            "results": [record(result) for result in comparison.results],
            "failures": [{"title": title, "message": message} for title, message in comparison.failures],
        },
        indent=2,
    )


def report_html(comparison: Comparison) -> str:
    """Return the comparison as an HTML page that needs no other file and no network; large images are only named."""
    return _with_embedded_images(_page(comparison), comparison.images)


def write_zip(comparison: Comparison, target: Path) -> None:
    """Write a zip of all images, `report.json` and `report.html`; `target` appears only when complete.

    PNG files are stored as they are, since compressing them again gains nothing. Raises StorageError.
    """
    with _disk_refusals():
        _write_zip(comparison.images, _page(comparison), report_json(comparison), target)


def _write_zip(images: Sequence[SavedImage], page: str, data: str, target: Path) -> None:
    def write(part: Path) -> None:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for image in images:
                archive.write(image.path, image.path.name)
            archive.writestr("report.json", data)
            archive.writestr("report.html", _with_figures(page, images, lambda path: quote(path.name)))

    write_atomically(target, write)


@contextmanager
def _disk_refusals() -> Generator[None]:
    """Translate the errors of a disk that refuses into StorageError."""
    try:
        yield
    except OSError as exc:
        raise StorageError(f"The results could not be saved: {exc.strerror or exc}. Free some disk space.") from exc


def _page(comparison: Comparison) -> str:
    """Return the HTML report with `_FIGURES` in the place of its images."""
    height, width = comparison.input_size
    return render(
        "comparison.html",
        title=f"Super-resolution, side by side: {comparison.name}",
        comparison=comparison,
        width=width,
        height=height,
        version=__version__,
        table=html_table(comparison.results),
        figures=_FIGURES,
        machine=machine(),
    )


def _with_embedded_images(page: str, images: Sequence[SavedImage]) -> str:
    if sum(image.path.stat().st_size for image in images) > _EMBEDDED_LIMIT:
        names = ", ".join(image.path.name for image in images)
        return page.replace(_FIGURES, render("figures.html", figures=[], names=names))
    return _with_figures(page, images, lambda path: png_uri(path.read_bytes()))


def _with_figures(page: str, images: Sequence[SavedImage], source: Callable[[Path], str]) -> str:
    """Put the images into a page; `source` returns the address of an image file."""
    figures = [(image, source(image.path)) for image in images]
    return page.replace(_FIGURES, render("figures.html", figures=figures, names=""))


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on: processor, cores, system and versions, as JSON-able data."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "torch": _version("torch"),
        "spandrel": _version("spandrel"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: the platform module has to do
    return platform.processor() or "unknown"
