"""The small diffusion model as an `Upscaler`, with several samples of one input for comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sr_demo.checkpoint import card
from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.postprocessing import finished
from sr_demo.diffusion.trajectory import SamplingStep, Trajectory, cropped, most_detailed_square
from sr_demo.errors import BadInput
from sr_demo.image import Image, bt601_luma, readonly
from sr_demo.imaging.detail import high_band
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Request, Upscaler

if TYPE_CHECKING:
    from sr_demo.diffusion.sampler import Sampler  # imports torch, which would delay the start of the page

CROP = 96
"""Side of the crop whose trajectory is recorded, in pixels of the result."""


@dataclass(frozen=True)
class DiffusionSamples:
    """Several results for one input; images (4*H, 4*W, 3) float32 in [0, 1]."""

    start: Image
    results: tuple[Image, ...]
    steps: tuple[SamplingStep, ...]
    """The sampling steps of the first result."""

    def spread(self) -> Image:
        """Return (4*H, 4*W): standard deviation over the results of the luma (BT.601) at each pixel, 0..0.5."""
        return np.stack([bt601_luma(result) for result in self.results]).std(axis=0)


class DiffusionUpscaler:
    """Implements the `Upscaler` protocol, with its own tiling in each step."""

    backend = "torch"
    loss_db = None

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self.precision = sampler.precision

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """Return one sample, or the mean of several."""
        return self.upscale_traced(image, options, progress)[0]

    def upscale_traced(self, image: Image, options: Options, progress: Progress) -> tuple[Image, Trajectory]:
        """Like `upscale`, but also return the steps of the first sample, cropped to the square with the most detail."""
        assert isinstance(options, DiffusionOptions)
        sampler, count = self.sampler, options.samples
        self._check(options.steps)
        start = sampler.start(image, progress.part(0, 0.05))
        side = min(CROP, *start.shape[:2])
        top, left = most_detailed_square(start, side)
        total, seen = np.zeros(start.shape, np.float32), _Spread() if count > 1 else None
        shown: list[SamplingStep] = []
        for index in range(count):
            part = progress.part(0.05 + 0.9 * index / count, 0.05 + 0.9 * (index + 1) / count)
            after = start
            for step in sampler.sample_steps(
                image, start, options.steps, options.seed, part, sample=index, strength=options.noise
            ):
                after = step.after
                if index == 0:
                    shown.append(cropped(step, top, left, side))
            total += after
            if seen is not None:
                seen.add(after)
        mean = np.divide(total, count, dtype=np.float32)
        result = readonly(self._finished(mean, start, image, options, progress.part(0.95, 1)))
        first, last = (whole[top : top + side, left : left + side].copy() for whole in (start, result))
        spread = None if seen is None else seen.deviation() * np.float32(options.creativity)
        return result, Trajectory(top, left, first, tuple(shown), last, count, spread)

    def draw_samples(
        self, image: Image, options: DiffusionOptions, count: int, progress: Progress
    ) -> Iterator[DiffusionSamples]:
        """Draw several samples with one seed.

        Args:
            image: (H, W, 3) in [0, 1].
            options: The options; `samples` is ignored.
            count: Number of samples.
            progress: Reports the steps; raises Cancelled on Stop.

        Yields:
            The samples so far: first none, then one more each time.
        """
        self._check(options.steps)
        start = self.sampler.start(image, progress.part(0, 0.05))
        shown, results = readonly(np.clip(start, 0, 1)), tuple[Image, ...]()
        steps: list[SamplingStep] = []
        yield DiffusionSamples(shown, results, ())
        for index in range(count):
            part = progress.part(0.05 + 0.95 * index / count, 0.05 + 0.95 * (index + 1) / count)
            part(0.0, f"sample {index + 1} of {count}")
            taken = list(
                self.sampler.sample_steps(
                    image, start, options.steps, options.seed, part, sample=index, strength=options.noise
                )
            )
            steps = steps or taken
            results += (self._finished(taken[-1].after, start, image, options, part.part(0.99, 1)),)
            yield DiffusionSamples(shown, results, tuple(steps))

    def _finished(
        self, sample: Image, start: Image, image: Image, options: DiffusionOptions, progress: Progress
    ) -> Image:
        return finished(sample, start, image, options.creativity, options.agreement, options.colour, progress)

    def _check(self, steps: int) -> None:
        levels = self.sampler.schedule.levels
        if steps > levels:
            raise BadInput(f"This model was trained with {levels} steps at most, not {steps}. Choose fewer.")


class _Spread:
    """Running standard deviation over samples (Welford 1962) of their detail; colours do not differ after the correction."""

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, np.float32(0), np.float32(0)

    def add(self, sample: Image) -> None:
        """Add one sample, (H, W, 3)."""
        detail = high_band(np.asarray(bt601_luma(sample), np.float32), 4)
        self._count += 1
        before = detail - self._mean
        self._mean = self._mean + before / np.float32(self._count)
        self._squares = self._squares + before * (detail - self._mean)

    def deviation(self) -> NDArray[np.float32]:
        """Return the standard deviation of the detail in luma at each pixel, (H, W)."""
        return np.asarray(np.sqrt(self._squares / np.float32(self._count)), np.float32)


def load(request: Request) -> Upscaler:
    """Load the two files of the checkpoint: the diffusion network, then the network of the initial estimate."""
    from sr_demo.backends import embedded
    from sr_demo.backends.torch_backend import choose_precision, load_safetensors
    from sr_demo.diffusion.sampler import Sampler
    from sr_demo.networks.shift_unet import ShiftUNet

    network, initial = (
        load_safetensors(file, embedded.build(card(file.stem)["architecture"])) for file in request.files
    )
    assert isinstance(network, ShiftUNet)
    return DiffusionUpscaler(Sampler(initial, network, choose_precision(request.precision)))
