"""The small diffusion model as an approach: start picture, samples, finish. And several samples, to see where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.postprocessing import finished
from sr_demo.diffusion.trajectory import Look, Walk, busiest, part_of
from sr_demo.errors import BadInput
from sr_demo.image import Image, bt601_luma, readonly
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Request, Upscaler, card

if TYPE_CHECKING:
    from sr_demo.diffusion.sampler import Sampler  # imports torch, for which the page does not wait

WINDOW = 96
"""Side of the part whose way is shown, pixels of the result."""


@dataclass(frozen=True)
class Guesses:
    """Several results for one picture. Pictures (4 H, 4 W, 3) in [0, 1]."""

    start: Image
    results: tuple[Image, ...]
    looks: tuple[Look, ...]
    """The steps that led to the first result."""

    def spread(self) -> Image:
        """(4 H, 4 W): standard deviation over the results of the brightness (BT.601) at each pixel, 0..0.5."""
        return np.stack([bt601_luma(result) for result in self.results]).std(axis=0)


class DiffusionUpscaler:
    """Behind the `Upscaler` protocol; cuts the picture into tiles itself, step by step."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self.precision = sampler.precision

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """One sample, or the mean of several."""
        assert isinstance(options, DiffusionOptions)
        sampler, count = self.sampler, options.samples
        self._check(options.steps)
        start = sampler.start(image, progress.part(0, 0.05))
        side = min(WINDOW, *start.shape[:2])
        top, left = busiest(start, side) if progress.watch else (0, 0)
        total = np.zeros(start.shape, np.float32)
        shown: list[Look] = []
        for index in range(count):
            part = progress.part(0.05 + 0.9 * index / count, 0.05 + 0.9 * (index + 1) / count)
            after = start
            for look in sampler.walk(
                image, start, options.steps, options.seed, part, sample=index, strength=options.noise
            ):
                after = look.after
                if progress.watch and index == 0:
                    shown.append(part_of(look, top, left, side))
            total += after
        mean = np.divide(total, count, dtype=np.float32)
        result = readonly(self._finished(mean, start, image, options, progress.part(0.95, 1)))
        if progress.watch:
            begun, ended = (picture[top : top + side, left : left + side].copy() for picture in (start, result))
            progress.watch(Walk(top, left, begun, tuple(shown), ended, count))
        return result

    def guess(self, image: Image, options: DiffusionOptions, count: int, progress: Progress) -> Guesses:
        """`count` results of their own, whatever `options.samples` says."""
        self._check(options.steps)
        start = self.sampler.start(image, progress.part(0, 0.05))
        results: list[Image] = []
        looks: list[Look] = []
        for index in range(count):
            part = progress.part(0.05 + 0.95 * index / count, 0.05 + 0.95 * (index + 1) / count)
            part(0.0, f"sample {index + 1} of {count}")
            walked = list(
                self.sampler.walk(image, start, options.steps, options.seed, part, sample=index, strength=options.noise)
            )
            looks = looks or walked
            results.append(self._finished(walked[-1].after, start, image, options, part.part(0.99, 1)))
        return Guesses(np.clip(start, 0, 1), tuple(results), tuple(looks))

    def _finished(
        self, sample: Image, start: Image, image: Image, options: DiffusionOptions, progress: Progress
    ) -> Image:
        return finished(sample, start, image, options.creativity, options.agreement, options.colour, progress)

    def _check(self, steps: int) -> None:
        levels = self.sampler.schedule.levels
        if steps > levels:
            raise BadInput(f"This model was trained with {levels} steps at most, not {steps}. Choose fewer.")


def load(request: Request) -> Upscaler:
    """The two files of the checkpoint, in order: the network that walks, and the one that makes the start picture."""
    from sr_demo.backends import embedded
    from sr_demo.backends.torch_backend import choose_precision, load_safetensors
    from sr_demo.diffusion.sampler import Sampler
    from sr_demo.networks.shift_unet import ShiftUNet

    network, calm = (load_safetensors(file, embedded.build(card(file.stem)["architecture"])) for file in request.files)
    assert isinstance(network, ShiftUNet)
    return DiffusionUpscaler(Sampler(calm, network, choose_precision(request.precision)))
