"""What a person takes away: all pictures in a zip, with a report for people and one for programs."""

from __future__ import annotations

import base64
import json
import os
import platform
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sr_demo import __version__
from sr_demo.errors import StorageError
from sr_demo.inference.jobs import Result
from sr_demo.metrics.scores import COLUMNS
from sr_demo.reports.table import html_table, record
from sr_demo.system.storage import write_atomically

_EMBEDDED_LIMIT = 48 * 2**20
"""A report that stands alone holds its pictures up to this many bytes; beyond, it names the files in the zip."""
_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.3rem .6rem;text-align:left;"
    "border-bottom:1px solid #8884}.sr-table-scroll{overflow-x:auto}button{all:unset;font-weight:600}"
    "figure{display:inline-block;margin:0 1rem 1rem 0;max-width:22rem;vertical-align:top}img{max-width:100%}"
    "dt{font-weight:600}.sr-fine,figcaption{opacity:.75;font-size:.9em}"
)


@dataclass(frozen=True)
class Shown:
    """One picture of a comparison as it lies on the disk."""

    label: str
    file: Path
    alt: str


@dataclass(frozen=True)
class Comparison:
    """Everything a report says about one comparison."""

    name: str
    """Name of the person's file."""
    input_size: tuple[int, int]
    """Width and height of what the approaches were given."""
    how: str
    """One sentence: enlarged as it is, or how the small version was made from the truth."""
    results: Sequence[Result]
    pictures: Sequence[Shown]
    failures: Sequence[tuple[str, str]] = ()
    """Title of an approach and the sentence it failed with."""
    made: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


def report_json(comparison: Comparison) -> str:
    """The comparison for programs."""
    return json.dumps(
        {
            "program": f"sr_demo {__version__}",
            "made": comparison.made.isoformat(timespec="seconds"),
            "input": {"name": comparison.name, "width": comparison.input_size[0], "height": comparison.input_size[1]},
            "how": comparison.how,
            "machine": machine(),
            "conventions": {c.key: c.help for c in COLUMNS},
            "results": [record(result) for result in comparison.results],
            "failures": [{"title": title, "message": message} for title, message in comparison.failures],
        },
        indent=2,
    )


def report_html(comparison: Comparison, source: Callable[[Path], str] | None = None) -> str:
    """The comparison for people: opens without this program and without a network.

    `source` turns a picture's path into the `src` of its image; by default the pictures are embedded, if not too large.
    """
    if source is None:
        total = sum(shown.file.stat().st_size for shown in comparison.pictures)
        source = _data_uri if total <= _EMBEDDED_LIMIT else None
    width, height = comparison.input_size
    failures = "".join(f"<li><b>{escape(title)}</b>: {escape(text)}</li>" for title, text in comparison.failures)
    facts = "".join(f"<li>{escape(key)}: {escape(str(value))}</li>" for key, value in machine().items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Super-resolution, side by side: {escape(comparison.name)}</title><style>{_STYLE}</style>"
        f"<h1>Super-resolution, side by side</h1><p>{escape(comparison.name)}, {width} x {height} pixels given to each "
        f"method. {escape(comparison.how)} {comparison.made:%Y-%m-%d %H:%M} UTC, sr_demo {__version__}.</p>"
        f"{html_table(comparison.results)}{f'<h2>Did not work</h2><ul>{failures}</ul>' if failures else ''}"
        f"<h2>Pictures</h2>{_figures(comparison.pictures, source)}<h2>Measured on</h2><ul>{facts}</ul></html>"
    )


def write_zip(comparison: Comparison, target: Path) -> None:
    """All pictures, `report.json` and `report.html`, stored without compressing PNG again. Appears only when complete."""

    def write(part: Path) -> None:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for shown in comparison.pictures:
                archive.write(shown.file, shown.file.name)
            archive.writestr("report.json", report_json(comparison))
            archive.writestr("report.html", report_html(comparison, lambda file: quote(file.name)))

    try:
        write_atomically(target, write)
    except OSError as exc:
        raise StorageError(f"The results could not be put together: {exc.strerror or exc}. Make room there.") from exc


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "torch": _version("torch"),
        "spandrel": _version("spandrel"),
    }


def _figures(pictures: Sequence[Shown], source: Callable[[Path], str] | None) -> str:
    if source is None:
        names = ", ".join(escape(shown.file.name) for shown in pictures)
        return f"<p>The pictures are too large to be kept inside this page; the zip holds them: {names}.</p>"
    return "".join(
        f'<figure><img src="{escape(source(shown.file))}" alt="{escape(shown.alt)}">'
        f"<figcaption>{escape(shown.label)}</figcaption></figure>"
        for shown in pictures
    )


def _data_uri(file: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode("ascii")


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
        pass  # no /proc here: the platform module's word is all there is
    return platform.processor() or "unknown"
