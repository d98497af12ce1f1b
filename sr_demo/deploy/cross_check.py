"""Is what `deploy` measures true? Its steady latency and peak memory against a program and a clock of its own.

`python -m sr_demo.deploy.cross_check [ID[:CHECKPOINT]…] [--side 128] [--rounds 2] [--seconds 3]`

In every round `deploy` measures a method in its process, and a fresh process (`deploy_outside`) makes the same call and
times it with its own clock, in changing order, so that a busy machine is in the way of both. Memory of that process is
what `/usr/bin/time -v` prints as "Maximum resident set size"; where GNU time is not installed (Debian package `time`),
`ru_maxrss` of wait4 is read, which is what it prints. Compared is the peak of the whole process. "Over idle" is shown
beside it: the peak less what the process holds when it has imported the program and loaded nothing; on the outside that
is a process of its own, ended there. What the system gives a process while Python tidies up after the work is not counted.

Exits with 1 where the steady latency is more than 15 %, or the peak memory more than 10 % off, with 2 where a method could
not be measured. On a busy machine one round proves little: look at the ratios, and give it more rounds.
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
from sr_demo.inference.jobs import Job

LATENCY, MEMORY = 0.15, 0.10
"""How far `deploy` may be off, as a share of what was measured outside."""
_METHODS = ("bicubic", "edsr", "hat")
_RESIDENT = re.compile(r"Maximum resident set size \(kbytes\): (\d+)")


@dataclass(frozen=True)
class Side:
    """What one of the two found: medians over the rounds."""

    seconds: float
    peak_mb: float
    idle_mb: float
    runs: int

    @property
    def over_idle_mb(self) -> float:
        return self.peak_mb - self.idle_mb


@dataclass(frozen=True)
class Check:
    """`deploy` against the outside, for one method."""

    key: str
    deploy: Side
    outside: Side

    @property
    def latency(self) -> float:
        """`deploy`'s seconds as a multiple of the outside's."""
        return self.deploy.seconds / self.outside.seconds

    @property
    def memory(self) -> float:
        """`deploy`'s peak as a multiple of the outside's."""
        return self.deploy.peak_mb / self.outside.peak_mb

    @property
    def holds(self) -> bool:
        return abs(self.latency - 1) <= LATENCY and abs(self.memory - 1) <= MEMORY


def check(job: Job, side: int, rounds: int, seconds: float) -> Check:
    """Measure both ways, `rounds` times each. Raises SRError."""
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
        side_of([i[0] for i in inside], [i[1] for i in inside], median(i[2] for i in inside)),
        side_of([o[0] for o in outside], [o[1] for o in outside], idle),
    )


def side_of(rounds: Sequence[Sequence[float]], peaks: Sequence[float], idle: float) -> Side:
    """Median of all runs of all rounds together, and of the peaks."""
    seconds = [second for found in rounds for second in found]
    return Side(median(seconds), median(peaks), idle, len(seconds))


def _deploy(job: Job, side: int, seconds: float) -> tuple[list[float], float, float]:
    """Timed runs, peak and idle memory in MB, as the report has them."""
    from sr_demo.deploy.measurement import Plan, measure_apart

    plan = Plan(sizes=((side, side),), seconds=seconds, quality=False, patience=20 * seconds)
    facts = measure_apart(job, plan)
    return facts["latency"][0]["seconds"], facts["peak_mb"], facts["idle_mb"]


def _outside(job: Job, side: int, seconds: float) -> tuple[list[float], float]:
    """Timed runs and peak memory in MB of a fresh process."""
    arguments = [sys.executable, "-m", "sr_demo.deploy.independent_program", job.key, str(side), str(seconds)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as said:
        timer = gnu_time()
        process = subprocess.Popen([timer, "-v", *arguments] if timer else arguments, stdout=out, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said.seek(0)
        words = said.read()
        if process.returncode != 0:
            lines = words.strip().splitlines() or ["no reason given"]
            raise SRError(f"{job.key} could not be run outside: {next((x for x in lines if 'Error' in x), lines[-1])}")
        peak = resident(words) if timer else usage.ru_maxrss
        return json.loads(out.read()), peak * 1024 / 1e6


def gnu_time() -> str | None:
    """GNU time, which prints the memory of a process, or None."""
    found = shutil.which("time")
    if found is None:
        return None
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    return found if "GNU" in said.stdout + said.stderr else None


def resident(words: str) -> int:
    """KiB of the largest resident set in what `time -v` wrote. Raises SRError."""
    found = _RESIDENT.search(words)
    if found is None:
        raise SRError("`time -v` printed no maximum resident set size: install the Debian package `time`.")
    return int(found[1])


def line(found: Check) -> str:
    """One row of the table."""
    ours, theirs = found.deploy, found.outside
    return (
        f"{found.key:<20}{ours.seconds:>9.4f}{theirs.seconds:>9.4f}{found.latency:>8.3f}{ours.runs:>5}/{theirs.runs:<4}"
        f"{ours.peak_mb:>9.1f}{theirs.peak_mb:>9.1f}{found.memory:>8.3f}{ours.over_idle_mb:>9.1f}"
        f"{theirs.over_idle_mb:>9.1f}  {'holds' if found.holds else 'OUT OF BOUNDS'}"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and print; 0 where all hold, 1 where one does not, 2 where one could not be measured."""
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
    _say(f"{args.side} x {args.side} pixels, {args.rounds} rounds. Memory outside: {by}.")
    _say(f"Bounds: seconds within {LATENCY:.0%}, peak within {MEMORY:.0%}.\n")
    _say(
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
        _say(line(found))
        status = status or int(not found.holds)
    return status


if __name__ == "__main__":
    sys.exit(main())
