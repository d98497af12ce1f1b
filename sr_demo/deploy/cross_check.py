"""Cross-check of `deploy`: its steady latency and peak memory against an independent program.

`python -m sr_demo.deploy.cross_check [ID[:CHECKPOINT]…] [--side 128] [--rounds 2] [--seconds 3]`

In every round, `deploy` measures a method in its process, and a new process (`independent_program`) makes the same call and
times it with its own clock; the order alternates, so that other load affects both. The memory of that process is what
`/usr/bin/time -v` prints as "Maximum resident set size"; where GNU time is not installed (Debian package `time`), it is
`ru_maxrss` of wait4, the same figure. The peaks of the whole processes are compared. "Over idle" is the peak minus the
memory after importing the program and before loading; for the independent program, a separate process measures the latter.
Memory that the process takes during Python's clean-up at its end is not counted.

Exits with 1 when the steady latency differs by more than 15 % or the peak memory by more than 10 %, with 2 when a method
could not be measured. With other load on the machine a single round proves little: use more rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from sr_demo.errors import SRError
from sr_demo.image import Size
from sr_demo.inference.jobs import Job

LATENCY, MEMORY = 0.15, 0.10
"""Largest allowed deviation of `deploy`, as a share of what the independent program measured."""
_METHODS = ("bicubic", "edsr", "hat")
_RESIDENT = re.compile(r"Maximum resident set size \(kbytes\): (\d+)")


@dataclass(frozen=True)
class ProgramFigures:
    """Measurements of one of the two programs; MB are 10^6 bytes."""

    seconds: float
    """Median of the seconds of all timed runs of all rounds."""
    peak_mb: float
    """Largest resident set of the process, MB: median over the rounds."""
    idle_mb: float
    """Resident set after importing the program and before loading, MB."""
    runs: int
    """Timed runs of all rounds together."""

    @property
    def over_idle_mb(self) -> float:
        """Peak memory minus that of the idle program."""
        return self.peak_mb - self.idle_mb


@dataclass(frozen=True)
class Check:
    """Measurements of one method by `deploy` and by the independent program."""

    key: str
    deploy: ProgramFigures
    outside: ProgramFigures

    @property
    def latency(self) -> float:
        """Ratio of the seconds, `deploy` to the independent program."""
        return self.deploy.seconds / self.outside.seconds

    @property
    def memory(self) -> float:
        """Ratio of the peak memory, `deploy` to the independent program."""
        return self.deploy.peak_mb / self.outside.peak_mb

    @property
    def holds(self) -> bool:
        """Whether both ratios are within the bounds."""
        return abs(self.latency - 1) <= LATENCY and abs(self.memory - 1) <= MEMORY


def check(job: Job, side: int, rounds: int, seconds: float) -> Check:
    """Measure a method with both programs.

    Args:
        job: The method.
        side: Side of the square input image in pixels.
        rounds: Number of processes of each program.
        seconds: Seconds for the runs of each process.

    Raises:
        SRError: The method could not be measured.
    """
    inside: list[tuple[list[float], float, float]] = []
    outside: list[tuple[list[float], float]] = []
    for number in range(rounds):
        ways = (
            lambda: inside.append(_deploy(job, side, seconds)),
            lambda: outside.append(_outside(job, side, seconds)),
        )
        for way in ways if number % 2 == 0 else ways[::-1]:
            way()
    idle = _outside(job, 0, 0)[1]
    return Check(
        job.key,
        figures_of([i[0] for i in inside], [i[1] for i in inside], median(i[2] for i in inside)),
        figures_of([o[0] for o in outside], [o[1] for o in outside], idle),
    )


def figures_of(rounds: Sequence[Sequence[float]], peaks: Sequence[float], idle: float) -> ProgramFigures:
    """Return the median of all runs of all rounds, and of the peaks."""
    seconds = [second for runs in rounds for second in runs]
    return ProgramFigures(median(seconds), median(peaks), idle, len(seconds))


def _deploy(job: Job, side: int, seconds: float) -> tuple[list[float], float, float]:
    """Return the seconds of the timed runs, and peak and idle memory in MB, from the report."""
    from sr_demo.deploy.measurement import Plan, measure_in_subprocess

    plan = Plan(sizes=(Size(side, side),), seconds=seconds, quality=False, patience=20 * seconds)
    facts = measure_in_subprocess(job, plan)
    return facts["latency"][0]["seconds"], facts["peak_mb"], facts["idle_mb"]


def _outside(job: Job, side: int, seconds: float) -> tuple[list[float], float]:
    """Return the seconds of the timed runs and the peak memory in MB of a new process."""
    arguments = [sys.executable, "-m", "sr_demo.deploy.independent_program", job.full_name, str(side), str(seconds)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        timer = gnu_time()
        process = subprocess.Popen([timer, "-v", *arguments] if timer else arguments, stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        stderr = errors.read()
        if process.returncode != 0:
            lines = stderr.strip().splitlines() or ["no reason given"]
            reason = next((line for line in lines if "Error" in line), lines[-1])
            raise SRError(f"{job.key} could not be run by the independent program: {reason}")
        peak = resident(stderr) if timer else usage.ru_maxrss
        return json.loads(out.read()), peak * 1024 / 1e6


def gnu_time() -> str | None:
    """Return the path of GNU time, which prints the memory of a process; None if it is not installed."""
    found = shutil.which("time")
    if found is None:
        return None
    output = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    return found if "GNU" in output.stdout + output.stderr else None


def resident(output: str) -> int:
    """Return the largest resident set in KiB from the output of `time -v`. Raises SRError."""
    found = _RESIDENT.search(output)
    if found is None:
        raise SRError("`time -v` printed no maximum resident set size: install the Debian package `time`.")
    return int(found[1])


def line(found: Check) -> str:
    """Return one row of the table."""
    ours, theirs = found.deploy, found.outside
    return (
        f"{found.key:<20}{ours.seconds:>9.4f}{theirs.seconds:>9.4f}{found.latency:>8.3f}{ours.runs:>5}/{theirs.runs:<4}"
        f"{ours.peak_mb:>9.1f}{theirs.peak_mb:>9.1f}{found.memory:>8.3f}{ours.over_idle_mb:>9.1f}"
        f"{theirs.over_idle_mb:>9.1f}  {'holds' if found.holds else 'OUT OF BOUNDS'}"
    )


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the methods; return 0 when all are within the bounds, 1 when one is not, 2 when one could not be measured."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.inference.jobs import job_for

    parser = argparse.ArgumentParser(
        prog="python -m sr_demo.deploy.cross_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("methods", nargs="*", metavar="ID[:CHECKPOINT]", help=f"what to check ({' '.join(_METHODS)})")
    parser.add_argument("--side", type=int, default=128, help="side of the square input picture in pixels (128)")
    parser.add_argument("--rounds", type=int, default=2, help="processes of each kind per method (2)")
    parser.add_argument("--seconds", type=float, default=3.0, help="timed runs of each process, together (3)")
    args = parser.parse_args(arguments)
    if args.side < 16 or args.rounds < 1 or args.seconds < 0:
        parser.error("--side must be at least 16, --rounds at least 1, --seconds not negative")
    try:
        jobs = [job_for(APPROACHES, name) for name in args.methods or _METHODS]
    except SRError as exc:
        parser.error(str(exc))
    by = "/usr/bin/time -v" if gnu_time() else "ru_maxrss of wait4 (GNU time is not installed)"
    _print(f"{args.side} x {args.side} pixels, {args.rounds} rounds. Memory outside: {by}.")
    _print(f"Bounds: seconds within {LATENCY:.0%}, peak within {MEMORY:.0%}.\n")
    _print(
        f"{'':<20}{'seconds':>9}{'outside':>9}{'ratio':>8}{'runs':>8}  {'peak MB':>9}{'outside':>9}{'ratio':>8}"
        f"{'overidle':>9}{'outside':>9}"
    )
    status = 0
    for job in jobs:
        try:
            found = check(job, args.side, args.rounds, args.seconds)
        except SRError as exc:
            sys.stderr.write(f"{job.key}: {exc}\n")
            status = 2
            continue
        _print(line(found))
        status = status or int(not found.holds)
    return status


if __name__ == "__main__":
    sys.exit(main())
