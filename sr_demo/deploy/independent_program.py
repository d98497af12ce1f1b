"""A program that loads and runs one approach without the deployability report, as a reference for `cross_check`.

`python -m sr_demo.deploy.independent_program ID[:CHECKPOINT] SIDE SECONDS` upscales a SIDE x SIDE image once untimed and then
for about SECONDS, at least three times, and prints the seconds of each run as JSON. With SIDE 0 it ends before anything is
loaded, which gives the memory of the idle program.

It exits without Python's clean-up, which reads all of torch's libraries: after `espcn` at 128 x 128 pixels the resident set
rose from 618 to 730 MB during the exit, although the method does not need this memory.
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
    """Return the seconds of each run. Raises SRError."""
    job = job_for(APPROACHES, name)
    if side == 0:
        return []
    runner = Runner()
    runner.warm(job)
    levels = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    image = ImageData(readonly(np.divide(levels, np.float32(255), dtype=np.float32)))
    seconds: list[float] = []
    with runner.loaded(job) as model:
        upscale_image(model, image, SILENT)
        while len(seconds) < _LEAST or (sum(seconds) < enough and len(seconds) < _MOST):
            begun = time.monotonic_ns()
            upscale_image(model, image, SILENT)
            seconds.append((time.monotonic_ns() - begun) / 1e9)
    return seconds


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
    sys.stdout.flush()
    os._exit(0)
