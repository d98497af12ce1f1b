"""Ready-made questions for the comparison: which methods, and how large a picture they are given.

Today one: generative adversarial networks against diffusion. Which methods that means follows from their families.
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
"""The comparison is about inputs with sides below this many pixels."""
LONGEST = 248
"""What larger pictures are shrunk to: the largest multiple of 8 below, so that four times it can be shrunk evenly."""


@dataclass(frozen=True)
class Kept:
    """What was chosen before a preset, so that it can be put back."""

    mode: str
    methods: list[str]
    more: list[str]
    source: Source | None
    """With the region of that time."""


def choices(jobs: Sequence[Job]) -> list[tuple[str, str]]:
    """The presets that these methods allow, after the person's own choice; only that where a family is missing."""
    found: list[tuple[str, str]] = [("My own choice", OWN)]
    if {job.approach.family for job in families(jobs)} == set(GENERATIVE):
        found.append((f"GAN against diffusion: the same small picture, enlarged {SCALE} times by both", FAMILIES))
    return found


def families(jobs: Sequence[Job]) -> list[Job]:
    """Of each adversarial and each diffusion approach its usual checkpoint, at the scale of the comparison."""
    return [
        job
        for job in jobs
        if job.approach.family in GENERATIVE
        and job.checkpoint is job.approach.checkpoints[0]
        and job.approach.scale == SCALE
    ]


def ticked(jobs: Sequence[Job]) -> list[str]:
    """Keys of those that can run now: whatever must be downloaded first stays the person's choice."""
    return [job.key for job in families(jobs) if checkpoints.is_available(job.checkpoint)]


def mode_for(source: Source | None) -> Literal["enlarge", "test"]:
    """Test against the truth wherever the picture is large enough to be the truth of an input of some size."""
    return "test" if source is None or max(source.width, source.height) >= BELOW else "enlarge"


def longest(preset: str, mode: str) -> int | None:
    """The most pixels a side that what is read from the picture may have; None without a preset."""
    if preset != FAMILIES:
        return None
    return LONGEST * SCALE if mode == "test" else LONGEST


def note(preset: str, mode: str, source: Source | None, jobs: Sequence[Job], keys: Sequence[str]) -> str:
    """What the preset does to this picture, in plain sentences; empty without a preset."""
    if preset != FAMILIES:
        return ""
    titles = [job.title for job in families(jobs) if job.key in keys]
    names = ", ".join(titles[:-1]) + (" and " if len(titles) > 1 else "") + titles[-1] if titles else "nothing yet"
    sentences = [f"Compares {names}: inputs with sides below {BELOW} pixels, {SCALE} times enlarged."]
    waiting = [job.title for job in families(jobs) if not checkpoints.is_available(job.checkpoint)]
    if waiting:
        sentences.append(f"Here too, once downloaded: {', '.join(waiting)}; tick them under “More methods”.")
    if source is not None:
        sentences.append(_size_note(mode, source))
    sentences.append("“My own choice” puts your ticks and your picture's size back.")
    return " ".join(sentences)


def _size_note(mode: str, source: Source) -> str:
    _, _, height, width = source.box()
    used = source.size_within(longest(FAMILIES, mode))
    what = "the part you chose" if source.region_side is not None else "your picture"
    downscaled = f"{what.capitalize()} is shrunk to {used[1]} × {used[0]} pixels first"
    if mode != "test":
        return (
            f"{what.capitalize()} is used as it is."
            if used == (height, width)
            else f"{downscaled}, and enlarged from that."
        )
    given = f"the methods are given {used[1] // SCALE} × {used[0] // SCALE}"
    if used == (height, width):
        return f"{what.capitalize()} is the truth; {given}."
    return f"{downscaled}: that is the truth, and {given}."
