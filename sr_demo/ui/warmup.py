"""Loading the default approaches in the background, once the page is up: the first visitor then waits for none of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Thread

import numpy as np

from sr_demo.errors import SRError
from sr_demo.image import Picture, readonly
from sr_demo.runner import Job, Runner
from sr_demo.spec import Approach

log = logging.getLogger("sr_demo")


def warm_up(runner: Runner, approaches: Sequence[Approach]) -> Thread:
    """Run every preselected approach that needs no download once on a tiny picture, in a thread of its own."""
    picture = Picture(readonly(np.full((16, 16, 3), 0.5, np.float32)), None, False, 8, None, "warm-up", ())

    def work() -> None:
        for approach in approaches:
            checkpoint = approach.checkpoints[0]
            if approach.preselected and checkpoint.kind != "hub":
                try:
                    runner.run(Job(approach, checkpoint, approach.options()), picture)
                except SRError as exc:
                    log.warning("%s could not be warmed up: %s", approach.id, exc)

    thread = Thread(target=work, name="warm-up", daemon=True)
    thread.start()
    return thread
