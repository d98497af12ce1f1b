"""How far the precision that a network runs in moves its score: PSNR-Y against fp32, on pictures whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path

import numpy as np

from sr_demo.backends import quantization
from sr_demo.backends.selection import Preparer
from sr_demo.catalogue import APPROACHES
from sr_demo.errors import BadInput
from sr_demo.image import Image, ImageData
from sr_demo.inference.jobs import Job, here, named
from sr_demo.inference.runner import Runner
from sr_demo.progress import SILENT, Progress
from sr_demo.reports.evaluation import load_pair, pairs
from sr_demo.reports.formatting import precision

_NETWORKS = ("convolutional", "adversarial", "attention")
MOST = 0.02
"""dB that the mean may move by itself, in bf16 or fp16."""
MOST_LOSS = 0.05
"""dB that it may lose in int8."""


@dataclass(frozen=True)
class Move:
    """One network, in what it runs in here, against itself in fp32 by torch."""

    key: str
    how: str
    exact: float
    """Mean PSNR-Y in fp32, dB."""
    by: float
    """Mean PSNR-Y as it runs here minus that; not a number where int8 was refused."""
    int8: bool = False

    @property
    def too_far(self) -> bool:
        """Whether it moved further than it may; int8 may gain what it can."""
        return self.by < -MOST_LOSS if self.int8 else abs(self.by) > MOST


def moves(folder: Path, only: Sequence[str] = (), progress: Progress = SILENT) -> Iterator[Move]:
    """Every embedded network (or those called `only`) on the pictures of `folder`: with torch as chosen for this machine,
    then with the engine that won, then in int8 where that can be. Raises BadInput on unknown names, or when the folder holds
    no pictures.
    """
    found = [load_pair(pair, 4, None) for pair in pairs(folder, None, 4)]
    networks = [job for job in here(APPROACHES, "embedded") if job.approach.family in _NETWORKS]
    jobs = named(networks, only, "embedded network")
    for number, job in enumerate(jobs):
        part = progress.part(number / len(jobs), (number + 1) / len(jobs))
        part(0.0, job.key)
        exact, _ = _mean(Runner(), replace(job, precision="fp32"), found)
        preparer = Preparer()
        runner = Runner(preparer=preparer)
        tried: set[str] = set()
        for turn in range(2):
            part((turn + 1) / 3, job.key)
            runner.warm(job)
            score, how = _mean(runner, job, found)
            preparer.wait()
            if how not in tried:
                yield Move(job.key, how, exact, score - exact)
            tried.add(how)
        if job.approach.family != "attention" and not quantization.missing():
            yield _in_int8(job, exact, found, part)
    progress(1.0)


def _in_int8(job: Job, exact: float, found: list[tuple[ImageData, Image]], progress: Progress) -> Move:
    runner, wanted = Runner(), replace(job, precision="int8")
    try:
        runner.warm(wanted, progress)
    except BadInput:
        return Move(job.key, "int8, refused", exact, nan, int8=True)
    score, how = _mean(runner, wanted, found)
    return Move(job.key, how, exact, score - exact, int8=True)


def _mean(runner: Runner, job: Job, found: list[tuple[ImageData, Image]]) -> tuple[float, str]:
    results = [runner.run(job, small, truth) for small, truth in found]
    last = results[-1]
    how = f"{last.backend}, {precision(last.precision, last.loss_db)}"
    return float(np.mean([r.scores.psnr_y or np.nan for r in results])), how
