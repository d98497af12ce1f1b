"""Work that one visitor waits for, with a status line: opening a model, measuring photos, packing results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any, TypeVar

import gradio as gr

from sr_demo.errors import Cancelled, SRError, log_unexpected
from sr_demo.progress import Progress
from sr_demo.ui.background_work import WorkResult, run_in_thread
from sr_demo.ui.callers import Caller
from sr_demo.ui.html import fine_print, problem, progress_line
from sr_demo.ui.languages import text
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.updates import Updates

T = TypeVar("T")


def stop_button(elem_id: str, **looks: Any) -> gr.Button:
    """Return a Stop button, which is disabled at first; the handler of the work enables it while that runs.

    Args:
        elem_id: Id of the button's element.
        looks: Further arguments of `gr.Button`.
    """
    return gr.Button(text("stop"), elem_id=elem_id, interactive=False, **looks)


@dataclass(frozen=True)
class VisitorWork:
    """Runs a visitor's work and reports it in components of the page."""

    context: PageContext
    status: gr.HTML
    stop: gr.Button | None = None
    """Stop button, which is enabled during the work; None if there is none."""
    at_end: Updates = field(default_factory=dict[Any, Any])
    """Further updates at the end of the work, regardless of its outcome."""
    stopped: str = "Stopped."
    """Shown after Stop."""
    beside: Sequence[str] = ()
    """All kinds of work that `stop` stops, if there are others than this."""

    def run(
        self, session: str, kind: str, begin: str, work: Callable[[Caller, Progress], T], shown: Callable[[T], Updates]
    ) -> Iterator[Updates]:
        """Run the work in a thread of its own; yield its progress, then the updates for its result.

        Work of the same kind that begins later in the session stops this one, which yields no more then.

        Args:
            session: Session of the visitor.
            kind: Kind of work, by which it is stopped.
            begin: Description of the work, for the status line and, after "while", for the log.
            work: Function to run. It receives the admitted caller, whose turn it must wait for before computing, and the
                progress.
            shown: Returns the updates for the result.
        """
        stops = self.context.stops
        yield from stops.newest(
            f"{kind} {session}", lambda stop: self._updates(session, kind, begin, work, shown, stop)
        )

    def _updates(
        self, session: str, kind: str, begin: str, work: Callable[[Caller, Progress], T], shown: Callable[[T], Updates],
        stop: Event,
    ) -> Iterator[Updates]:  # fmt: skip
        """Run the work; arguments are those of `run`, and its stop flag."""
        yield {self.status: fine_print(f"{begin[0].upper()}{begin[1:]}."), **self._stop_enabled(True)}

        def ended() -> Updates:
            others = [other for other in self.beside if other != kind]
            return {**self.at_end, **self._stop_enabled(self.context.stops.any_running(session, others))}

        try:
            with self.context.callers.admitted(stop) as caller:
                for event in run_in_thread(lambda progress: work(caller, progress), stop, "visitor-work"):
                    if isinstance(event, WorkResult):
                        yield {**ended(), **shown(event.value)}
                    else:
                        yield {self.status: progress_line(str(event), event.fraction)}
        except Cancelled:
            yield {**ended(), self.status: fine_print(self.stopped)}
        except SRError as exc:
            yield {**ended(), self.status: problem(str(exc))}
        except Exception as exc:
            yield {**ended(), self.status: problem(log_unexpected(exc, begin))}

    def _stop_enabled(self, on: bool) -> Updates:
        return {} if self.stop is None else {self.stop: gr.Button(interactive=on)}
