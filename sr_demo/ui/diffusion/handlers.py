"""Event handlers of the Diffusion tab."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr

from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.errors import BadInput, Cancelled, SRError, unexpected
from sr_demo.inference.jobs import Job
from sr_demo.options import build
from sr_demo.progress import Progress
from sr_demo.spec import Approach
from sr_demo.ui.diffusion import view
from sr_demo.ui.examples import chosen_file
from sr_demo.ui.html import problem
from sr_demo.ui.method_choices import Context
from sr_demo.ui.sessions import session_of
from sr_demo.ui.small_image import read_small

ID = "diffusion"
OPTIONS = ("steps", "creativity", "noise", "agreement", "seed", "colour")
"""Options that have a control on the tab, in its order. The number of guesses is a control of its own."""
_SIDE = 128
"""Largest side of the LR image, pixels: each guess is a run of its own."""


def approach_of(context: Context) -> Approach | None:
    """The approach that the tab shows; None where the catalogue does not have it."""
    return next((approach for approach in context.approaches if approach.id == ID), None)


class DiffusionHandlers:
    """Stateless apart from the context."""

    def __init__(self, context: Context, approach: Approach) -> None:
        self._context, self._approach = context, approach

    def take_example(self, event: gr.EventData) -> str:
        """The file of the example that was clicked."""
        return str(chosen_file(event))

    def guess(
        self,
        path: str | None,
        count: int,
        *values: Any,
        request: gr.Request,
        progress: gr.Progress,
    ) -> str:
        """Draw several samples for one image.

        Args:
            path: The image file.
            count: Number of samples.
            values: Values of the options, in the order of `OPTIONS`.
            request: Identifies the browser session.
            progress: Shows the progress on the page.

        Returns:
            HTML of the samples, or of a message.
        """
        session = f"guess {session_of(request)}"
        stop = self._context.stops.begin(session)
        try:
            if path is None:
                raise BadInput("There is no picture yet. Choose one, or click an example.")
            options = build(DiffusionOptions, dict(zip(OPTIONS, values, strict=True)))

            def report_progress(fraction: float, note: str) -> None:
                progress(fraction, desc=note)

            report = Progress(report_progress, stop)
            job = Job(self._approach, self._approach.checkpoint(), options)
            with self._context.callers.admitted(stop) as caller:
                self._context.runner.fetch(job, report)
                each = self._context.runner.estimates.seconds(job, (_SIDE, _SIDE))
                with (
                    caller.turn(each * int(count), report) as report,
                    self._context.runner.loaded(job, report) as model,
                ):
                    upscaler = model.upscaler
                    assert isinstance(upscaler, DiffusionUpscaler)
                    image = read_small(path, _SIDE, self._context.limits)
                    begun = time.perf_counter()
                    guesses = upscaler.draw_samples(image, options, int(count), report)
                    return view.shown(guesses, time.perf_counter() - begun)
        except Cancelled:
            return '<p class="sr-fine">Stopped.</p>'
        except SRError as exc:
            return problem(str(exc))
        except Exception as exc:
            return problem(unexpected(exc, "making guesses"))
        finally:
            self._context.stops.end(session, stop)

    def halt(self, request: gr.Request) -> None:
        """Stop the guesses of this session."""
        self._context.stops.stop(f"guess {session_of(request)}")
