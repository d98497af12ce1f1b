"""The downloads of a comparison: a zip with all images, its page (`ui/viewer/shared_page.py`) and JSON."""

from __future__ import annotations

import json
import os
import platform
import zipfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from sr_demo import __version__
from sr_demo.errors import StorageError
from sr_demo.image import Size
from sr_demo.inference.jobs import Result
from sr_demo.metrics.scores import COLUMNS
from sr_demo.reports.saved_image import SavedImage
from sr_demo.reports.table import record
from sr_demo.system.storage import write_atomically

ZIP, PAGE = "super-resolution.zip", "report.html"
"""File names of the zip, and of the HTML page, in the folder of a comparison."""


@dataclass(frozen=True)
class Comparison:
    """The content of a report."""

    name: str
    """Name of the uploaded file."""
    input_size: Size
    """Size of the LR image, the input of the approaches."""
    how: str
    """One sentence on the origin of the LR image: the upload itself, or its computation from the reference."""
    results: Sequence[Result]
    images: Sequence[SavedImage]
    failures: Sequence[tuple[str, str]] = ()
    """Title of an approach and its error message."""
    pair: tuple[str, str] | None = None
    """Stems of the image files that are compared first; None for the first two."""
    centre: tuple[float, float] | None = None
    """Position (x, y) that the page starts with, as fractions of the largest image; None starts with whole images."""
    made: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


def write_downloads(comparison: Comparison, page: Path, folder: Path) -> dict[str, Path]:
    """Write the JSON report and the zip into `folder`, which must exist.

    Args:
        comparison: The content.
        page: The HTML file of the comparison, which is added to the zip unchanged.
        folder: Folder to write to.

    Returns:
        The files by their kind: "zip", "html" (`page`) and "json".

    Raises:
        StorageError: The disk is full or cannot be written.
    """
    files = {"zip": folder / ZIP, "html": page, "json": folder / "report.json"}
    data = report_json(comparison)
    with disk_errors_translated():
        files["json"].write_text(data, encoding="utf-8")
        write_atomically(files["zip"], lambda part: _write_zip(comparison, [page, files["json"]], part))
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


def _write_zip(comparison: Comparison, reports: Sequence[Path], target: Path) -> None:
    """Write a zip of all images and the reports. PNG is stored uncompressed, since compressing it again gains nothing."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in (*(image.path for image in comparison.images), *reports):
            archive.write(path, path.name)


@contextmanager
def disk_errors_translated() -> Generator[None]:
    """Translate disk errors into StorageError."""
    try:
        yield
    except OSError as exc:
        raise StorageError(f"The results could not be saved: {exc.strerror or exc}. Free some disk space.") from exc


def machine() -> dict[str, Any]:
    """Return the machine that the numbers were measured on: processor, cores, system and versions, as JSON-able data."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "torch": _version("torch"),
        "spandrel": _version("spandrel"),
        "openvino": _version("openvino"),
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
        pass  # not Linux; the platform module is used instead
    return platform.processor() or "unknown"
