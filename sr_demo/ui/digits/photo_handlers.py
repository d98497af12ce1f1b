"""Event handlers of "A photo as a function": fitting a network to one photo while the page shows the progress."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sr_demo.digits.options import LARGEST, Fit
from sr_demo.errors import BadInput, Cancelled, SRError, log_unexpected
from sr_demo.image import quantize
from sr_demo.options import build as build_options
from sr_demo.options import controls
from sr_demo.progress import Progress
from sr_demo.reports import formatting
from sr_demo.ui.digits import view
from sr_demo.ui.html import problem
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.sessions import session_of
from sr_demo.ui.small_image import read_small
from sr_demo.ui.stops import Stops
from sr_demo.ui.updates import Updates

_FIT_SECONDS = 20.0
"""Expected duration of a fit."""


@dataclass(frozen=True)
class FitComponents:
    """The components that a fit writes."""

    cards: gr.HTML
    large: gr.Image
    download: gr.DownloadButton
    start: gr.Button
    stop: gr.Button
    status: gr.HTML


class FitHandlers:
    """Handlers that fit networks to photos. Their only state is the stop flags of running fits."""

    def __init__(self, context: PageContext, parts: FitComponents) -> None:
        self._context, self._parts, self._stops = context, parts, Stops()

    def fit(self, path: str | None, request: gr.Request, *values: Any) -> Iterator[Updates]:
        """Fit a network to a photo with the values of the fit controls; yield the progress and the result."""
        session = session_of(request)
        stop = self._stops.begin(session)
        try:
            with self._context.callers.admitted(stop) as caller:
                for place in caller.waiting(_FIT_SECONDS):
                    yield self._busy(str(place))
                yield from self._fitted(path, values, Progress(stop=stop, deadline=caller.deadline))
        except Cancelled:
            yield self._idle(view.sentence("Stopped.", "status"))
        except SRError as exc:
            yield self._idle(problem(str(exc)))
        except Exception as exc:
            yield self._idle(problem(log_unexpected(exc, "learning a photo")))
        finally:
            self._stops.end(session, stop)

    def _fitted(self, path: str | None, values: Sequence[object], progress: Progress) -> Iterator[Updates]:
        if path is None:
            raise BadInput("There is no photo yet. Drop one into the box.")
        options = build_options(Fit, dict(zip((c.name for c in controls(Fit)), values, strict=True)))
        from sr_demo.digits import siren

        photo = siren.SirenFit(read_small(path, siren.LONGEST, self._context.limits, "area"), options)
        height, width = photo.reference.shape[:2]
        yield self._busy(f"Learning {width} × {height} pixels.")
        ended = "Done"
        last = photo.preview(0.0)
        try:
            for last in photo.fit(progress):
                bar = f'<progress max="1" value="{last.fraction:.3f}" aria-label="learning"></progress>'
                yield {**self._busy(_fit_text(last), bar), self._parts.cards: view.cards(_pair(photo.reference, last))}
        except Cancelled:
            ended, last = "Stopped", photo.preview(last.seconds)
        large = quantize(photo.draw(min(4.0, LARGEST / max(height, width))))
        file = view.write(view.png(large), self._context.store.new(), "photo_as_function.png")
        text = (
            f"{ended}. {_fit_text(last)} Below, the same function at {large.shape[1]} × {large.shape[0]} points: smooth, "
            "but with no detail that the downscaled photo did not have."
        )
        yield {
            **self._idle(view.sentence(text, "status")),
            self._parts.cards: view.cards(_pair(photo.reference, last)),
            self._parts.large: gr.Image(value=file, visible=True),
            self._parts.download: gr.DownloadButton(value=file, visible=True),
        }

    def halt(self, request: gr.Request) -> None:
        """Stop the fit of this browser session."""
        self._stops.stop(session_of(request))

    def _busy(self, text: str, bar: str = "") -> Updates:
        """Return the updates while a fit waits or runs. The large image of an earlier photo is hidden."""
        return self._state(bar + view.sentence(text, "status"), busy=True)

    def _idle(self, status: str) -> Updates:
        """Return the updates after a fit."""
        return self._state(status, busy=False)

    def _state(self, status: str, *, busy: bool) -> Updates:
        return {
            self._parts.large: gr.Image(visible=False),
            self._parts.download: gr.DownloadButton(visible=False),
            self._parts.start: gr.Button(interactive=not busy),
            self._parts.stop: gr.Button(interactive=busy),
            self._parts.status: status,
        }


def _pair(reference: Any, last: Any) -> list[view.Card]:
    size = f"{reference.shape[1]} × {reference.shape[0]}"
    return [
        view.Card("Your photo", f"downscaled to {size}", quantize(reference), smooth=True),
        view.Card("The function", f"at {size}", quantize(last.image), f"{last.psnr:.1f} dB", smooth=True),
    ]


def _fit_text(last: Any) -> str:
    return (
        f"PSNR-RGB {last.psnr:.1f} dB after {last.steps} steps in {formatting.seconds(last.seconds)}; "
        f"{last.parameters:,} numbers hold the picture."
    )
