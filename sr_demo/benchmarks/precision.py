"""Change of PSNR-Y in bf16, fp16 and int8 against fp32, on images with known references.

On a processor without bf16, networks run in fp32 and int8 only. Otherwise all precisions are scored, regardless of which is
the default.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path

import numpy as np

from sr_demo.backends import openvino_backend, quantization, shipped_int8
from sr_demo.backends.selection import Preparer
from sr_demo.catalogue import APPROACHES
from sr_demo.errors import BadInput
from sr_demo.image import Image, ImageData
from sr_demo.inference.jobs import Job, default_jobs, select_jobs
from sr_demo.inference.runner import Runner
from sr_demo.progress import SILENT, Progress
from sr_demo.reports.evaluation import load_pair, pairs
from sr_demo.reports.formatting import precision

_NETWORKS = ("convolutional", "adversarial", "attention")
MAX_CHANGE = 0.02
"""Largest change of the mean in bf16 or fp16, up or down, in dB."""
MAX_LOSS = 0.05
"""Largest loss of the mean in int8, in dB."""


@dataclass(frozen=True)
class Difference:
    """Scores of one network in a backend and precision of this machine, compared with fp32 in torch."""

    key: str
    how: str
    """Backend and precision."""
    exact: float
    """Mean PSNR-Y in fp32, in dB."""
    change: float
    """Mean PSNR-Y in this backend and precision minus `exact`, in dB; nan if int8 was refused."""
    int8: bool = False

    @property
    def too_far(self) -> bool:
        """Whether the change is larger than allowed; a gain in int8 is always allowed."""
        return self.change < -MAX_LOSS if self.int8 else abs(self.change) > MAX_CHANGE


def differences(
    folder: Path, only: Sequence[str] = (), progress: Progress = SILENT, more: Sequence[Job] = ()
) -> Iterator[Difference]:
    """Score each embedded network: in torch, in the backend that is faster here, and in int8 if possible.

    Args:
        folder: Folder of reference images.
        only: Names of networks; all if it is empty.
        progress: Reports the share that is done.
        more: Further networks, such as a user's own.

    Raises:
        BadInput: A name is unknown, or the folder has no images.
    """
    references = pairs(folder, None, 4)
    networks = [job for job in default_jobs(APPROACHES, "embedded") if job.approach.family in _NETWORKS]
    jobs = select_jobs(networks, only, "embedded network", more)
    for number, job in enumerate(jobs):
        part = progress.part(number / len(jobs), (number + 1) / len(jobs))
        part(0.0, job.key)
        found = [load_pair(pair, job.approach.scale, None) for pair in references]
        exact, _ = _mean(Runner(), replace(job, precision="fp32"), found)
        wanted = _without_int8(job)
        preparer = Preparer()
        runner = Runner(preparer=preparer)
        tried: set[str] = set()
        for turn in range(2):
            part((turn + 1) / 3, job.key)
            runner.warm(wanted)
            score, how = _mean(runner, wanted, found)
            preparer.wait()
            if how not in tried:
                yield Difference(job.key, how, exact, score - exact)
            tried.add(how)
        if shipped_int8.of(job.checkpoint) or not quantization.missing():
            yield _in_int8(job, exact, found, part)
    progress(1.0)


def _without_int8(job: Job) -> Job:
    """Return the job in the fast precision of this machine if int8 would be its default."""
    return (
        job
        if shipped_int8.by_default(job.identity) is None
        else replace(job, precision=openvino_backend.fast_precision())
    )


def _in_int8(job: Job, exact: float, found: list[tuple[ImageData, Image]], progress: Progress) -> Difference:
    runner, wanted = Runner(), replace(job, precision="int8")
    try:
        runner.warm(wanted, progress)
    except BadInput:
        return Difference(job.key, "int8, refused", exact, nan, int8=True)
    score, how = _mean(runner, wanted, found)
    return Difference(job.key, how, exact, score - exact, int8=True)


def _mean(runner: Runner, job: Job, found: list[tuple[ImageData, Image]]) -> tuple[float, str]:
    results = [runner.run(job, small, reference) for small, reference in found]
    last = results[-1]
    how = f"{last.backend}, {precision(last.precision, last.loss_db)}"
    return float(np.mean([r.scores.psnr_y or np.nan for r in results])), how
