"""Fair scheduling: one task at a time, round robin over addresses, and over the visitors of each address.

A data structure that depends neither on Gradio nor on the tasks. A handler enters (or is rejected), then joins the queue once
for each task. Waiting tasks hold no images, so that a long queue takes little memory.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest
from threading import Condition
from typing import TypeVar

from sr_demo.errors import Busy
from sr_demo.reports import formatting

T = TypeVar("T")

PLACES = 128
"""Default limit on the number of handlers that wait or run at the same time."""


@dataclass(frozen=True)
class Visitor:
    """A party that takes turns. All programs at one address are one visitor; each open page is a separate visitor."""

    address: str = ""
    page: str = ""
    """Session of the page; empty for programs."""


@dataclass(eq=False)
class Ticket:
    """One task that waits for its turn, or runs."""

    visitor: Visitor
    seconds: float
    """Expected duration."""
    begun: float | None = None
    """Start of the turn, by the clock of `FairQueue`; None while waiting."""


@dataclass(frozen=True)
class QueuePosition:
    """The position of a ticket in the queue."""

    before: int
    """Number of tickets before it, including the running one."""
    seconds: float
    """Expected seconds until the turn."""

    def __str__(self) -> str:
        """Return the text shown to a waiting visitor."""
        return f"waiting: {self.before} before you, about {formatting.seconds(max(self.seconds, 1.0))}"


class FairQueue:
    """The queue of tasks. Thread-safe."""

    def __init__(self, places: int = PLACES, clock: Callable[[], float] = time.monotonic) -> None:
        """Create an empty queue.

        Args:
            places: Largest number of handlers inside (waiting or running); one address may take half of the places.
            clock: Returns the time in seconds.
        """
        self._places, self._clock = places, clock
        self._changed = Condition()
        self._inside: Counter[Visitor] = Counter()
        self._waiting: dict[str, dict[Visitor, deque[Ticket]]] = {}
        """Waiting tickets by address, then by visitor, each in the order of their next turns."""
        self._running: Ticket | None = None

    def enter(self, visitor: Visitor, most: int) -> None:
        """Take a place, to be released by `leave`.

        Raises:
            Busy: No place is free, `visitor` has `most` places already, or the address has half of all places.
        """
        with self._changed:
            wait = formatting.seconds(max(self._left() + sum(t.seconds for t in self._in_order()), 1.0))
            if self._inside.total() >= self._places:
                raise Busy(
                    f"This server is busy: all {self._places} places are taken, and the queue takes about {wait}. "
                    "Please try again then."
                )
            if self._inside[visitor] >= most:
                raise Busy(f"{most} of your jobs are waiting or running already. Wait for one of them, or stop it.")
            neighbours = sum(count for other, count in self._inside.items() if other.address == visitor.address)
            if neighbours >= (self._places + 1) // 2:
                raise Busy(
                    f"{neighbours} jobs from your address are waiting or running, as many as one address may have. "
                    f"The queue takes about {wait}. Please try again then."
                )
            self._inside[visitor] += 1

    def leave(self, visitor: Visitor) -> None:
        """Release a place."""
        with self._changed:
            self._inside[visitor] -= 1
            if not self._inside[visitor]:
                del self._inside[visitor]

    def join(self, visitor: Visitor, seconds: float = 1.0) -> Ticket:
        """Join the queue with a task of about `seconds`. `end` must be called in any case."""
        ticket = Ticket(visitor, seconds)
        with self._changed:
            self._waiting.setdefault(visitor.address, {}).setdefault(visitor, deque()).append(ticket)
            self._serve()
        return ticket

    def wait(self, ticket: Ticket, seconds: float) -> QueuePosition | None:
        """Wait at most `seconds` for the turn; return None if it has begun, otherwise the current place."""
        with self._changed:
            if self._changed.wait_for(lambda: self._running is ticket, seconds):
                return None
            before = self._in_order()
            before = before[: before.index(ticket)]
            return QueuePosition(len(before) + 1, self._left() + sum(other.seconds for other in before))

    def end(self, ticket: Ticket) -> None:
        """End the turn, or leave the queue."""
        with self._changed:
            if self._running is ticket:
                self._running = None
                self._to_the_end(ticket.visitor)
            else:
                self._take(ticket)
            self._serve()

    def _left(self) -> float:
        """Return the expected seconds until the running task is done."""
        if self._running is None or self._running.begun is None:
            return 0.0
        return max(self._running.seconds - (self._clock() - self._running.begun), 0.0)

    def _in_order(self) -> list[Ticket]:
        """Return all waiting tickets in the order of their turns."""
        return _in_turn(_in_turn(visitors.values()) for visitors in self._waiting.values())

    def _serve(self) -> None:
        """Start the next turn if none is running."""
        waiting = self._in_order()
        if self._running is None and waiting:
            self._running = waiting[0]
            self._running.begun = self._clock()
            self._take(self._running)
            self._changed.notify_all()

    def _take(self, ticket: Ticket) -> None:
        """Remove a ticket from the queue, if it is there."""
        visitors = self._waiting.get(ticket.visitor.address, {})
        tickets = visitors.get(ticket.visitor, deque())
        if ticket in tickets:
            tickets.remove(ticket)
        if not tickets:
            visitors.pop(ticket.visitor, None)
        if not visitors:
            self._waiting.pop(ticket.visitor.address, None)

    def _to_the_end(self, visitor: Visitor) -> None:
        """Move the visitor's address behind all others, and the visitor behind the others of that address."""
        if visitors := self._waiting.pop(visitor.address, None):
            self._waiting[visitor.address] = visitors
            if tickets := visitors.pop(visitor, None):
                visitors[visitor] = tickets


def _in_turn(groups: Iterable[Iterable[T]]) -> list[T]:
    """Return the first of each group, then the second of each, and so on."""
    return [one for row in zip_longest(*groups) for one in row if one is not None]
