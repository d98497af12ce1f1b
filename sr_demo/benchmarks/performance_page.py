"""Generator of the table of `bench speed` in `docs/performance.md` from measured rows."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from sr_demo.backends.openvino_backend import installed_version, processor
from sr_demo.benchmarks.speed import Row, compared
from sr_demo.errors import BadInput, StorageError

_FEATURES = {
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "vnni": ("avx512_vnni", "avx_vnni"),
    "bf16": ("avx512_bf16",),
    "amx": ("amx_tile",),
}
"""CPU features that matter for speed, and their names in Linux."""
_BEGIN, _END = "<!-- bench: generated -->", "<!-- end -->"


def read_runs(files: Sequence[Path]) -> list[list[Row]]:
    """Return the rows in files of `bench speed --json`. Raises BadInput when a file cannot be read or holds other data."""
    try:
        return [[Row(**row) for row in json.loads(file.read_text(encoding="utf-8"))] for file in files]
    except (OSError, ValueError, TypeError) as exc:
        raise BadInput(f"The rows cannot be read: {exc}. Give files of `bench speed --json FILE`.") from exc


def write_page(page: Path, rows: Sequence[Row]) -> None:
    """Write the table of `rows` between the marks in `page`.

    Raises:
        BadInput: The page has no such marks.
        StorageError: The page cannot be read or written.
    """
    try:
        old = page.read_text(encoding="utf-8")
        if _BEGIN not in old or _END not in old.split(_BEGIN, 1)[1]:
            raise BadInput(f"{page} has no lines {_BEGIN} and {_END}: the table goes between them.")
        before, rest = old.split(_BEGIN, 1)
        page.write_text(f"{before}{_BEGIN}\n{markdown(rows)}\n{_END}{rest.split(_END, 1)[1]}", encoding="utf-8")
    except OSError as exc:
        raise StorageError(f"{page} cannot be read and written: {exc.strerror or exc}.") from exc


def markdown(rows: Sequence[Row]) -> str:
    """Return the machine and the date, followed by a Markdown table with one line per row."""
    lines = [
        f"{machine()}; {date.today().isoformat()}.",
        "",
        "| case | path | how | seconds | times plain | GFLOP/s | of the ceiling | MB | largest difference |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, ratio, share in compared(rows):
        difference = "–" if row.max_difference is None else f"{row.max_difference:.1e}"
        lines.append(
            f"| `{row.case}` | {row.path} | {row.how} | {row.seconds:.4f} | {ratio} | {row.gflops:.0f} | {share} | "
            f"{row.peak_memory_mb:.0f} | {difference} |"
        )
    return "\n".join(lines)


def machine() -> str:
    """Return one line: processor, cores, vector units and limits on their use, versions of torch and OpenVINO."""
    from importlib.metadata import version

    described = processor()
    name = next((line.split(":", 1)[1].strip() for line in described.splitlines() if "model name" in line), "CPU")
    flags = set(described.split())
    able = [feature for feature, names in _FEATURES.items() if flags.intersection(names)]
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return (
        f"{name}, {os.cpu_count()} cores ({', '.join(able) or 'no vector units known'}"
        f"{f'; limited to {limit} by ONEDNN_MAX_CPU_ISA' if limit else ''}), torch {version('torch')}, "
        f"OpenVINO {installed_version() or 'absent'}"
    )
