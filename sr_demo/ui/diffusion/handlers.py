"""Event handlers of the Diffusion tab."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import gradio as gr

from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.upscaler import DiffusionSamples, DiffusionUpscaler
from sr_demo.errors import BadInput, Cancelled, SRError, log_unexpected
from sr_demo.image import Image
from sr_demo.inference.jobs import Job
from sr_demo.options import build
from sr_demo.progress import Progress
from sr_demo.spec import Approach
from sr_demo.ui.background_work import WorkResult, run_in_thread
from sr_demo.ui.callers import Caller
from sr_demo.ui.diffusion import view
from sr_demo.ui.diffusion.view import SampleImages
from sr_demo.ui.examples import chosen_file
from sr_demo.ui.html import fine_print, problem
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.sessions import session_of
from sr_demo.ui.small_image import downscaled
from sr_demo.ui.updates import Updates
from sr_demo.ui.viewer.viewer import viewer_value

ID = "diffusion"
OPTIONS = ("steps", "creativity", "noise", "agreement", "seed", "colour")
"""Options that have a control on the tab, in the order of the controls. The number of samples is a separate control."""
_SIDE = 128
"""Largest side of the LR image in pixels; small, since each sample is a separate run."""


def approach_of(context: PageContext) -> Approach | None:
    """Return the approach that the tab uses; None if the catalogue does not contain it."""
    return next((approach for approach in context.approaches if approach.id == ID), None)


@dataclass(frozen=True)
class DiffusionComponents:
    """The components that the handlers update."""

    shown: gr.HTML
    """The viewer."""
    explained: gr.HTML
    status: gr.HTML
    stop: gr.Button


class DiffusionHandlers:
    """Handlers of the tab's events. They hold no state of their own."""

    def __init__(self, context: PageContext, approach: Approach, parts: DiffusionComponents) -> None:
        self._context, self._approach, self._parts = context, approach, parts

    def take_example(self, event: gr.EventData) -> str:
        """Return the file of the clicked example."""
        return str(chosen_file(event))

    def guess(self, path: str | None, count: int, *values: Any, request: gr.Request) -> Iterator[Updates]:
        """Draw several samples for one image; yield each when it is finished. A later call of the session stops this one.

        Args:
            path: The image file.
            count: Number of samples.
            values: Values of the options, in the order of `OPTIONS`.
            request: Identifies the browser session.
        """
        session = f"guess {session_of(request)}"
        yield from self._context.stops.newest(session, lambda stop: self._updates(path, count, values, stop))

    def _updates(self, path: str | None, count: int, values: Sequence[Any], stop: Event) -> Iterator[Updates]:
        parts, guesses = self._parts, None
        ended: Updates = {parts.stop: gr.Button(interactive=False)}
        try:
            if path is None:
                raise BadInput("There is no picture yet. Choose one, or click an example.")
            options = build(DiffusionOptions, dict(zip(OPTIONS, values, strict=True)))
            drawn: list[DiffusionSamples] = []
            last: DiffusionSamples | None = None
            with self._context.callers.admitted(stop) as caller:
                with self._context.uploads.opened(path, self._context.limits) as image:
                    small = downscaled(image, _SIDE)
                guesses = SampleImages(self._context.store.new(), small, int(count))
                yield {
                    parts.shown: viewer_value(guesses.images("starting")), parts.explained: "", parts.status: "",
                    parts.stop: gr.Button(interactive=True),
                }  # fmt: skip

                def work(progress: Progress) -> float:
                    return self._draw(small, options, guesses.count, caller, progress, drawn)

                for event in run_in_thread(work, stop, "guess"):
                    while drawn:
                        guesses.add(last := drawn.pop(0))
                    if isinstance(event, WorkResult):
                        assert last is not None
                        yield {
                            parts.shown: viewer_value(guesses.images()),
                            parts.explained: view.explained(last, event.value),
                            **ended,
                        }
                    else:
                        yield {parts.shown: viewer_value(guesses.images(event.note, event.fraction))}
        except Cancelled:
            yield {**self._ended(guesses), **ended, parts.status: fine_print("Stopped. Finished guesses stay.")}
        except SRError as exc:
            yield {**self._ended(guesses), **ended, parts.status: problem(str(exc))}
        except Exception as exc:
            yield {**self._ended(guesses), **ended, parts.status: problem(log_unexpected(exc, "making guesses"))}

    def _draw(
        self, small: Image, options: DiffusionOptions, count: int, caller: Caller, progress: Progress,
        drawn: list[DiffusionSamples],
    ) -> float:  # fmt: skip
        """Append the samples so far to `drawn` after each new one; return the seconds that all of them took."""
        job = Job(self._approach, self._approach.checkpoint(), options)
        self._context.runner.fetch(job, progress)
        each = self._context.runner.estimates.seconds(job, (_SIDE, _SIDE))
        with caller.turn(each * count, progress) as progress, self._context.runner.loaded(job, progress) as model:
            upscaler = model.upscaler
            assert isinstance(upscaler, DiffusionUpscaler)
            begun = time.perf_counter()
            for samples in upscaler.draw_samples(small, options, count, progress):
                drawn.append(samples)
            return time.perf_counter() - begun

    def _ended(self, guesses: SampleImages | None) -> Updates:
        """Return the update that shows the finished images only, without placeholders."""
        shown = [image for image in guesses.images() if image.url] if guesses else []
        return {self._parts.shown: viewer_value(shown)} if guesses else {}

    def halt(self, request: gr.Request) -> None:
        """Stop the sampling of this session."""
        self._context.stops.stop(f"guess {session_of(request)}")
