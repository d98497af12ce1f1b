"""Presets of the Compare tab: which methods run, and how large an image they are given.

There is one: generative adversarial networks against diffusion. Its methods follow from the families of the approaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sr_demo.hub import checkpoints
from sr_demo.inference.jobs import Job
from sr_demo.ui.source import Source

OWN, FAMILIES = "own", "families"
"""Values of the choice: no preset, and GAN against diffusion."""
GENERATIVE = ("adversarial", "diffusion")
SCALE = 4
BELOW = 250
"""The preset is about inputs with sides below this many pixels."""
MAX_SIDE = 248
"""What larger images are downscaled to: the largest multiple of 8 below, whose fourfold divides evenly too."""


@dataclass(frozen=True)
class Selection:
    """What was selected before a preset, to be restored after it."""

    mode: str
    methods: list[str]
    more: list[str]
    source: Source | None
    """With the region of that time."""


def choices(jobs: Sequence[Job]) -> list[tuple[str, str]]:
    """Return the choices (label, value) that these methods allow: no preset first, and alone where a family is missing."""
    found: list[tuple[str, str]] = [("My own choice", OWN)]
    if {job.approach.family for job in families(jobs)} == set(GENERATIVE):
        found.append((f"GAN against diffusion: both enlarge the same small version {SCALE} times", FAMILIES))
    return found


def families(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs of adversarial and diffusion approaches with their default checkpoint, at the preset's scale."""
    return [
        job
        for job in jobs
        if job.approach.family in GENERATIVE
        and job.checkpoint is checkpoints.default(job.approach)
        and job.default_scale == SCALE
    ]


def ticked(jobs: Sequence[Job]) -> list[str]:
    """Return the keys of those that can run at once: a download remains the visitor's choice."""
    return [job.key for job in families(jobs) if checkpoints.is_available(job.checkpoint)]


def mode_for(source: Source | None) -> Literal["enlarge", "test"]:
    """Return the preset's mode: test wherever the image is large enough to be the reference."""
    return "test" if source is None or max(source.width, source.height) >= BELOW else "enlarge"


def max_side(preset: str, mode: str) -> int | None:
    """Return the longest side in pixels of the image that is used; None without a preset."""
    if preset != FAMILIES:
        return None
    return MAX_SIDE * SCALE if mode == "test" else MAX_SIDE


def lr_size(source: Source, preset: str, mode: str) -> tuple[int, int]:
    """Return (height, width) of what the methods are given."""
    height, width = source.size_within(max_side(preset, mode))
    return (max(height // SCALE, 1), max(width // SCALE, 1)) if mode == "test" else (height, width)


def note(preset: str, mode: str, source: Source | None, jobs: Sequence[Job], keys: Sequence[str]) -> str:
    """Return in sentences what the preset does.

    Args:
        preset: Value of the choice; the result is empty for `OWN`.
        mode: "enlarge" or "test".
        source: The image, if there is one.
        jobs: All methods on offer.
        keys: Keys of the ticked ones.
    """
    if preset != FAMILIES:
        return ""
    titles = [job.title for job in families(jobs) if job.key in keys]
    names = ", ".join(titles[:-1]) + (" and " if len(titles) > 1 else "") + titles[-1] if titles else "nothing yet"
    sentences = [f"Compares {names} on inputs with sides below {BELOW} pixels, enlarged {SCALE} times."]
    waiting = [job.title for job in families(jobs) if not checkpoints.is_available(job.checkpoint)]
    if waiting:
        sentences.append(f"Also here, once downloaded: {', '.join(waiting)}; tick them under “More methods”.")
    if source is not None:
        sentences.append(_size_note(mode, source))
    sentences.append("“My own choice” restores your ticks and the size of your photo.")
    return " ".join(sentences)


def _size_note(mode: str, source: Source) -> str:
    box = source.box()
    used = source.size_within(max_side(FAMILIES, mode))
    whole = used == (box.height, box.width)
    what = "The part you chose" if source.region_side is not None else "Your photo"
    downscaled = f"{what} is first reduced to {used[1]} × {used[0]} pixels"
    if mode != "test":
        return f"{what} is used as it is." if whole else f"{downscaled}, then enlarged."
    given = f"the methods are given {used[1] // SCALE} × {used[0] // SCALE}"
    return f"{what} is the original; {given}." if whole else f"{downscaled}: that is the original, and {given}."
