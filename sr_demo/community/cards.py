"""The cards of OpenModelDB, which describe the models in its index. They are untrusted and are read as plain data.

The format: https://github.com/OpenModelDB/open-model-database, `data/models/ID.json`; the index is one object of all cards
by id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sr_demo.reports.verdicts import NO_LICENCE

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST = 80
"""Largest number of characters of a name, an author, a licence or a tag."""
_LONGEST_DESCRIPTION = 4000
_LARGEST_NUMBER = 2**53
"""Bound of sizes, scales and numbers of channels; integers of JSON can be too large to be divided."""


@dataclass(frozen=True)
class Resource:
    """One file of a model."""

    type: str
    """Format as a suffix without the dot, such as "pth"."""
    bytes: int | None
    sha256: str
    """sha256 in lower case; "" if the card has none."""
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Card:
    """The card of one model. All texts are single lines of printable characters."""

    id: str
    """Name of the model on the command line; safe as a file name."""
    name: str
    author: str
    licence: str
    """SPDX expression, or NO_LICENCE."""
    architecture: str
    scale: int
    channels: tuple[int, int]
    """Number of input and output channels."""
    tags: tuple[str, ...]
    description: str
    resources: tuple[Resource, ...]
    data: Mapping[str, Any] = field(repr=False, compare=False)
    """The unparsed content of the card."""


def read_index(content: bytes) -> tuple[Card, ...]:
    """Return the cards of an index in its order; invalid entries are left out. Raises ValueError if it is not an index."""
    try:
        found: Any = json.loads(content)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if not isinstance(found, dict):
        raise ValueError("no object")
    cards = (read_card(str(key), value) for key, value in found.items())
    return tuple(card for card in cards if card is not None)


def read_card(identifier: str, data: Any) -> Card | None:
    """Return the card of a model; None if the entry has no safe id, or lacks a required field."""
    if not _ID.fullmatch(identifier) or not isinstance(data, dict):
        return None
    scale, resources = _number(data.get("scale")), data.get("resources")
    if scale is None or not isinstance(resources, list):
        return None
    authors = data.get("author")
    tags = data.get("tags")
    return Card(
        id=identifier,
        name=_text(data.get("name")) or identifier,
        author=_text(", ".join(map(str, authors)) if isinstance(authors, list) else authors) or "unknown",
        licence=_text(data.get("license")) or NO_LICENCE,
        architecture=_text(data.get("architecture")) or "unknown",
        scale=scale,
        channels=(_number(data.get("inputChannels")) or 0, _number(data.get("outputChannels")) or 0),
        tags=tuple(filter(None, map(_text, tags))) if isinstance(tags, list) else (),
        description=_text(data.get("description"), _LONGEST_DESCRIPTION),
        resources=tuple(_resource(value) for value in resources if isinstance(value, dict)),
        data=data,
    )


def _resource(data: Mapping[str, Any]) -> Resource:
    sha256 = str(data.get("sha256") or "").lower()
    addresses = data.get("urls")
    return Resource(
        type=_text(data.get("type")).lower(),
        bytes=_number(data.get("size")),
        sha256=sha256 if _SHA256.fullmatch(sha256) else "",
        addresses=tuple(a for a in addresses if isinstance(a, str)) if isinstance(addresses, list) else (),
    )


def _text(value: object, longest: int = _LONGEST) -> str:
    """Return a value as one line of printable characters, since a terminal interprets others as control sequences."""
    if not isinstance(value, str):
        return ""
    printable = "".join(c if c.isprintable() else " " for c in value[: 2 * longest])
    return " ".join(printable.split())[:longest]


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST_NUMBER else None
