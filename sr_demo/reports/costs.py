"""What each embedded network costs per LR pixel, measured once and written into its card: working memory, and seconds.

Memory decides how large tiles may be; seconds are what a machine expects before it has run the network itself. Every network
and precision is measured in a process of its own, on a picture in one piece.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from sr_demo.catalogue import APPROACHES
from sr_demo.engines import known_picture
from sr_demo.errors import SRError
from sr_demo.jobs import Job, job_for
from sr_demo.memory import PeakMemory
from sr_demo.progress import SILENT, Progress
from sr_demo.runner import Runner
from sr_demo.spec import EMBEDDED

_SIDE = 256
_ROUNDS = 3
What = Literal["bytes", "all"]


@dataclass(frozen=True)
class Cost:
    """One network."""

    key: str
    stem: str
    """Its card is `weights/<stem>.json`."""
    bytes_per_pixel: int
    """The most of fp32 and of what is chosen here, per LR pixel; input and result included."""
    seconds_per_pixel: float
    """In what is chosen here."""
    declared: int
    """Bytes per pixel that the program goes by now."""


def costs(progress: Progress = SILENT) -> Iterator[Cost]:
    """Every embedded network that is cut into tiles. Raises SRError when one cannot be measured."""
    jobs = [
        Job(approach, checkpoint, approach.options())
        for approach in APPROACHES
        for checkpoint in approach.checkpoints
        if checkpoint.kind == "embedded" and approach.tiling_of(checkpoint).mode == "tiles"
    ]
    for number, job in enumerate(jobs):
        progress(number / len(jobs), job.key)
        exact, chosen = (_apart(job.key, precision) for precision in ("fp32", "auto"))
        most = max(exact[0], chosen[0])
        stem = job.checkpoint.files[0].name.rpartition(".")[0]
        yield Cost(job.key, stem, round(most), chosen[1], job.checkpoint.bytes_per_pixel)
    progress(1.0)


def write(cost: Cost, what: What) -> None:
    """Put the measured figures into the card; "bytes" leaves out the seconds, which only hold on a quiet machine."""
    path = EMBEDDED / f"{cost.stem}.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, object] = {**card.get("costs", {}), "bytes_per_pixel": cost.bytes_per_pixel}
    if what == "all":
        found |= {"seconds_per_pixel": float(f"{cost.seconds_per_pixel:.3g}"), "machine": platform.machine()}
    card["costs"] = found
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def _apart(key: str, precision: str) -> tuple[float, float]:
    """`measure` in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "sr_demo.reports.costs", key, precision], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        raise SRError(f"{key} could not be measured: {reason[-1] if reason else 'its process ended'}")
    bytes_per_pixel, seconds_per_pixel = json.loads(done.stdout)
    return bytes_per_pixel, seconds_per_pixel


def measure(job: Job) -> tuple[float, float]:
    """Bytes and seconds per LR pixel on 256 x 256 pixels: the most and the least of three runs."""
    picture, peaks, times = known_picture(_SIDE), [0], [float("inf")]
    with Runner().loaded(job) as upscaler:
        upscaler.upscale(known_picture(32), job.options, SILENT)
        for _ in range(_ROUNDS):
            with PeakMemory(interval=0.002) as peak:
                begun = time.perf_counter()
                upscaler.upscale(picture, job.options, SILENT)
                times.append(time.perf_counter() - begun)
            peaks.append(peak.bytes)
    return max(peaks) / picture[..., 0].size, min(times) / picture[..., 0].size


if __name__ == "__main__":
    asked = job_for(APPROACHES, sys.argv[1])
    assert sys.argv[2] in ("fp32", "auto")
    sys.stdout.write(json.dumps(measure(replace(asked, precision=sys.argv[2]))))
