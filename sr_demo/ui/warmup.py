"""Loads the default approaches in the background once the page is up, so that no visitor waits for it.

Approaches that run without torch come first. Then torch and spandrel are imported, outside of the compute lock, so that an
early visitor need not wait for that. Each approach runs on a tiny image, which loads everything, and then repeatedly on a
larger one, so that the time estimates on the page are measured on this hardware. Requests of visitors always go first.
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
    """Run every preselected approach that needs no download, in a thread that this starts; failures are logged."""
    jobs = [
        Job(approach, checkpoints.default(approach), approach.options())
        for approach in approaches
        if approach.preselected and checkpoints.is_available(checkpoints.default(approach))
    ]
    quick = [job for job in jobs if job.checkpoint.kind == "none" or is_prepared(job)]
    others = [job for job in jobs if job not in quick]

    def run(job: Job, side: int) -> float | None:
        """Return the seconds it took; None where it failed."""
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
        runner.wait_until_idle()  # importing takes seconds of the interpreter
        try:
            importlib.import_module(name)
        except (ImportError, RuntimeError) as exc:  # the approaches that need it report this themselves
            log.warning("%s could not be imported: %s", name, exc)


def _image(side: int) -> ImageData:
    """Return noise: approaches that skip flat patches would skip all of a flat image."""
    rgb = np.random.default_rng(0).random((side, side, 3), np.float32)
    return ImageData(readonly(rgb), None, False, 8, None, "warm-up", ())
