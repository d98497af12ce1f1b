"""Running long work in a thread of its own while yielding its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Event, Thread
from typing import Generic, NamedTuple, TypeVar

from sr_demo.progress import Progress

T = TypeVar("T")


class WorkProgress(NamedTuple):
    """Progress of the work, 0..1, and what it does now."""

    fraction: float
    note: str

    def __str__(self) -> str:
        """Return the text shown to a waiting visitor, such as "34%: reading a.png"."""
        return f"{self.fraction:.0%}: {self.note}"


class WorkResult(Generic[T]):
    """The end of the work, with its result."""

    def __init__(self, value: T) -> None:
        self.value = value


def run_in_thread(work: Callable[[Progress], T], stop: Event, name: str) -> Iterator[WorkProgress | WorkResult[T]]:
    """Run `work` in a thread; yield its progress, and its result at the end.

    A consumer that is slower than the work receives only the newest step: each takes the page 15 ms. Closing the iterator
    stops the work.

    Args:
        work: Function to run; it reports through the given progress.
        stop: Set to stop the work.
        name: Name of the thread.

    Raises:
        Exception: Whatever `work` raises.
    """
    events: SimpleQueue[WorkProgress | WorkResult[T] | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            progress = Progress(lambda fraction, note: events.put(WorkProgress(fraction, note)), stop)
            events.put(WorkResult(work(progress)))
        except BaseException as exc:  # raised again in the consumer's thread
            events.put(exc)

    Thread(target=run, name=name, daemon=True).start()
    try:
        while True:
            event = events.get()
            while isinstance(event, WorkProgress) and not events.empty():
                event = events.get()
            if isinstance(event, BaseException):
                raise event
            yield event
            if isinstance(event, WorkResult):
                return
    except GeneratorExit:
        stop.set()
        raise
