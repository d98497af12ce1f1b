"""Event handlers of the Digits tab's parts on latents and random networks: latent walks, varied numbers, random images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from sr_demo.digits.options import Art
from sr_demo.errors import BadInput
from sr_demo.image import quantize
from sr_demo.options import build as build_options
from sr_demo.options import controls
from sr_demo.progress import Progress
from sr_demo.reports import formatting
from sr_demo.ui.digits import view
from sr_demo.ui.digits.handlers import Digit
from sr_demo.ui.digits.turn_decorator import NO_DIGIT, checked_cppn, waits_for_turn
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.updates import Updates

_WALK_SIZE = 224
_STRIP_SIZE, _STRIP_COUNT = 96, 9


@dataclass(frozen=True)
class WalkComponents:
    """The components that a walk writes."""

    animation: gr.HTML
    gif: gr.DownloadButton
    mp4: gr.DownloadButton
    status: gr.HTML


@dataclass(frozen=True)
class VaryComponents:
    """The components that varying one latent number writes."""

    strip: gr.HTML
    status: gr.HTML


@dataclass(frozen=True)
class ArtComponents:
    """The components that a random image is written to."""

    image: gr.Image
    download: gr.DownloadButton
    status: gr.HTML


def _walk_status(handlers: WalkHandlers) -> gr.HTML:
    return handlers.parts.status


def _vary_status(handlers: VaryHandlers) -> gr.HTML:
    return handlers.parts.status


def _art_status(handlers: ArtHandlers) -> gr.HTML:
    return handlers.parts.status


class WalkHandlers:
    """Handler for the animation between two latents."""

    def __init__(self, context: PageContext, parts: WalkComponents) -> None:
        self.callers, self.parts, self._store = context.callers, parts, context.store

    @waits_for_turn("walking between digits", _walk_status)
    def walk(self, progress: Progress, digit: Digit | None, start: str, end: str, system: str) -> Updates:
        """Animate the straight line between two latents.

        Args:
            progress: Progress of the turn.
            digit: The visitor's digit.
            start: First latent: "0" to "9" for a typical digit, "mine" for the visitor's.
            end: Last latent, likewise.
            system: The CPPN that draws.
        """
        from sr_demo.digits import inference, latent_walk
        from sr_demo.ui.viewer.viewer import file_url

        chosen = checked_cppn(system)

        def latent(name: str) -> Any:
            if name == "mine":
                if digit is None:
                    raise BadInput(f"{NO_DIGIT} Or walk between two typical digits.")
                return digit.latents[chosen]
            if name not in "0123456789" or len(name) != 1:
                raise BadInput("Choose where the walk starts and ends.")
            return inference.typical(int(name), chosen)

        frames = latent_walk.interpolate_latents(latent(start), latent(end), _WALK_SIZE, chosen, progress)
        gif = view.write(latent_walk.gif(frames), self._store.new(), "walk.gif")
        progress.check()
        mp4 = str(Path(gif).with_name("walk.mp4"))
        latent_walk.mp4(frames, Path(mp4))
        names = ("your digit" if name == "mine" else f"a typical {name}" for name in (start, end))
        alt = f"Animation: {' turns into '.join(names)} and back"
        text = f"{latent_walk.FRAMES} pictures on the way from one digit to the other, and back."
        return {
            self.parts.animation: f'<img src="{file_url(gif)}" width="{_WALK_SIZE}" height="{_WALK_SIZE}" alt="{alt}">',
            self.parts.gif: gr.DownloadButton(value=gif, visible=True),
            self.parts.mp4: gr.DownloadButton(value=mp4, visible=True),
            self.parts.status: view.sentence(text, "status"),
        }


class VaryHandlers:
    """Handler that shows the effect of one number of the latent."""

    def __init__(self, context: PageContext, parts: VaryComponents) -> None:
        self.callers, self.parts = context.callers, parts

    @waits_for_turn("varying one latent number", _vary_status)
    def vary(self, progress: Progress, digit: Digit | None, number: Any, system: str) -> Updates:
        """Draw the digit, or a typical 3, with one number of its latent varied from -3 to 3.

        Args:
            progress: Progress of the turn.
            digit: The visitor's digit.
            number: Index of the number in the latent, from 1.
            system: The CPPN that draws.
        """
        from sr_demo.digits import inference, latent_walk

        chosen = checked_cppn(system)
        latent = inference.typical(3, chosen) if digit is None else digit.latents[chosen]
        index = int(number) - 1
        if not 0 <= index < len(latent):
            raise BadInput(f"There are latent numbers 1 to {len(latent)}.")
        strip = latent_walk.vary_latent(latent, index, _STRIP_COUNT, _STRIP_SIZE, chosen, progress)
        whose = "a typical 3" if digit is None else "your digit"
        text = (
            f"Latent number {index + 1} of {whose} runs from -3 to 3 while all others stay; its own value is "
            f"{float(latent[index]):.2f}. Numbers that change little were left unused in training."
        )
        alt = f"{_STRIP_COUNT} pictures of {whose} with latent number {index + 1} from -3 to 3"
        return {self.parts.strip: view.strip(strip, alt), self.parts.status: view.sentence(text, "status")}


class ArtHandlers:
    """Handler for images by CPPNs with random weights."""

    def __init__(self, context: PageContext, parts: ArtComponents) -> None:
        self.callers, self.parts, self._store = context.callers, parts, context.store

    @waits_for_turn("painting at random", _art_status)
    def paint(self, progress: Progress, *given: Any) -> Updates:
        """Draw a random image; `given` are the values of the art controls, in their order."""
        from sr_demo.digits.cppn_art import paint

        options = build_options(Art, dict(zip((c.name for c in controls(Art)), given, strict=True)))
        start = time.perf_counter()
        painted = quantize(paint(options, progress))
        seconds = time.perf_counter() - start
        file = view.write(view.png(painted), self._store.new(), f"cppn_{options.seed}_{options.size}.png")
        took = formatting.seconds(seconds)
        text = f"{options.size} × {options.size} pixels in {took}. The same settings give the same picture."
        return {
            self.parts.image: file,
            self.parts.download: gr.DownloadButton(value=file, visible=True),
            self.parts.status: view.sentence(text, "status"),
        }
