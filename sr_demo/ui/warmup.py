"""Loading of the default approaches in the background after the start of the page, so that visitors need not wait for it.

Approaches that run without torch come first. Then torch and spandrel are imported, outside of the compute lock, so that
early visitors need not wait for the import. Each approach runs on a tiny image, which loads everything, and then repeatedly
on a larger one, to measure its time on this hardware for the page's estimates. Requests of visitors take precedence.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from functools import partial
from threading import Thread

import numpy as np

from sr_demo.hub import checkpoints
from sr_demo.image import ImageData, readonly
from sr_demo.inference.jobs import Failed, Job, is_prepared
from sr_demo.inference.runner import Runner
from sr_demo.inference.time_estimates import record_timing
from sr_demo.spec import Approach

log = logging.getLogger("sr_demo")

_SIDES = (16, 96)


def warm_up(runner: Runner, approaches: Sequence[Approach]) -> Thread:
    """Start a thread that runs every preselected approach that needs no download, and return it; failures are logged."""
    jobs = [
        Job(approach, checkpoints.default(approach), approach.options())
        for approach in approaches
        if approach.preselected and checkpoints.is_available(checkpoints.default(approach))
    ]
    quick = [job for job in jobs if job.checkpoint.kind == "none" or is_prepared(job)]
    others = [job for job in jobs if job not in quick]

    def run(job: Job, side: int) -> float | None:
        """Run a job on a square image; return the seconds it took, or None if it failed."""
        outcome = runner.attempt_when_idle(job, _image(side))
        if isinstance(outcome, Failed):
            log.warning("%s could not be warmed up: %s", job.key, outcome.message)
            return None
        return outcome.result.seconds

    def work() -> None:
        for job in quick:
            run(job, _SIDES[0])
        if others:
            _import_heavy(runner)
        for job in others:
            run(job, _SIDES[0])
        for job in jobs:
            record_timing(partial(run, job, _SIDES[1]))

    thread = Thread(target=work, name="warm-up", daemon=True)
    thread.start()
    return thread


def _import_heavy(runner: Runner) -> None:
    for name in ("torch", "spandrel"):
        runner.wait_until_idle()  # the import blocks the interpreter for seconds
        try:
            importlib.import_module(name)
        except (ImportError, RuntimeError) as exc:  # the approaches that need it report this themselves
            log.warning("%s could not be imported: %s", name, exc)


def _image(side: int) -> ImageData:
    """Return an image of noise: approaches that skip flat patches would skip the whole of a flat image."""
    rgb = np.random.default_rng(0).random((side, side, 3), np.float32)
    return ImageData(readonly(rgb), None, False, 8, None, "warm-up", ())
