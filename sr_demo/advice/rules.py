"""The rules of the recommendation in one table; the first rule whose condition holds decides.

The rules are based on measurements (`docs/decisions.md`, "Which method for which photo"). Faithful networks are closer to
the original than bicubic for clean photos, but worse from about 8 levels of noise or below JPEG quality 75, since they take
noise and artifacts for detail. Real-ESRGAN was trained to remove both; it looks most natural throughout, but invents detail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sr_demo.advice.estimates import Certainty, PhotoEstimates

NOISY = 8.0
"""Noise in levels from which a faithful network is further from the original than bicubic."""
COMPRESSED = 80
"""JPEG quality below which a faithful network gains nothing over bicubic."""
SOFT = 0.55
"""`detail_end` after a Gaussian blur of about 1.2 pixels, or after upscaling by 3."""
_RESTORING = ("real-esrgan:x4plus", "real-esrgan:general-x4v3", "real-esrgan:compact")
_FAITHFUL = ("hat:imagenet", "dat:x4", "rdn:mse", "edsr:baseline")
_PLAIN = ("bicubic:default",)
_MEASURING = ("rdn:mse", "edsr:baseline")

RuleId = Literal["drawing", "letters", "noise", "jpeg", "soft", "clean"]


@dataclass(frozen=True)
class Rule:
    """One rule of the table."""

    id: RuleId
    when: Callable[[PhotoEstimates], bool]
    reads: tuple[str, ...]
    """Names of the estimates that the rule uses; the recommendation is as certain as the least certain of them."""
    looks: tuple[str, ...]
    """Methods (`ID:CHECKPOINT`) for an image to look at, in order of preference; the first available one is used."""
    measuring: tuple[str, ...]
    """Likewise, for an image in which people measure, count or read."""
    reason: str


def is_noisy(found: PhotoEstimates) -> bool:
    """Return whether the photo is noisy. An unsure estimate does not suffice, since texture may look like noise."""
    noise = found.noise
    return noise.value is not None and noise.value >= NOISY and noise.certainty > Certainty.UNSURE


def _compressed(found: PhotoEstimates) -> bool:
    return found.jpeg_quality.value is not None and found.jpeg_quality.value < COMPRESSED


def is_soft(found: PhotoEstimates) -> bool:
    """Return whether the detail of the photo ends far below the Nyquist frequency."""
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
"""The rules in order; the condition of the last one always holds."""
