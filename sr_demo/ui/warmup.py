"""Loading the default approaches in the background, once the page is up: the first visitor waits for none of it.

Each is run twice: on a tiny picture, which loads everything, and on one large enough for its time to be learned, so that
the prices on the page are this machine's own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Thread

import numpy as np

from sr_demo.image import Picture, readonly
from sr_demo.runner import Failed, Job, Runner
from sr_demo.spec import Approach

log = logging.getLogger("sr_demo")

_SIDES = (16, 96)


def warm_up(runner: Runner, approaches: Sequence[Approach]) -> Thread:
    """Run every preselected approach that needs no download, in a thread of its own; what fails is logged."""

    def work() -> None:
        for side in _SIDES:
            picture = _picture(side)
            for approach in approaches:
                checkpoint = approach.checkpoints[0]
                if approach.preselected and checkpoint.kind != "hub":
                    outcome = runner.attempt(Job(approach, checkpoint, approach.options()), picture)
                    if isinstance(outcome, Failed):
                        log.warning("%s could not be warmed up: %s", approach.id, outcome.message)

    thread = Thread(target=work, name="warm-up", daemon=True)
    thread.start()
    return thread


def _picture(side: int) -> Picture:
    """Noise: a flat picture would be skipped where flat patches are."""
    rgb = np.random.default_rng(0).random((side, side, 3), np.float32)
    return Picture(readonly(rgb), None, False, 8, None, "warm-up", ())
