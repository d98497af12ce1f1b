"""Presets of the Compare tab: the methods to run, and the size of their input.

Most presets only tick methods. The preset for GANs against diffusion (`FAMILIES`) also sets the size of the image, and its
methods are determined by the families of the approaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sr_demo.hub import checkpoints
from sr_demo.inference.jobs import Job
from sr_demo.ui.languages import text
from sr_demo.ui.source import Source

OWN, FAMILIES, FAST, MEASURE, OLD = "own", "families", "fast", "measure", "old"
"""Values of the choice; `OWN` stands for the methods that the visitor has ticked."""
_QUICK = ("bicubic", "lanczos", "espcn", "edsr", "real-esrgan")
_FOR_OLD_PHOTOS = ("bicubic", "real-esrgan", "srgan")
_FAITHFUL = ("baseline", "convolutional", "attention")
GENERATIVE = ("adversarial", "diffusion")
SCALE = 4
BELOW = 250
"""`FAMILIES` compares on inputs with sides below this number of pixels."""
MAX_SIDE = 248
"""Side in pixels that larger images are downscaled to: the largest multiple of 8 below `BELOW`."""


@dataclass(frozen=True)
class Selection:
    """The visitor's selection before a preset, which is restored after it."""

    test: bool
    methods: list[str]
    more: list[str]
    source: Source | None
    """The photo with the region that was selected then."""


def choices(jobs: Sequence[Job]) -> list[tuple[str, str]]:
    """Return the choices (label, value) for these methods: no preset, then presets that tick at least two methods.

    Args:
        jobs: One job for each approach, as everywhere in this module (see `method_choices.representative_jobs`).
    """
    named = [(text(f"preset_{value}"), value) for value in (FAST, MEASURE, OLD, FAMILIES)]
    both = {job.approach.family for job in families(jobs)} == set(GENERATIVE)
    possible = {value for _, value in named if len(ticked(jobs, value)) > 1} - (set() if both else {FAMILIES})
    return [(text("preset_own"), OWN), *((label, value) for label, value in named if value in possible)]


def families(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs of adversarial and diffusion approaches at the preset's scale."""
    return [job for job in jobs if job.approach.family in GENERATIVE and job.default_scale == SCALE]


def ticked(jobs: Sequence[Job], preset: str) -> list[str]:
    """Return the keys that a preset ticks: only checkpoints that are stored, since visitors decide on downloads."""
    chosen = {
        FAMILIES: families(jobs),
        FAST: [job for job in jobs if job.approach.id in _QUICK],
        MEASURE: [
            job for job in jobs if job.approach.family in _FAITHFUL and not job.approach.invents_with(job.checkpoint)
        ],
        OLD: [job for job in jobs if job.approach.id in _FOR_OLD_PHOTOS],
    }.get(preset, [])
    return [job.key for job in chosen if checkpoints.is_available(job.checkpoint)]


def supports_test(source: Source | None) -> bool:
    """Return whether `FAMILIES` scores results against the photo: True if that is large enough as reference, or unknown."""
    return source is None or max(source.width, source.height) >= BELOW


def max_side(preset: str, test: bool, factor: float = SCALE) -> int | None:
    """Return the largest side in pixels of the image to use, before `test` downscales it; None for no limit."""
    if preset != FAMILIES:
        return None
    return MAX_SIDE * int(factor) if test else MAX_SIDE


def lr_size(source: Source, preset: str, test: bool, factor: float = SCALE) -> tuple[int, int]:
    """Return (height, width) of the methods' input. With `test`, the image is downscaled by `factor`, a whole number."""
    height, width = source.size_within(max_side(preset, test, factor))
    return (max(height // int(factor), 1), max(width // int(factor), 1)) if test else (height, width)


def note(
    preset: str, test: bool, source: Source | None, jobs: Sequence[Job], keys: Sequence[str], factor: float = SCALE
) -> str:
    """Return sentences that describe the preset `FAMILIES`; empty for the other presets.

    Args:
        preset: Value of the choice.
        test: Whether the photo is the reference.
        source: The photo, or None.
        jobs: One job for each approach.
        keys: Keys of the ticked methods.
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
