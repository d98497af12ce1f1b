"""Presets of the Compare tab: which methods run, and how large an image they are given.

Most only tick methods. Generative adversarial networks against diffusion also sets the size of the image, and its methods
follow from the families of the approaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sr_demo.hub import checkpoints
from sr_demo.inference.jobs import Job
from sr_demo.ui.languages import text
from sr_demo.ui.source import Source

OWN, FAMILIES, FAST, MEASURE, OLD = "own", "families", "fast", "measure", "old"
"""Values of the choice; with `OWN` the visitor's own ticks hold."""
_QUICK = ("bicubic", "lanczos", "espcn", "edsr", "real-esrgan")
_FOR_OLD_PHOTOS = ("bicubic", "real-esrgan", "srgan")
_FAITHFUL = ("baseline", "convolutional", "attention")
GENERATIVE = ("adversarial", "diffusion")
SCALE = 4
BELOW = 250
"""The preset is about inputs with sides below this many pixels."""
MAX_SIDE = 248
"""What larger images are downscaled to: the largest multiple of 8 below, whose fourfold divides evenly too."""


@dataclass(frozen=True)
class Selection:
    """What was selected before a preset, to be restored after it."""

    test: bool
    methods: list[str]
    more: list[str]
    source: Source | None
    """With the region of that time."""


def choices(jobs: Sequence[Job]) -> list[tuple[str, str]]:
    """Return the choices (label, value) that these methods allow: no preset first, then those with two methods or more.

    Args:
        jobs: One for each approach, like everywhere here (see `method_choices.leading`).
    """
    named = [(text(f"preset_{value}"), value) for value in (FAST, MEASURE, OLD, FAMILIES)]
    both = {job.approach.family for job in families(jobs)} == set(GENERATIVE)
    possible = {value for _, value in named if len(ticked(jobs, value)) > 1} - (set() if both else {FAMILIES})
    return [(text("preset_own"), OWN), *((label, value) for label, value in named if value in possible)]


def families(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs of adversarial and diffusion approaches at the preset's scale."""
    return [job for job in jobs if job.approach.family in GENERATIVE and job.default_scale == SCALE]


def ticked(jobs: Sequence[Job], preset: str) -> list[str]:
    """Return the keys that a preset ticks, of those that can run at once: a download remains the visitor's choice."""
    chosen = {
        FAMILIES: families(jobs),
        FAST: [job for job in jobs if job.approach.id in _QUICK],
        MEASURE: [
            job for job in jobs if job.approach.family in _FAITHFUL and not job.approach.invents_with(job.checkpoint)
        ],
        OLD: [job for job in jobs if job.approach.id in _FOR_OLD_PHOTOS],
    }.get(preset, [])
    return [job.key for job in chosen if checkpoints.is_available(job.checkpoint)]


def tests(source: Source | None) -> bool:
    """Return whether the preset tests: wherever the image is large enough to be the reference."""
    return source is None or max(source.width, source.height) >= BELOW


def max_side(preset: str, test: bool, factor: float = SCALE) -> int | None:
    """Return the longest side in pixels of the image that is used; None without a preset."""
    if preset != FAMILIES:
        return None
    return MAX_SIDE * int(factor) if test else MAX_SIDE


def lr_size(source: Source, preset: str, test: bool, factor: float = SCALE) -> tuple[int, int]:
    """Return (height, width) of what the methods are given; tests divide by `factor`, which is a whole number then."""
    height, width = source.size_within(max_side(preset, test, factor))
    return (max(height // int(factor), 1), max(width // int(factor), 1)) if test else (height, width)


def note(
    preset: str, test: bool, source: Source | None, jobs: Sequence[Job], keys: Sequence[str], factor: float = SCALE
) -> str:
    """Return in sentences what the preset does.

    Args:
        preset: Value of the choice; the result is empty for `OWN`.
        test: Whether the photo is the reference.
        source: The image, if there is one.
        jobs: One for each approach.
        keys: Keys of the ticked ones.
        factor: Scale factor of the results.
    """
    if preset != FAMILIES:
        return ""
    titles = [job.title for job in families(jobs) if job.key in keys]
    names = ", ".join(titles[:-1]) + (" and " if len(titles) > 1 else "") + titles[-1] if titles else "nothing yet"
    sentences = [f"Compares {names} on inputs with sides below {BELOW} pixels, enlarged {factor:g} times."]
    waiting = [job.title for job in families(jobs) if not checkpoints.is_available(job.checkpoint)]
    if waiting:
        sentences.append(f"Also here, once downloaded: {', '.join(waiting)}; tick them under “More methods”.")
    if source is not None:
        sentences.append(_size_note(test, source, factor))
    sentences.append("“my choice” restores your ticks and the size of your photo.")
    return " ".join(sentences)


def _size_note(test: bool, source: Source, factor: float) -> str:
    box = source.box()
    used = source.size_within(max_side(FAMILIES, test, factor))
    whole = used == (box.height, box.width)
    what = "The part you chose" if source.region_side is not None else "Your photo"
    downscaled = f"{what} is first reduced to {used[1]} × {used[0]} pixels"
    if not test:
        return f"{what} is used as it is." if whole else f"{downscaled}, then enlarged."
    given = f"the methods are given {used[1] // int(factor)} × {used[0] // int(factor)}"
    return f"{what} is the original; {given}." if whole else f"{downscaled}: that is the original, and {given}."
