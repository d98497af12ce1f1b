"""The choice of a model's file that can run here, or the reason why none can, from the card alone before any download."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from sr_demo.checkpoint import WeightFile
from sr_demo.community import addresses
from sr_demo.community.cards import Card, Resource
from sr_demo.user_models.model_file import SUFFIXES
from sr_demo.user_models.trial import SCALES

_OTHER_NAMES = {"realplksr": "plksr", "realplksrdysample": "plksr"}
"""Architectures of OpenModelDB that spandrel knows under another name."""


class Suitability(NamedTuple):
    """Whether a model can run here."""

    file: WeightFile | None
    """The model's file, with its download addresses; None if it cannot run here."""
    why: str
    """Why the model cannot run here; "" if it can."""


def suitability(card: Card, index: str, max_bytes: int) -> Suitability:
    """Return the file of a model that can run here: safetensors before pickled tensors before ONNX.

    Args:
        card: Card of the model.
        index: Address of the index; see `addresses.direct`.
        max_bytes: Largest file that is accepted.
    """
    known = [r for suffix in SUFFIXES for r in card.resources if f".{r.type}" == suffix]
    if not known:
        types = ", ".join(sorted({f".{r.type}" for r in card.resources if r.type})) or "none"
        return Suitability(None, f"it has no file in a format that can be opened here (it has: {types})")
    reasons: list[str] = []
    for resource in known:
        found = [addresses.direct(address, f".{resource.type}", index) for address in resource.addresses]
        sources = tuple(dict.fromkeys(filter(None, found)))
        why = _obstacle(card, resource, sources, max_bytes)
        if not why:
            assert resource.bytes is not None
            return Suitability(WeightFile(f"{card.id}.{resource.type}", resource.sha256, resource.bytes, sources), "")
        reasons.append(why)
    return Suitability(None, reasons[0])


def _obstacle(card: Card, resource: Resource, sources: tuple[str, ...], max_bytes: int) -> str:
    if resource.type != "onnx" and not is_known(card.architecture):
        return f"spandrel does not know the architecture {card.architecture}"
    if card.channels != (3, 3):
        return f"it goes from {card.channels[0]} to {card.channels[1]} channels, and a colour image has 3"
    if card.scale not in SCALES:
        return f"it enlarges {card.scale} times; scales of {', '.join(map(str, SCALES))} can be run here"
    if not resource.sha256:
        return "its card states no sha256, so what arrives could not be checked"
    if resource.bytes is None:
        return "its card states no size"
    if resource.bytes > max_bytes:
        return f"it has {resource.bytes / 1e6:,.0f} MB, and at most {max_bytes / 1e6:,.0f} MB are accepted here"
    if not sources:
        hosts = ", ".join(dict.fromkeys(filter(None, map(addresses.host_of, resource.addresses)))) or "none"
        return f"no address leads to the file itself ({hosts}). Download it in a browser, and open the file as your own model"
    return ""


def is_known(architecture: str) -> bool:
    """Return whether spandrel supports an architecture of OpenModelDB."""
    name = plain(architecture)
    return _OTHER_NAMES.get(name, name) in _architectures()


def plain(name: str) -> str:
    """Return the normalized name of an architecture, so that "Real-CUGAN" and "realcugan" are equal."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def _architectures() -> frozenset[str]:
    """Return the architectures that spandrel supports, from its folder names, since importing it takes seconds."""
    spec = find_spec("spandrel")
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    folder = Path(spec.submodule_search_locations[0]) / "architectures"
    return frozenset(plain(path.name) for path in folder.iterdir() if path.is_dir() and not path.name.startswith("_"))
