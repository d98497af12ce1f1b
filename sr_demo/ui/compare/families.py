"""GAN and diffusion explained on the picture at hand: words, and the states of the very run that was just measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from sr_demo.diffusion.trajectory import Trajectory
from sr_demo.image import Image, quantize
from sr_demo.ui.html import inline_picture

_SIDE = 110
"""CSS pixels of each picture."""

_WORDS = """<h3>GAN and diffusion: two ways to invent</h3>
<div class="sr-families"><p><b>A GAN answers once.</b> While it learned, a second network, the critic, looked at its
pictures and at real ones, and told which was which; it was rewarded for passing. So it draws crisp texture in a single pass:
quick, small, and always the same answer, however unsure it should be.</p>
<p><b>A diffusion model walks.</b> While it learned, true pictures were destroyed step by step with noise, and it learned to
say what was underneath. Now it begins with a calm enlargement plus noise and takes a little of the noise away in each
step. Every step is a run of the network: that is the price. Other noise leads to another picture: so one can ask it twice and
see where it was guessing.</p>
<p><b>Both invent.</b> Neither knows more about your picture than the small one says. High “Agrees with input” means that
the invention at least does not contradict it.</p></div>"""


@dataclass(frozen=True)
class Answer:
    """A result of one pass."""

    title: str
    picture: Image
    """(H, W, 3), whole."""


def shown(walk: Trajectory | None, title: str, answers: Sequence[Answer], truth: Image | None, both: bool) -> str:
    """The explanation where `both` families answered, and the drawing where a `walk` was seen; else nothing.

    `title` is the walking method's; `answers` are those of one pass; `truth` (H, W, 3) if it is known.
    """
    words = _WORDS if both else ""
    return words + (_drawing(walk, title, answers, truth) if walk else "")


def _drawing(walk: Trajectory, title: str, answers: Sequence[Answer], truth: Image | None) -> str:
    side = walk.start.shape[0]
    inside = np.s_[walk.top : walk.top + side, walk.left : walk.left + side]
    clean = walk.result if truth is None else truth[inside]
    name = "the result" if truth is None else "the truth"
    forward = [_figure(clean, name.capitalize(), "no noise")]
    forward += [
        _figure(state, f"shifted {look.shift:.0%}", f"noise {look.noise:.1%}")
        for state, look in zip(walk.forward(clean), reversed(walk.steps), strict=True)
    ]
    backward = [_figure(walk.start, "Start picture", "calm, no guess")]
    for look in walk.steps:
        pair = _figure(look.before, f"Step {look.step} sees", f"noise {look.noise:.1%}") + _figure(
            look.estimate, "and estimates", "no noise left"
        )
        backward.append(f"<div>{pair}</div>")
    mean = f"the mean of {walk.samples} walks" if walk.samples > 1 else "after colours and agreement"
    backward.append(_figure(walk.result, "Result", mean))
    steps = len(walk.steps)
    once = "".join(_figure(answer.picture[inside], answer.title, "one pass") for answer in answers)
    return (
        f"<h3>Step by step, on your picture</h3>"
        f'<p class="sr-fine">The square of {side} × {side} pixels with the most detail, from the run of {escape(title)} that '
        "is in the table.</p>"
        + (_row("In one pass", "The network is asked once.", once) if once else "")
        + _row(
            "Forward: how diffusion learns",
            f"{name.capitalize()} is shifted towards the start picture, and noise is added, at the levels of this run: "
            "with the noise of this run the last one is where the walk below begins."
            + ("" if truth is not None else " The truth is not known here, so the result stands for it."),
            "".join(forward),
        )
        + _row(
            "Backward: how it draws",
            f"{steps} {'step' if steps == 1 else 'steps'}: above what the network was shown, below what it made of it. "
            "Part of the estimate replaces part of the noise, and it is asked again.",
            "".join(backward),
        )
    )


def _row(title: str, words: str, figures: str) -> str:
    return (
        f'<h4>{title}</h4><p class="sr-fine">{words}</p><div class="sr-steps" tabindex="0" role="region" '
        f'aria-label="{escape(title)}">{figures}</div>'
    )


def _figure(picture: Image, caption: str, more: str) -> str:
    image = inline_picture(quantize(np.clip(picture, 0, 1)), _SIDE, f"{caption}, {more}")
    return f"<figure>{image}<figcaption>{escape(caption)}<span>{escape(more)}</span></figcaption></figure>"
