"""One approach loaded and run by a program that knows nothing of the deployability report: what `deploy_check` compares with.

`python -m sr_demo.deploy.independent_program ID[:CHECKPOINT] SIDE SECONDS` enlarges a SIDE x SIDE picture once unclocked and
then for about SECONDS, at least three times, and prints the seconds of each by its own clock, as JSON. SIDE 0 ends before
anything is loaded: what the program takes while it does nothing.

It ends without Python's tidying up. That touches torch's libraries from end to end: after `espcn` at 128 x 128 pixels the
resident set rose from 618 to 730 MB while the program ended, which is no memory that the method needs.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

from sr_demo.catalogue import APPROACHES
from sr_demo.image import ImageData, readonly
from sr_demo.inference.jobs import job_for
from sr_demo.inference.runner import Runner
from sr_demo.inference.upscale import upscale_image
from sr_demo.progress import SILENT

_LEAST, _MOST = 3, 20


def main(name: str, side: int, enough: float) -> list[float]:
    """Seconds of each call. Raises SRError."""
    job = job_for(APPROACHES, name)
    if side == 0:
        return []
    runner = Runner()
    runner.warm(job)
    levels = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    picture = ImageData(readonly(np.divide(levels, np.float32(255), dtype=np.float32)))
    seconds: list[float] = []
    with runner.loaded(job) as model:
        upscale_image(model, picture, SILENT)
        while len(seconds) < _LEAST or (sum(seconds) < enough and len(seconds) < _MOST):
            begun = time.monotonic_ns()
            upscale_image(model, picture, SILENT)
            seconds.append((time.monotonic_ns() - begun) / 1e9)
    return seconds


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
    sys.stdout.flush()
    os._exit(0)
