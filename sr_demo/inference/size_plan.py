"""Plan of the steps by which a method reaches a requested size: runs of its network, and resampling between and after them.

A plan is a pure value, computed from sizes alone before the work starts. The runner executes it, the estimates of time and
memory sum over it, and tables and reports describe it in words::

    any size      the method reaches it directly         (LIIF, bicubic, Lanczos)
    below x4      x4, resampled                          256 -> 1024 -> 512
    above x4      x4, resampled, x4 again                256 -> 1024 -> 512 -> 2048 for 8x

The last of several runs starts from the smallest image from which it can reach the size. This is a sharp, downscaled image,
like those that networks were trained on, and needs a quarter of the work compared with the full result of the previous run.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Literal

from sr_demo.checkpoint import Checkpoint
from sr_demo.image import Size
from sr_demo.imaging.output_size import OutputSize
from sr_demo.options import Options
from sr_demo.spec import Approach


@dataclass(frozen=True)
class Step:
    """One step of a plan."""

    kind: Literal["run", "resample"]
    before: Size
    after: Size


@dataclass(frozen=True)
class SizePlan:
    """The steps from an image to the result in order, with at least one run."""

    steps: tuple[Step, ...]

    @property
    def size(self) -> Size:
        """Size of the result."""
        return self.steps[-1].after

    @property
    def runs(self) -> tuple[Step, ...]:
        """The steps that run the method."""
        return tuple(step for step in self.steps if step.kind == "run")

    @property
    def resamplings(self) -> tuple[Step, ...]:
        """The steps that resample."""
        return tuple(step for step in self.steps if step.kind == "resample")

    @property
    def factor(self) -> float:
        """Scale factor of the result."""
        return _ratio(self.steps[0].before, self.size)

    @property
    def words(self) -> str:
        """The steps as a phrase: "x4", "x4, then resampled to 2x"."""
        phrases = [
            f"x{_short(_ratio(step.before, step.after))}"
            if step.kind == "run"
            else f"resampled to {_short(_ratio(self.steps[0].before, step.after))}x"
            for step in self.steps
        ]
        return ", then ".join(filter(None, (", ".join(phrases[:-1]), phrases[-1])))


def plan_size(
    approach: Approach, checkpoint: Checkpoint, options: Options, requested: OutputSize | None, image: Size
) -> SizePlan:
    """Return the steps by which a method reaches a size.

    Args:
        approach: The method.
        checkpoint: One of its checkpoints.
        options: Options of the approach; their `scale` applies if no size is requested.
        requested: The requested size; None for the scale of the method.
        image: Size of the input.

    Returns:
        The plan; it ends in exactly the requested size.

    Raises:
        BadInput: The size is below 1 or above 8 times that of the image.
    """
    own = Size(*approach.size_with(options, *image, checkpoint=checkpoint))
    target = own if requested is None else requested.resolve(image)
    if target == own or approach.any_scale:
        return SizePlan((Step("run", image, target),))
    scale, steps, now = approach.scale_of(checkpoint), list[Step](), image

    def add(kind: Literal["run", "resample"], after: Size) -> None:
        nonlocal now
        if kind == "run" or after != now:
            steps.append(Step(kind, now, after))
        now = after

    while scale > 1 and not _covers(_enlarged(now, scale), target):
        add("run", _enlarged(now, scale))
    if steps:
        add("resample", Size(ceil(target.height / scale), ceil(target.width / scale)))
    add("run", _enlarged(now, scale))
    add("resample", target)
    return SizePlan(tuple(steps))


def relative_work(approach: Approach, checkpoint: Checkpoint, options: Options, run: Step) -> float:
    """Return the work of a run relative to a run on the same input at the method's own scale."""
    own = Size(*approach.size_with(options, *run.before, checkpoint=checkpoint))
    return 1 + approach.rendered * (_ratio(own, run.after) ** 2 - 1)


def _enlarged(size: Size, scale: int) -> Size:
    return Size(size.height * scale, size.width * scale)


def _covers(size: Size, target: Size) -> bool:
    return size.height >= target.height and size.width >= target.width


def _ratio(before: Size, after: Size) -> float:
    return sqrt(after.height * after.width / (before.height * before.width))


def _short(ratio: float) -> str:
    return f"{round(ratio, 2):g}"
