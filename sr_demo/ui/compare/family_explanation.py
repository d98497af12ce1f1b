"""The explanation of GANs and diffusion models: a text, and the recorded steps of the run that is in the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.diffusion.trajectory import Trajectory
from sr_demo.image import Image, quantize
from sr_demo.inference.jobs import Result
from sr_demo.ui.html import inline_image
from sr_demo.ui.languages import marked

_SIDE = 110
"""Side of each image in CSS pixels."""

_TEXT = (
    f'<h3>{marked("families_title")}</h3><div class="sr-families">'
    + "".join(f"<p>{marked(key)}</p>" for key in ("families_gan", "families_diffusion", "families_both"))
    + "</div>"
)


@dataclass(frozen=True)
class OnePassResult:
    """The result of a method that runs its network once."""

    title: str
    pixels: NDArray[Any]
    """(H, W, 3), the whole image: uint8, or float32 in [0, 1]."""


@dataclass(frozen=True)
class FamilyExplanation:
    """The content of the explanation."""

    trajectory: Trajectory | None
    """The recorded steps of a diffusion model; None if none were recorded."""
    title: str
    """Title of that model."""
    one_pass: Sequence[OnePassResult]
    """Results of single-pass methods in the same size."""
    reference: Image | None
    """(H, W, 3), the HR reference; None if unknown."""
    both: bool
    """Whether both families ran."""

    @staticmethod
    def of(results: Sequence[Result], one_pass: Sequence[OnePassResult], reference: Image | None) -> FamilyExplanation:
        """Select what to explain from the results of a comparison.

        Args:
            results: All results, in order.
            one_pass: Images of the GANs' results.
            reference: (H, W, 3), the HR reference; None if unknown.
        """
        walks = [(step, result) for result in results for step in result.trajectory]
        ran = {result.job.approach.family for result in results}
        both = {"adversarial", "diffusion"} <= ran
        if not walks:
            return FamilyExplanation(None, "", (), reference, both)
        walk, result = walks[0]
        same_size = [image for image in one_pass if image.pixels.shape[:2] == result.size]
        return FamilyExplanation(walk, result.job.title, same_size, reference, both)


def explanation(explained: FamilyExplanation) -> str:
    """Return HTML: the text if both families ran, and the drawing if steps were recorded; otherwise empty."""
    text = _TEXT if explained.both else ""
    drawing = _drawing(explained, explained.trajectory) if explained.trajectory else ""
    return f'{text}<div class="sr-words">{drawing}</div>' if drawing else text


def _drawing(explained: FamilyExplanation, trajectory: Trajectory) -> str:
    side = trajectory.start.shape[0]
    inside = np.s_[trajectory.top : trajectory.top + side, trajectory.left : trajectory.left + side]
    known = explained.reference is not None
    clean = trajectory.result if explained.reference is None else explained.reference[inside]
    name = "the original" if known else "the result"
    steps = len(trajectory.steps)
    one_pass = "".join(_figure(image.pixels[inside], image.title, "one pass") for image in explained.one_pass)
    return (
        f"<h3>Step by step, on your photo</h3>"
        f'<p class="sr-fine">The square of {side} × {side} pixels with the most detail, from the run of '
        f"{escape(explained.title)} that is in the table.</p>"
        + (_row("In one pass", "The network runs once.", one_pass) if one_pass else "")
        + _row(
            "Forward: how diffusion is trained",
            f"{name.capitalize()} is blended with the smooth enlargement, and noise is added, at the levels of this run. "
            "With the noise of this run, the last image is where the steps below begin."
            + ("" if known else " The original is not known here, so the result stands in for it."),
            _forward(trajectory, clean, name),
        )
        + _row(
            "Backward: how it enlarges",
            f"{steps} {'step' if steps == 1 else 'steps'}: above, what the network was given; below, its estimate. "
            "Part of the estimate replaces part of the noise, and the network runs again.",
            _backward(trajectory),
        )
    )


def _forward(trajectory: Trajectory, clean: Image, name: str) -> str:
    """Return the figures of the forward process, least noise first; `clean` is (side, side, 3)."""
    states = zip(trajectory.forward(clean), reversed(trajectory.steps), strict=True)
    figures = [_figure(state, f"blended {step.shift:.0%}", f"noise {step.noise:.1%}") for state, step in states]
    return _figure(clean, name.capitalize(), "no noise") + "".join(figures)


def _backward(trajectory: Trajectory) -> str:
    figures = [_figure(trajectory.start, "Start image", "smooth, nothing invented")]
    for step in trajectory.steps:
        given = _figure(step.before, f"Step {step.step} is given", f"noise {step.noise:.1%}")
        figures.append(f"<div>{given}{_figure(step.estimate, 'and estimates', 'no noise left')}</div>")
    made = f"the mean of {trajectory.samples} runs" if trajectory.samples > 1 else "after colour and LR consistency"
    return "".join([*figures, _figure(trajectory.result, "Result", made)])


def _row(title: str, text: str, figures: str) -> str:
    return (
        f'<h4>{title}</h4><p class="sr-fine">{text}</p><div class="sr-steps" tabindex="0" role="region" '
        f'aria-label="{escape(title)}">{figures}</div>'
    )


def _figure(image: NDArray[Any], caption: str, more: str) -> str:
    pixels = image if image.dtype == np.uint8 else quantize(np.clip(image, 0, 1))
    tag = inline_image(np.asarray(pixels, np.uint8), _SIDE, f"{caption}, {more}")
    return f"<figure>{tag}<figcaption>{escape(caption)}<span>{escape(more)}</span></figcaption></figure>"
