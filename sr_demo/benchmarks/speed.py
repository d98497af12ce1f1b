"""Speed of our path compared with common alternatives: one process, same weights, same image, same threads.

Every path runs once to warm up and to measure its memory. Then all paths run in rounds, and medians are reported. Large
networks run fewer rounds. The ceiling is torch's bf16 product of two 4096 x 4096 matrices, measured in the same rounds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from sr_demo.backends import selection
from sr_demo.benchmarks import speed_paths
from sr_demo.benchmarks.speed_cases import CASES, Case
from sr_demo.benchmarks.speed_paths import CEILING, INT8, PATHS, PLAIN, Run
from sr_demo.errors import BadInput, SRError, quoted
from sr_demo.image import Image
from sr_demo.system import memory

_PAUSE = 0.05
"""Seconds between paths, until the threads of the previous path stop waiting for work."""
_LEAST_ROUNDS, _ENOUGH = 2, 10.0
"""Smallest number of rounds of each case, and seconds after which no further round begins."""

HEADING = (
    f"{'case':<14}{'path':<18}{'seconds':>9}{'x plain':>9}{'GFLOP/s':>9}{'share':>7}{'MB':>7}{'max diff':>10}  how"
)

Report = Callable[[str], None]
"""Receives one line as each step ends."""


def _silent(line: str) -> None:
    pass


@dataclass(frozen=True)
class Row:
    """Measurements of one path in one case."""

    case: str
    path: str
    seconds: float
    """Median of the rounds."""
    gflops: float
    """10^9 floating point operations per second, counted for the plain network with two operations per multiply-add."""
    ceiling_share: float | None
    """Share of the matrix product's rate; None if the product was not run."""
    peak_memory_mb: float
    """Growth of the resident set in the path's first run, in 10^6 bytes."""
    max_difference: float | None
    """Largest difference to the plain fp32 result, for values in [0, 1]."""
    how: str
    """Backend and precision."""


@dataclass(frozen=True)
class CaseResult:
    """Measurements of one case."""

    rows: list[Row]
    """One row for each path, in the order of PATHS."""
    notes: list[str]
    """One sentence for each path that could not be run."""


def bench(
    cases: Sequence[str] = (),
    paths: Sequence[str] = (),
    rounds: int = 5,
    report: Report = _silent,
    more: Sequence[Case] = (),
    slow: bool = False,
) -> Iterator[CaseResult]:
    """Measure cases one after the other.

    Args:
        cases: Names of cases; if it is empty, all cases, or none if there are `more`.
        paths: Names of paths; all if it is empty.
        rounds: Number of rounds; medians are reported. Large networks run fewer.
        report: Receives what is measured next, and how long each step took.
        more: Further cases to measure, such as those of model files.
        slow: Include the slow paths of each case, as if `paths` named them.

    Returns:
        An iterator that measures a case at each step, in the order of CASES.

    Raises:
        BadInput: A name is unknown.
    """
    for given, known in ((cases, [case.name for case in CASES]), (paths, PATHS)):
        for name in given:
            if name not in known:
                raise BadInput(f"The benchmark has no {quoted(name)}. It has: {', '.join(known)}.")
    everything = not cases and not more
    chosen = [case for case in CASES if everything or case.name in cases]
    wanted = paths or PATHS
    return (_case(case, _able(case, wanted, slow=slow or bool(paths)), rounds, report) for case in [*chosen, *more])


def _able(case: Case, wanted: Sequence[str], *, slow: bool) -> list[str]:
    """Return the `wanted` paths that the network of a case can run, in the order of PATHS."""
    left_out = set(() if slow else case.slow)
    if case.attention and not case.int8:
        left_out.add(INT8)
    return [path for path in PATHS if path in wanted and path not in left_out]


@dataclass(frozen=True)
class _Made:
    """One path, ready to run."""

    run: Run
    how: str
    peak_memory_mb: float
    max_difference: float | None


def _case(case: Case, paths: list[str], rounds: int, report: Report) -> CaseResult:
    import torch

    report(f"{case.name}: {case.described()}")
    torch.manual_seed(0)
    network = case.network().eval()
    image = selection.synthetic_image(case.side)
    flops, reference = _counted(speed_paths.plain(network, image))
    made: dict[str, _Made] = {}
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sr_demo_bench") as name:
        folder = Path(name) / "network"
        folder.mkdir()
        for path in paths:
            begun = time.perf_counter()
            try:
                run, how = speed_paths.MAKERS[path](case, network, image, folder)
                with memory.PeakMemory() as peak:
                    result = run()
            except (SRError, RuntimeError) as exc:
                notes.append(f"{case.name}, {path}: {' '.join(str(exc).split())[:160]}")
                continue
            report(f"  {path}: prepared in {time.perf_counter() - begun:.1f} s")
            difference = None if result is None else float(np.abs(result - reference).max())
            made[path] = _Made(run, how, peak.bytes / 1e6, difference)
        taken = _timed(made, rounds, report)
    rates = {
        path: (2.0 * speed_paths.MATRIX**3 if path == CEILING else flops) / median(seconds) / 1e9
        for path, seconds in taken.items()
    }
    ceiling = rates.get(CEILING)
    rows = [
        Row(
            case=case.name,
            path=path,
            seconds=round(median(seconds), 5),
            gflops=round(rates[path], 1),
            ceiling_share=None if ceiling is None else round(rates[path] / ceiling, 4),
            peak_memory_mb=round(made[path].peak_memory_mb, 1),
            max_difference=made[path].max_difference,
            how=made[path].how,
        )
        for path, seconds in taken.items()
    ]
    return CaseResult(rows, notes)


def _timed(made: dict[str, _Made], rounds: int, report: Report) -> dict[str, list[float]]:
    """Return the seconds of each path in each round."""
    taken: dict[str, list[float]] = {path: [] for path in made}
    started = time.perf_counter()
    for turn in range(rounds):
        if turn >= _LEAST_ROUNDS and time.perf_counter() - started > _ENOUGH:
            break
        # Each round begins with another path, since the previous path affects threads and caches.
        first = turn % max(len(made), 1)
        order = [*made.items()]
        for path, ready in order[first:] + order[:first]:
            time.sleep(_PAUSE)
            begun = time.perf_counter()
            ready.run()
            taken[path].append(time.perf_counter() - begun)
        report(f"  turn {turn + 1} of {rounds} done")
    return taken


def _counted(plain: Run) -> tuple[float, Image]:
    """Return the floating point operations of one forward pass, and its result."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        result = plain()
    assert result is not None
    return float(counter.get_total_flops()), result


def records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as dictionaries, for JSON."""
    return [asdict(row) for row in rows]


def medians(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """Merge tables: medians of seconds, rates and shares for each case and path, other values from the first table."""
    found: list[Row] = []
    for row in runs[0]:
        same = [r for rows in runs for r in rows if (r.case, r.path) == (row.case, row.path)]
        shares = [r.ceiling_share for r in same if r.ceiling_share is not None]
        seconds, gflops = median([r.seconds for r in same]), median([r.gflops for r in same])
        found.append(replace(row, seconds=seconds, gflops=gflops, ceiling_share=median(shares) if shares else None))
    return found


def compared(rows: Sequence[Row]) -> Iterator[tuple[Row, str, str]]:
    """Yield each row with two texts: its speed relative to the plain network, and its share of the ceiling."""
    plain = {row.case: row.seconds for row in rows if row.path == PLAIN}
    for row in rows:
        ratio = f"{plain[row.case] / row.seconds:.2f}" if row.case in plain and row.path != CEILING else "–"
        yield row, ratio, "–" if row.ceiling_share is None else f"{row.ceiling_share:.0%}"


def lines(rows: Sequence[Row]) -> list[str]:
    """Return the rows of the table below `HEADING`, with the ratio to the plain network."""
    printed: list[str] = []
    for row, ratio, share in compared(rows):
        difference = "–" if row.max_difference is None else f"{row.max_difference:.5f}"
        printed.append(
            f"{row.case:<14}{row.path:<18}{row.seconds:>9.4f}{ratio:>9}{row.gflops:>9.0f}{share:>7}"
            f"{row.peak_memory_mb:>7.0f}{difference:>10}  {row.how}"
        )
    return printed
