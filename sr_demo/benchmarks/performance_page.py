"""The table of the benchmark in `docs/performance.md`, written from what was measured, never by hand.

    python -m sr_demo.benchmarks.performance_page docs/performance.md FIRST.json SECOND.json

takes the medians of several runs of `python -m sr_demo bench --json FILE`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from sr_demo.backends.openvino_backend import installed_version, processor
from sr_demo.benchmarks.speed import Row, compared, medians
from sr_demo.errors import BadInput, SRError, StorageError

_BEGIN, _END = "<!-- bench: generated -->", "<!-- end -->"


def write_page(page: Path, rows: Sequence[Row]) -> None:
    """Put the table of `rows` between the marks in `page`. Raises BadInput when it has none, StorageError."""
    try:
        old = page.read_text(encoding="utf-8")
        if _BEGIN not in old or _END not in old.split(_BEGIN, 1)[1]:
            raise BadInput(f"{page} has no lines {_BEGIN} and {_END}: the table goes between them.")
        before, rest = old.split(_BEGIN, 1)
        page.write_text(f"{before}{_BEGIN}\n{markdown(rows)}\n{_END}{rest.split(_END, 1)[1]}", encoding="utf-8")
    except OSError as exc:
        raise StorageError(f"{page} cannot be read and written: {exc.strerror or exc}.") from exc


def markdown(rows: Sequence[Row]) -> str:
    """The machine, and one line per row."""
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
    """Processor, cores, what it can do, versions."""
    from importlib.metadata import version

    described = processor()
    name = next((line.split(":", 1)[1].strip() for line in described.splitlines() if "model name" in line), "CPU")
    able = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {flag}" in described]
    return (
        f"{name}, {os.cpu_count()} cores ({', '.join(able) or 'no vector units known'}), torch {version('torch')}, "
        f"OpenVINO {installed_version() or 'absent'}"
    )


def main(arguments: Sequence[str]) -> int:
    """`PAGE JSON...`; returns the exit status."""
    if len(arguments) < 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        runs = [[Row(**row) for row in json.loads(Path(name).read_text(encoding="utf-8"))] for name in arguments[1:]]
        write_page(Path(arguments[0]), medians(runs))
    except (SRError, OSError, ValueError, TypeError) as exc:
        sys.stderr.write(f"sr_demo: {exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
