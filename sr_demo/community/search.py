"""Search in the cards of OpenModelDB by words, scale, licence and architecture; models that can run here come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, NamedTuple

from sr_demo.checkpoint import WeightFile
from sr_demo.community import suitability
from sr_demo.community.cards import Card
from sr_demo.errors import BadInput, quoted
from sr_demo.reports.verdicts import commercial_use

Licences = Literal["commercial", "any"]
"""`commercial`: only licences that allow commercial use."""


@dataclass(frozen=True)
class Query:
    """Criteria of a search."""

    words: str = ""
    """Words that must all occur in the card, case-insensitively; if it is empty, every card matches."""
    scale: int | None = None
    licences: Licences = "commercial"
    architecture: str = ""


class Hit(NamedTuple):
    """A card that matches, and whether the model can run here."""

    card: Card
    file: WeightFile | None
    """File of the model; None if it cannot run here."""
    why: str
    """Why the model cannot run here; "" if it can."""


class Hits(NamedTuple):
    """Results of a search."""

    hits: tuple[Hit, ...]
    """Models that can run here first, then sorted by how well the words match."""
    other_licences: int
    """Number of further models that match, but whose licence forbids commercial use or is not clear."""


def search(cards: Sequence[Card], query: Query, index: str, max_bytes: int) -> Hits:
    """Return the cards that match a query.

    Args:
        cards: The cards to search.
        query: The criteria.
        index: Address of the index.
        max_bytes: Largest file that is accepted.
    """
    words = query.words.lower().split()
    ranked: list[tuple[tuple[bool, int, str], Hit]] = []
    others = 0
    for card in cards:
        rank = _rank(card, words)
        if rank is None or not _has(card, query):
            continue
        if query.licences == "commercial" and commercial_use(card.licence) != "yes":
            others += 1
            continue
        hit = Hit(card, *suitability.suitability(card, index, max_bytes))
        ranked.append(((hit.file is None, rank, card.id.lower()), hit))
    return Hits(tuple(hit for _, hit in sorted(ranked, key=lambda pair: pair[0])), others)


def _has(card: Card, query: Query) -> bool:
    if query.scale is not None and card.scale != query.scale:
        return False
    wanted = suitability.plain(query.architecture)
    return not wanted or suitability.plain(card.architecture) == wanted


def _rank(card: Card, words: Sequence[str]) -> int | None:
    """Return how well the words match, 0 for best; None if one of them does not occur."""
    name = f"{card.id} {card.name}".lower()
    facts = " ".join((*card.tags, card.architecture, card.author)).lower()
    rank = 0
    for word in words:
        if word in name:
            continue
        if word in facts:
            rank += 1
        elif word in card.description.lower():
            rank += 2
        else:
            return None
    return rank


def find_card(cards: Sequence[Card], name: str) -> Card:
    """Return the card with this id, or the only card with this name. Raises BadInput, which lists similar names."""
    wanted = name.lower()
    found = [card for card in cards if card.id.lower() == wanted] or [c for c in cards if c.name.lower() == wanted]
    if len(found) == 1:
        return found[0]
    ids = {card.id.lower(): card.id for card in cards}
    similar = [card.id for card in found] or [ids[key] for key in ids if wanted and wanted in key]
    similar = similar or [ids[key] for key in get_close_matches(wanted, ids, cutoff=0.5)]
    hint = f" Perhaps: {', '.join(similar[:5])}." if similar else ""
    raise BadInput(
        f"OpenModelDB has no model {quoted(name)}.{hint} `python -m sr_demo models search WORDS` finds others."
    )
