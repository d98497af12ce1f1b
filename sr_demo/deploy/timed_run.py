"""One approach for the deployability report: loaded once, run without being scored, timed from call to result."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from sr_demo.errors import OutOfMemory
from sr_demo.image import Image, ImageData
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.inference.upscale import upscale_image
from sr_demo.progress import SILENT
from sr_demo.reports import formatting
from sr_demo.spec import Precision


@dataclass(frozen=True)
class Run:
    """One picture enlarged."""

    rgb: Image
    seconds: float
    cpu_seconds: float
    """Processor time of all threads of this process."""
    precision: str
    """As in tables: for int8 with what it costs."""
    engine: str
    """"torch" or "OpenVINO"; empty for what is no network."""
    tiles: int


@dataclass(frozen=True)
class Subject:
    """What is measured. Nothing but the enlarging is timed, and nothing is computed beside it."""

    runner: Runner
    job: Job

    def run(self, image: Image, precision: Precision | None = None) -> Run:
        """Enlarge `image` (H, W, 3), float32 in [0, 1]. Raises SRError; loads what was not loaded yet, untimed."""
        job = self.job if precision is None else replace(self.job, precision=precision)
        picture = ImageData(image)
        with self.runner.loaded(job) as model:
            begun, cpu_begun = time.perf_counter(), time.process_time()
            try:
                upscaled = upscale_image(model, picture, SILENT)
            except MemoryError as exc:
                raise OutOfMemory from exc
            seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu_begun
            engine = model.upscaler.backend
            computed = formatting.precision(model.upscaler.precision, model.upscaler.loss_db)
        return Run(upscaled.image.rgb, seconds, cpu_seconds, computed, engine, upscaled.tiles)
