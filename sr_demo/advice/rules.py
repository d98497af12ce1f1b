"""The rules of the recommendation, in one table: the first whose condition holds decides.

They rest on measurements (`docs/decisions.md`, "Which method for which photo"): faithful networks are closer to the original
than bicubic while the photo is clean, and fall behind it from about 8 levels of noise or JPEG quality 75 on, since they take
both for detail. Real-ESRGAN was trained to remove both, looks most natural throughout, and invents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sr_demo.advice.estimates import Certainty, Estimates

NOISY = 8.0
"""Levels of noise from which a faithful network is further from the original than bicubic."""
COMPRESSED = 80
"""JPEG quality below which it gains nothing on bicubic."""
SOFT = 0.55
"""Detail ends here after a Gaussian blur of about 1.2 pixels, or an enlargement by 3."""
_RESTORING = ("real-esrgan:x4plus", "real-esrgan:general-x4v3", "real-esrgan:compact")
_FAITHFUL = ("hat:imagenet", "dat:x4", "rdn:mse", "edsr:baseline")
_PLAIN = ("bicubic:default",)
_MEASURING = ("rdn:mse", "edsr:baseline")

RuleId = Literal["drawing", "letters", "noise", "jpeg", "soft", "clean"]


@dataclass(frozen=True)
class Rule:
    """One line of the table."""

    id: RuleId
    when: Callable[[Estimates], bool]
    reads: tuple[str, ...]
    """The estimates that it rests on: the recommendation is as certain as the least certain of them."""
    looks: tuple[str, ...]
    """`ID:CHECKPOINT` for an image to look at: the first that is offered is taken."""
    measuring: tuple[str, ...]
    """Likewise, for one to measure, count or read in."""
    reason: str


def is_noisy(found: Estimates) -> bool:
    """Return whether it is noisy. Texture may look like noise: an unsure estimate does not suffice."""
    noise = found.noise
    return noise.value is not None and noise.value >= NOISY and noise.certainty > Certainty.UNSURE


def _compressed(found: Estimates) -> bool:
    return found.jpeg_quality.value is not None and found.jpeg_quality.value < COMPRESSED


def is_soft(found: Estimates) -> bool:
    """Return whether its detail ends far below what its pixels could hold."""
    return found.detail_end.value is not None and found.detail_end.value <= SOFT


RULES: tuple[Rule, ...] = (
    Rule(
        "drawing", lambda found: found.drawing.value, ("drawing",),
        ("real-esrgan:x4plus-anime", "real-esrgan:animevideo", *_RESTORING), _MEASURING,
        "It has flat areas and clear edges, as drawings do: the network that was trained on drawings keeps lines clean.",
    ),
    Rule(
        "letters", lambda found: found.has_letters, ("letters",), _FAITHFUL, _MEASURING,
        "It has small letters. A method that invents detail may draw other letters; a faithful one leaves unreadable ones "
        "unreadable.",
    ),
    Rule(
        "noise", is_noisy, ("noise",), _RESTORING, _PLAIN,
        "It is noisy. A method trained on poor photos removes the noise. One trained on clean photos takes noise for detail "
        "and is further from the original than plain bicubic enlargement.",
    ),
    Rule(
        "jpeg", _compressed, ("jpeg_quality",), _RESTORING, _PLAIN,
        "JPEG compression has left blocks and fringes. A method trained on poor photos removes them; one trained on clean "
        "photos sharpens them and gains nothing on plain bicubic enlargement.",
    ),
    Rule(
        "soft", is_soft, ("detail_end", "noise"), _RESTORING, _MEASURING,
        "It is blurred, or was enlarged before. A method trained on poor photos sharpens it; a faithful one stays about as "
        "soft as the photo is.",
    ),
    Rule(
        "clean", lambda found: True, ("jpeg_quality", "noise", "detail_end"), _FAITHFUL, _MEASURING,
        "Little has to be repaired: a network trained to be close to the original makes it crisp and adds no detail of "
        "its own.",
    ),
)  # fmt: skip
"""The last one always holds."""
