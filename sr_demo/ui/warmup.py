"""Loading the default approaches in the background, once the page is up: the first visitor waits for none of it.

Those that run without torch go first. torch and spandrel are imported between, outside the lane: a visitor who is quick
need not wait for it. Each is run on a tiny picture, which loads everything, and then on one large enough for its time to be
learned, some times over: the prices on the page are this machine's own. All of it makes way for whoever waits for a result.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from functools import partial
from threading import Thread

import numpy as np

from sr_demo.image import ImageData, readonly
from sr_demo.inference.jobs import Failed, Job, is_prepared
from sr_demo.inference.runner import Runner
from sr_demo.inference.time_estimates import record_timing
from sr_demo.spec import Approach

log = logging.getLogger("sr_demo")

_SIDES = (16, 96)


def warm_up(runner: Runner, approaches: Sequence[Approach]) -> Thread:
    """Run every preselected approach that needs no download, in a thread of its own; what fails is logged."""

    jobs = [
        Job(approach, approach.checkpoints[0], approach.options())
        for approach in approaches
        if approach.preselected and approach.checkpoints[0].kind != "hub"
    ]
    quick = [job for job in jobs if job.checkpoint.kind == "none" or is_prepared(job)]
    others = [job for job in jobs if job not in quick]

    def run(job: Job, side: int) -> float | None:
        """Seconds that it took; None where it failed."""
        outcome = runner.attempt_when_idle(job, _picture(side))
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
        except (ImportError, RuntimeError) as exc:  # whoever needs it says so in a sentence
            log.warning("%s could not be imported: %s", name, exc)


def _picture(side: int) -> ImageData:
    """Noise: a flat picture would be skipped where flat patches are."""
    rgb = np.random.default_rng(0).random((side, side, 3), np.float32)
    return ImageData(readonly(rgb), None, False, 8, None, "warm-up", ())
