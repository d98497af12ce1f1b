"""Timed runs of one approach for the deployability report: loaded once, run without metrics, timed from call to result."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sr_demo.errors import OutOfMemory
from sr_demo.image import Image, ImageData
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.inference.upscale import upscale_image
from sr_demo.progress import SILENT
from sr_demo.reports import formatting
from sr_demo.spec import Precision
from sr_demo.system.stopwatch import Stopwatch


@dataclass(frozen=True)
class Run:
    """One upscaled image, with the cost of computing it."""

    rgb: Image
    seconds: float
    cpu_seconds: float
    """Processor time of all threads of this process."""
    precision: str
    """Precision as in the tables; for int8 with its loss of PSNR."""
    backend: str
    """"torch" or "OpenVINO"; empty for methods without a network."""
    tiles: int


@dataclass(frozen=True)
class Subject:
    """One approach to measure. Only the upscaling is timed, and no metrics are computed meanwhile."""

    runner: Runner
    job: Job

    def run(self, image: Image, precision: Precision | None = None) -> Run:
        """Upscale an image; loading is not timed.

        Args:
            image: (H, W, 3) float32 in [0, 1].
            precision: Overrides that of the job.

        Raises:
            SRError: Loading or upscaling failed.
        """
        job = self.job if precision is None else replace(self.job, precision=precision)
        with self.runner.loaded(job) as model:
            try:
                with Stopwatch() as taken:
                    upscaled = upscale_image(model, ImageData(image), SILENT)
            except MemoryError as exc:
                raise OutOfMemory from exc
            upscaler = model.upscaler
            computed = formatting.precision(upscaler.precision, upscaler.loss_db)
        return Run(upscaled.image.rgb, taken.seconds, taken.cpu_seconds, computed, upscaler.backend, upscaled.tiles)
