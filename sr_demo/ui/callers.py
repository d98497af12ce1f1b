"""Admission and scheduling of handlers that compute: limits, turns, and stopping when the caller has left.

Such a handler enters through `Callers.admitted`, waits for its files outside its turn, and computes in its turn. Gradio's
own queue passes these events on immediately; all other events bypass it (`LIGHT`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address
from threading import Event, Lock, Thread
from typing import Any

from gradio.context import LocalContext

from sr_demo.errors import Cancelled
from sr_demo.progress import Progress
from sr_demo.ui.fair_queue import PLACES, FairQueue, QueuePosition, Ticket, Visitor
from sr_demo.ui.sessions import current_request, session_of
from sr_demo.ui.stops import Stops

HEAVY: dict[str, Any] = {"concurrency_id": "heavy", "concurrency_limit": None}
"""Arguments of an event whose handler enters through `Callers.admitted`."""
LIGHT: dict[str, Any] = {"queue": False}
"""Arguments of every other event."""
_PAGE_MOST = 4
"""Largest number of jobs that one open page may have waiting or running: its tabs can work at the same time."""
_PORT = re.compile(r"\[([0-9a-fA-F:.]+)\](?::\d+)?|(\d+(?:\.\d+){3}):\d+")
"""Pattern of an address with its port, as some proxies write it."""
_LOOK_SECONDS = 0.5
_UNREAD_SECONDS = 15.0
"""Seconds after which a caller that does not read its messages is regarded as gone."""


class Caller:
    """One admitted call."""

    def __init__(self, turns: FairQueue, visitor: Visitor, stop: Event, max_seconds: float) -> None:
        self.stop = stop
        """Set when the result is no longer needed: the visitor has pressed Stop, or the caller has left."""
        self.deadline: float | None = None
        """End of the current turn by `time.monotonic`, if the duration of turns is limited."""
        self._turns, self._visitor, self._max_seconds = turns, visitor, max_seconds
        self._ticket: Ticket | None = None

    def waiting(self, seconds: float, *, stopped: bool = False) -> Iterator[QueuePosition]:
        """Yield places in the queue until the turn begins; it lasts until `end_turn`, which must be called.

        Args:
            seconds: Expected duration of the work.
            stopped: Whether the work follows a Stop, which therefore does not end the waiting.

        Raises:
            Cancelled: `stop` was set while waiting.
        """
        self._ticket = self._turns.join(self._visitor, seconds)
        while (place := self._turns.wait(self._ticket, _LOOK_SECONDS)) is not None:
            if self.stop.is_set() and not stopped:
                raise Cancelled
            yield place
        self.deadline = time.monotonic() + self._max_seconds if self._max_seconds else None

    def end_turn(self) -> None:
        """End the turn, or leave the queue if it has not begun yet."""
        if self._ticket is not None:
            self._turns.end(self._ticket)
            self._ticket = None

    @contextmanager
    def turn(self, seconds: float = 1.0, progress: Progress | None = None) -> Generator[Progress]:
        """Wait for the caller's turn and hold it during the block; yield the progress for the work. Raises Cancelled."""
        progress = progress or Progress(stop=self.stop)
        try:
            for place in self.waiting(seconds):
                progress(0.0, str(place))
            yield replace(progress, deadline=self.deadline)
        finally:
            self.end_turn()


@dataclass
class _Line:
    """The connection over which one event in Gradio's queue sends its messages."""

    queue: Any
    event_id: str
    unread: int = 0
    read: float = field(default_factory=time.monotonic)
    """Time (`time.monotonic`) at which the caller was last found to have read its messages."""

    def is_cut(self) -> bool:
        """Return whether the event was cancelled, or its caller no longer reads the response stream or never opened it."""
        running = (event for events in self.queue.active_jobs if events for event in events)
        event = next((event for event in running if event._id == self.event_id), None)
        if event is None or not event.alive:
            return True
        messages = self.queue.pending_messages_per_session.get(event.session_hash)
        unread = messages.qsize() if messages is not None else 0
        if unread == 0 or unread < self.unread:
            self.read = time.monotonic()
        self.unread = unread
        return time.monotonic() - self.read > _UNREAD_SECONDS


class Callers:
    """All admitted calls of one server. Thread-safe."""

    def __init__(self, places: int = PLACES, max_seconds: float = 0.0, *, proxied: bool = False) -> None:
        """Set the limits.

        Args:
            places: Largest number of calls that wait or run at the same time.
            max_seconds: Longest duration of a turn; 0 for no limit.
            proxied: Whether a proxy in front of the server supplies the callers' addresses.
        """
        self._turns, self._places, self._max_seconds, self._proxied = FairQueue(places), places, max_seconds, proxied
        self._newest = Stops()
        self._lock = Lock()
        self._lines: dict[Caller, _Line] = {}
        self._patrol: Thread | None = None

    @contextmanager
    def admitted(
        self, stop: Event | None = None, *, program: bool = False, newest: str = "", order: int = 0
    ) -> Generator[Caller]:
        """Admit the event that is handled in this thread; it occupies a place until the block ends.

        Args:
            stop: Flag that stops the work: set by the visitor's Stop, and here when the caller leaves.
            program: Whether the endpoint is one for programs.
            newest: Name of a kind of event of which only the visitor's newest runs: the previous one is stopped. Replaces
                `stop`.
            order: Sequence number of the event among those of its kind; events may arrive out of order. If one with a higher
                number is active, the new one is stopped instead. 0 if events count in the order of their arrival.

        Raises:
            Busy: No place is free.
        """
        request = current_request()
        address = address_of(request, proxied=self._proxied) if request else ""
        visitor = Visitor(address, "" if program else session_of(request))
        kind = f"{newest} {visitor.page}"
        caller = Caller(
            self._turns, visitor, self._newest.begin(kind, order) if newest else stop or Event(), self._max_seconds
        )
        try:
            # Stopped events of such a kind are about to leave: their places must not keep the newest out.
            self._turns.enter(visitor, self._places if program or newest else _PAGE_MOST)
            try:
                self._watch(caller)
                yield caller
            finally:
                with self._lock:
                    self._lines.pop(caller, None)
                caller.end_turn()
                self._turns.leave(visitor)
        finally:
            self._newest.end(kind, caller.stop)

    @contextmanager
    def turn(
        self, seconds: float = 1.0, report: Callable[[float, str], None] | None = None, *, newest: str = "",
        order: int = 0,
    ) -> Generator[Progress]:  # fmt: skip
        """Combine `admitted` and `Caller.turn`, for work in a single turn. Raises Busy or Cancelled."""
        with self.admitted(newest=newest, order=order) as caller:
            progress = Progress(stop=caller.stop)
            with caller.turn(seconds, replace(progress, report=report) if report else progress) as progress:
                yield progress

    def _watch(self, caller: Caller) -> None:
        """Set the caller's stop flag when its connection is cut. Outside of Gradio there is no connection."""
        blocks: Any = LocalContext.blocks.get(None)
        event_id = LocalContext.event_id.get(None)
        if blocks is None or event_id is None:
            return
        with self._lock:
            self._lines[caller] = _Line(blocks._queue, event_id)
            if self._patrol is None:
                self._patrol = Thread(target=self._look, name="callers", daemon=True)
                self._patrol.start()

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            with self._lock:
                lines = list(self._lines.items())
                if not lines:
                    self._patrol = None
                    return
            for caller, line in lines:
                if line.is_cut():
                    caller.stop.set()


def address_of(request: Any, *, proxied: bool) -> str:
    """Return the network address that counts as one visitor: an IPv4 address, or the /64 network of an IPv6 address.

    Behind a proxy it is the last address of X-Forwarded-For, which may have a port; those before it were written by the
    caller, and some proxies append it as a second header. An IPv4 address that is written as one of IPv6
    (::ffff:203.0.113.5) is the IPv4 address.
    """
    host = str(request.client.host) if request.client else ""
    if proxied:
        host = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip() or host
    try:
        address = ip_address("".join(found.groups("")) if (found := _PORT.fullmatch(host)) else host)
    except ValueError:
        return host[:64]
    address = getattr(address, "ipv4_mapped", None) or address
    return str(IPv6Address(int(address) >> 64 << 64)) if isinstance(address, IPv6Address) else str(address)
