"""Event handlers of the Digits tab's main part: receiving a digit, and drawing it at any size.

The networks and torch are imported by the first event.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import gradio as gr
import numpy as np

from sr_demo.digits import data
from sr_demo.digits.options import LARGEST, SMALLEST, DigitModel
from sr_demo.digits.preprocessing import Prepared, from_reference, prepare
from sr_demo.errors import BadInput, quoted
from sr_demo.image import read
from sr_demo.progress import Progress
from sr_demo.reports import formatting
from sr_demo.system.least_recently_used import LeastRecentlyUsed
from sr_demo.ui.clicks import point
from sr_demo.ui.digits import pad, view
from sr_demo.ui.digits.turn_decorator import CPPNS, NO_DIGIT, checked_cppn, waits_for_turn
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.sessions import CAPACITY, current_request, session_of
from sr_demo.ui.updates import Updates

DEFAULT_SIZE = 400
_COMPARED_SIZE = 224
"""Side in pixels of the CPPNs' images in the comparison."""


@dataclass(frozen=True)
class Digit:
    """The current digit of one visitor."""

    prepared: Prepared
    latents: dict[str, Any] = field(default_factory=dict)
    """System -> latent (Z,) float32."""


@dataclass(frozen=True)
class DigitComponents:
    """The components that the handlers write."""

    digit: gr.State
    """`Digit`, or None before the first one."""
    size: gr.State
    """Side of the large image in pixels."""
    cards: gr.HTML
    note: gr.HTML
    large: gr.Image
    download: gr.DownloadButton
    status: gr.HTML


def _note(handlers: DigitHandlers) -> gr.HTML:
    return handlers.parts.note


def _status(handlers: DigitHandlers) -> gr.HTML:
    return handlers.parts.status


def _choose(handlers: DigitHandlers) -> None:
    handlers.choose()


class DigitHandlers:
    """Handlers for all visitors. Gradio may run the events of a visitor in another order than they were sent."""

    def __init__(self, context: PageContext, parts: DigitComponents) -> None:
        self.callers, self.parts = context.callers, parts
        self._store, self._limits = context.store, context.limits
        self._began: LeastRecentlyUsed[str, None] = LeastRecentlyUsed(lambda _: CAPACITY)
        """Sessions of visitors who have chosen a digit, including failed uploads."""
        self._lock = Lock()

    @waits_for_turn("reading a drawing", _note, _choose, newest=True)
    def take_drawing(self, progress: Progress, event: gr.EventData) -> Updates:
        """Use the drawing, which the sheet sends each time the pen is lifted; a cleared sheet clears the results."""
        sent: Any = getattr(event, "value", None)
        if sent == "":
            return {self.parts.digit: None, self.parts.cards: view.EMPTY, self.parts.note: ""}
        image = read(Path(view.write(pad.decode(sent), self._store.new(), "drawing.png")), self._limits)
        return self._taken(prepare(image.rgb, image.alpha), progress)

    @waits_for_turn("reading a digit", _note, _choose)
    def take_upload(self, progress: Progress, path: str | None) -> Updates:
        """Use an uploaded image of a digit."""
        if path is None:
            raise BadInput(NO_DIGIT)
        image = read(Path(path), self._limits)
        return self._taken(prepare(image.rgb, image.alpha), progress)

    @waits_for_turn("drawing a typical digit", _note, _choose)
    def take_typical(self, progress: Progress, digit: int | None) -> Updates:
        """Use the digit that the VAE-GAN draws from a typical latent of the class `digit`."""
        return self._typical(digit, progress)

    @waits_for_turn("drawing a typical digit", _note)
    def take_first(self, progress: Progress, digit: Any) -> Updates:
        """Use a typical digit when the tab is opened, unless the visitor has chosen one before this handler ends."""
        updates = gr.skip() if digit is not None or self._has_begun() else self._typical(3, progress)
        return gr.skip() if self._has_begun() else updates

    def _typical(self, digit: int | None, progress: Progress) -> Updates:
        if digit is None or digit not in range(10):
            raise BadInput("Choose a digit from 0 to 9.")
        from sr_demo.digits import inference, latent_walk

        reference = latent_walk.to_bytes(inference.decode(inference.typical(int(digit), "vaegan")))
        return self._taken(from_reference(reference, view.TYPICAL_NOTE), progress)

    @waits_for_turn("taking a test digit", _note, _choose)
    def take_test(self, progress: Progress, number: Any) -> Updates:
        """Use a handwritten digit of the test set, which no network was trained on."""
        digits = data.test_digits()
        if digits is None:
            raise BadInput("The test digits are not on this server. Draw a digit, or take a typical one.")
        if not isinstance(number, int | float) or not 0 <= number < len(digits):
            raise BadInput(f"There are test digits 0 to {len(digits) - 1}.")
        note = (
            f"Test digit {int(number)} of MNIST: a handwritten {digits.labels[int(number)]}, never shown in training."
        )
        return self._taken(from_reference(digits.images[int(number)], note), progress)

    def choose(self) -> None:
        """Record that the visitor has chosen a digit, so that the tab's first digit replaces neither it nor an error."""
        with self._lock:
            self._began.put(session_of(current_request()), None)

    def _has_begun(self) -> bool:
        with self._lock:
            return session_of(current_request()) in self._began

    def _taken(self, prepared: Prepared, progress: Progress) -> Updates:
        from sr_demo.digits import inference, latent_walk
        from sr_demo.digits.evaluation import score

        systems: tuple[DigitModel, ...] = ("vaegan", *CPPNS)
        digit = Digit(prepared, {system: inference.encode(prepared.lr, system) for system in systems})
        redrawn = {
            system: latent_walk.to_bytes(inference.reconstruct(prepared.lr[None], system)[0]) for system in systems
        }
        at_28 = {"reference": prepared.reference, "bicubic": data.bicubic(prepared.lr[None])[0], **redrawn}
        read_as = dict(zip(at_28, inference.classify_digits(np.stack(list(at_28.values()))).tolist(), strict=True))

        def note(key: str) -> str:
            return f"{view.scores_text(*score(at_28[key], prepared.reference))}; read as {read_as[key]}"

        cards = [
            view.Card("The original", "28 × 28", prepared.reference, f"read as {read_as['reference']}"),
            view.Card("Input", "26 × 26, all that the networks get", prepared.lr),
            view.Card("Bicubic", "28 × 28", at_28["bicubic"], note("bicubic")),
            view.Card("VAE-GAN", "28 × 28", redrawn["vaegan"], note("vaegan")),
        ]
        for system in CPPNS:
            large = latent_walk.to_bytes(
                inference.draw(digit.latents[system], _COMPARED_SIZE, system, progress=progress)
            )
            about = f"{_COMPARED_SIZE} × {_COMPARED_SIZE}; at 28:"
            cards.append(view.Card(view.METHODS[system], about, large, note(system), smooth=True))
        return {
            self.parts.digit: digit,
            self.parts.cards: view.cards(cards),
            self.parts.note: view.sentence(" ".join(prepared.notes)),
        }

    @waits_for_turn("drawing a digit", _status, newest=True)
    def show(self, progress: Progress, digit: Digit | None, size: Any, system: str, window: Any) -> Updates:
        """Draw the digit, or a part of it, with a CPPN.

        The window is read but not written, since a click may have changed it in the meantime.

        Args:
            progress: Progress of the turn.
            digit: The visitor's digit; None clears the large image.
            size: Side of the image in pixels.
            system: The CPPN.
            window: Zoom, x and y of the part that is drawn; None for the whole digit.
        """
        parts = self.parts
        if digit is None:
            return {parts.large: None, parts.download: gr.DownloadButton(visible=False), parts.status: ""}
        from sr_demo.digits import inference, latent_walk

        side, chosen = _checked_size(size), checked_cppn(system)
        part = inference.Window(*window) if window else inference.WHOLE
        start = time.perf_counter()
        drawn = inference.draw(digit.latents[chosen], side, chosen, part, progress)
        seconds = time.perf_counter() - start
        file = view.write(view.png(latent_walk.to_bytes(drawn)), self._store.new(), f"digit_{chosen}_{side}.png")
        near = "" if part == inference.WHOLE else f" This is 1/{part.zoom:g} of its width, drawn anew, not enlarged."
        text = f"{side} × {side} pixels from {view.LATENT} numbers, drawn in {formatting.seconds(seconds)}.{near}"
        return {
            parts.large: file,
            parts.download: gr.DownloadButton(value=file, visible=True),
            parts.status: view.sentence(text, "status"),
        }

    def resize(self, digit: Digit | None, system: str, window: Any, event: gr.EventData) -> Updates:
        """Draw the digit at the size selected by the slider."""
        size: object = getattr(event, "index", None)  # sent by the slider's script
        return {self.parts.size: size, **self.show(digit, size, system, window)}

    def zoom_in(self, size: Any, window: Any, event: gr.EventData) -> Any:
        """Return the window (zoom, x, y) after a click: twice the zoom, around the clicked point."""
        from sr_demo.digits import inference

        across, down = (min(max((at + 0.5) / _checked_size(size), 0.0), 1.0) for at in point(event))
        part = (inference.Window(*window) if window else inference.WHOLE).nearer(across, down, 2.0)
        return part.zoom, part.x, part.y


def _checked_size(value: Any) -> int:
    if not isinstance(value, int | float) or not SMALLEST <= value <= LARGEST:
        raise BadInput(f"The size must be between {SMALLEST} and {LARGEST} pixels, not {quoted(value)}.")
    return int(value)
