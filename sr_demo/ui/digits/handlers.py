"""What happens in the digits tab on each event. The networks, and torch with them, are imported by the first one."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from sr_demo.digits import data
from sr_demo.digits.options import LARGEST, SMALLEST, Art, Fit, System
from sr_demo.digits.preprocessing import Prepared, from_reference, prepare
from sr_demo.errors import BadInput, Cancelled, SRError, quoted, unexpected
from sr_demo.image import Limits, quantize, read
from sr_demo.options import build as build_options
from sr_demo.options import controls
from sr_demo.progress import Progress
from sr_demo.reports import formatting
from sr_demo.ui.callers import Callers
from sr_demo.ui.clicks import point
from sr_demo.ui.digits import pad, view
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store

DEFAULT_SIZE = 400
_WALK_SIZE = 224
_STRIP_SIZE, _STRIP_COUNT = 96, 9
_COMMON = 224
"""Pixels a side at which the small comparison shows the CPPNs."""
_SYSTEMS: tuple[System, ...] = ("cppn-gan", "cppn-l2")
_TITLES = {"vaegan": "VAE-GAN", "cppn-gan": "CPPN with critic", "cppn-l2": "CPPN without critic"}
_FIT_SECONDS = 20.0
"""About what learning a photo takes."""
_NONE = "There is no digit yet: draw one, upload one, or take a typical one."


@dataclass(frozen=True)
class Digit:
    """The digit of one visitor."""

    prepared: Prepared
    latents: dict[str, Any] = field(default_factory=dict)
    """System -> latent (32,)."""


def told(doing: str, places: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A heavy handler, which waits for its turn, and whose failures become the sentence in its last output.

    The `places` before that output stay as they are.
    """

    def wrap(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def safe(self: Handlers, *given: Any) -> Any:
            try:
                with self.callers.turn():
                    return handler(self, *given)
            except Cancelled:
                return (gr.skip(),) * (places + 1)
            except SRError as exc:
                text = str(exc)
            except Exception as exc:
                text = unexpected(exc, doing)
            return (*(gr.skip() for _ in range(places)), view.problem(text))

        return safe

    return wrap


class Handlers:
    """Stateless apart from where results are kept and the stop flags of running fits."""

    def __init__(self, store: Store, limits: Limits, callers: Callers | None = None) -> None:
        self.callers = callers or Callers()
        self._store, self._limits, self._stops = store, limits, Stops()

    @told("reading a drawing", 2)
    def take_drawing(self, event: gr.EventData) -> tuple[Any, ...]:
        """The pen was lifted: -> digit, small pictures, sentence."""
        sent: Any = getattr(event, "value", None)
        picture = read(Path(view.write(pad.decode(sent), self._store.new(), "drawing.png")), self._limits)
        return self._met(prepare(picture.rgb, picture.alpha))

    @told("reading a digit", 2)
    def take(self, path: str | None) -> tuple[Any, ...]:
        """An upload: -> digit, small pictures, sentence."""
        if path is None:
            raise BadInput(_NONE)
        picture = read(Path(path), self._limits)
        return self._met(prepare(picture.rgb, picture.alpha))

    @told("drawing a typical digit", 2)
    def take_typical(self, digit: int | None) -> tuple[Any, ...]:
        """The digit that our own network draws from the mean latent of its kind: -> digit, small pictures, sentence."""
        if digit is None or digit not in range(10):
            raise BadInput("Choose a digit from 0 to 9.")
        from sr_demo.digits import lab
        from sr_demo.digits import latent_walk as walk

        truth = walk.to_bytes(lab.decode(lab.typical(int(digit), "vaegan")))
        note = "Drawn by our own VAE-GAN from its mean latent, not by a person: it is its own truth here, which flatters it."
        return self._met(from_reference(truth, note))

    def first(self, digit: Any) -> tuple[Any, ...]:
        """What the tab opens with: a typical digit, unless the visitor already has one."""
        return self.take_typical(3) if digit is None else (gr.skip(), gr.skip(), gr.skip())

    @told("taking a test digit", 2)
    def take_test(self, number: Any) -> tuple[Any, ...]:
        """A handwritten digit that no network was taught with: -> digit, small pictures, sentence."""
        digits = data.test_digits()
        if digits is None:
            raise BadInput("The test digits are not on this machine. Draw a digit, or take a typical one.")
        if not isinstance(number, int | float) or not 0 <= number < len(digits):
            raise BadInput(f"There are test digits 0 to {len(digits) - 1}.")
        note = f"Test digit {int(number)} of MNIST: somebody's {digits.labels[int(number)]}, never shown in training."
        return self._met(from_reference(digits.pictures[int(number)], note))

    def _met(self, prepared: Prepared) -> tuple[Any, ...]:
        from sr_demo.digits import lab
        from sr_demo.digits import latent_walk as walk

        systems: tuple[System, ...] = ("vaegan", *_SYSTEMS)
        digit = Digit(prepared, {system: lab.encode(prepared.lr, system) for system in systems})
        again = {system: walk.to_bytes(lab.redraw(prepared.lr[None], system)[0]) for system in systems}
        at_28 = {"truth": prepared.reference, "bicubic": data.bicubic(prepared.lr[None])[0], **again}
        seen = dict(zip(at_28, lab.read_digits(np.stack(list(at_28.values()))).tolist(), strict=True))

        def note(key: str) -> str:
            from sr_demo.digits.evaluation import score

            return f"{view.scores_text(*score(at_28[key], prepared.reference))}; read as {seen[key]}"

        shown = [
            view.Card("The truth", "28 × 28", prepared.reference, f"read as {seen['truth']}"),
            view.Card("Input", "26 × 26, all the networks see", prepared.lr),
            view.Card("Bicubic", "28 × 28", at_28["bicubic"], note("bicubic")),
            view.Card("VAE-GAN", "28 × 28", again["vaegan"], note("vaegan")),
        ]
        for system in _SYSTEMS:
            large = walk.to_bytes(lab.draw(digit.latents[system], _COMMON, system))
            shown.append(view.Card(_TITLES[system], f"{_COMMON} × {_COMMON}; at 28:", large, note(system), smooth=True))
        return digit, view.cards(shown), view.sentence(" ".join(prepared.notes))

    @told("drawing a digit", 2)
    def show(self, digit: Digit | None, size: Any, system: str, window: Any) -> tuple[Any, ...]:
        """-> picture, download, sentence. The window is none of them: a click made meanwhile has set it anew."""
        if digit is None:
            return None, gr.DownloadButton(visible=False), ""
        from sr_demo.digits import lab
        from sr_demo.digits import latent_walk as walk

        side, chosen = _size(size), _system(system)
        part = lab.Window(*window) if window else lab.WHOLE
        start = time.perf_counter()
        drawn = lab.draw(digit.latents[chosen], side, chosen, part)
        seconds = time.perf_counter() - start
        file = view.write(view.png(walk.to_bytes(drawn)), self._store.new(), f"digit_{chosen}_{side}.png")
        near = "" if part == lab.WHOLE else f" This is 1/{part.zoom:g} of its width, drawn anew, not enlarged."
        text = f"{side} × {side} pixels from 32 numbers, drawn in {formatting.seconds(seconds)}.{near}"
        return file, gr.DownloadButton(value=file, visible=True), view.sentence(text, "status")

    def resize(self, digit: Digit | None, system: str, window: Any, event: gr.EventData) -> tuple[Any, ...]:
        """The size slider moved: -> size, then as `show`."""
        size: object = getattr(event, "index", None)  # sent by the slider's script
        return (size, *self.show(digit, size, system, window))

    def nearer(self, size: Any, window: Any, event: gr.EventData) -> Any:
        """A click into the picture: -> window, twice as near around that point."""
        from sr_demo.digits import lab

        across, down = (min(max((at + 0.5) / _size(size), 0.0), 1.0) for at in point(event))
        part = (lab.Window(*window) if window else lab.WHOLE).nearer(across, down, 2.0)
        return part.zoom, part.x, part.y

    @told("walking between digits", 3)
    def walk(self, digit: Digit | None, start: str, end: str, system: str) -> tuple[Any, ...]:
        """-> animation, GIF, MP4, sentence."""
        from sr_demo.digits import lab
        from sr_demo.digits import latent_walk as walk
        from sr_demo.ui.viewer.viewer import file_url

        chosen = _system(system)

        def latent(name: str) -> Any:
            if name == "mine":
                if digit is None:
                    raise BadInput(f"{_NONE} Or walk between two typical digits.")
                return digit.latents[chosen]
            if name not in "0123456789" or len(name) != 1:
                raise BadInput("Choose where the walk starts and ends.")
            return lab.typical(int(name), chosen)

        frames = walk.between(latent(start), latent(end), _WALK_SIZE, chosen)
        file = view.write(walk.gif(frames), self._store.new(), "walk.gif")
        film = str(Path(file).with_name("walk.mp4"))
        walk.mp4(frames, Path(film))
        names = ("your digit" if name == "mine" else f"a typical {name}" for name in (start, end))
        alt = f"Animation: {' turns into '.join(names)} and back"
        picture = f'<img src="{file_url(file)}" width="{_WALK_SIZE}" height="{_WALK_SIZE}" alt="{alt}">'
        text = f"{walk.FRAMES} pictures on the straight line between two latents, forth and back."
        buttons = (gr.DownloadButton(value=file, visible=True), gr.DownloadButton(value=film, visible=True))
        return picture, *buttons, view.sentence(text, "status")

    @told("varying one latent number", 1)
    def vary(self, digit: Digit | None, number: Any, system: str) -> tuple[Any, ...]:
        """-> strip of pictures, sentence."""
        from sr_demo.digits import lab
        from sr_demo.digits import latent_walk as walk

        chosen = _system(system)
        latent = lab.typical(3, chosen) if digit is None else digit.latents[chosen]
        index = int(number) - 1
        if not 0 <= index < len(latent):
            raise BadInput(f"There are latent numbers 1 to {len(latent)}.")
        picture = walk.along(latent, index, _STRIP_COUNT, _STRIP_SIZE, chosen)
        whose = "a typical 3" if digit is None else "your digit"
        text = (
            f"Latent number {index + 1} of {whose} runs from -3 to 3, all others stay; its own value is "
            f"{float(latent[index]):.2f}. Numbers that change little were left unused by the training."
        )
        alt = f"{_STRIP_COUNT} pictures of {whose} with latent number {index + 1} from -3 to 3"
        return view.strip(picture, alt), view.sentence(text, "status")

    @told("painting at random", 2)
    def paint(self, *given: Any) -> tuple[Any, ...]:
        """Values of the art controls: -> picture, download, sentence."""
        from sr_demo.digits.cppn_art import paint

        options = build_options(Art, dict(zip((c.name for c in controls(Art)), given, strict=True)))
        start = time.perf_counter()
        painted = quantize(paint(options))
        seconds = time.perf_counter() - start
        file = view.write(view.png(painted), self._store.new(), f"cppn_{options.seed}_{options.size}.png")
        took = formatting.seconds(seconds)
        text = f"{options.size} × {options.size} pixels in {took}. The same settings give the same picture."
        return file, gr.DownloadButton(value=file, visible=True), view.sentence(text, "status")

    def fit(self, path: str | None, values: list[Any], session: str) -> Iterator[tuple[Any, ...]]:
        """Learn a photo: yields -> small pictures, large picture, download, learn button, stop button, sentence."""
        stop = self._stops.begin(session)
        try:
            with self.callers.admitted(stop) as caller:
                for place in caller.waiting(_FIT_SECONDS):
                    yield _still(view.sentence(str(place), "status"), busy=True)
                yield from self._fitted(path, values, Progress(stop=stop, deadline=caller.deadline))
        except Cancelled:
            yield _still(view.sentence("Stopped.", "status"), busy=False)
        except SRError as exc:
            yield _still(view.problem(str(exc)), busy=False)
        except Exception as exc:
            yield _still(view.problem(unexpected(exc, "learning a photo")), busy=False)
        finally:
            self._stops.end(session, stop)

    def _fitted(self, path: str | None, values: list[Any], progress: Progress) -> Iterator[tuple[Any, ...]]:
        if path is None:
            raise BadInput("There is no photo yet. Drop one into the box.")
        options = build_options(Fit, dict(zip((c.name for c in controls(Fit)), values, strict=True)))
        picture = read(Path(path), self._limits)
        from sr_demo.digits import siren as fit

        photo = fit.SirenFit(picture.rgb, options)
        height, width = photo.reference.shape[:2]
        yield _still(view.sentence(f"Learning {width} × {height} pixels.", "status"), busy=True)
        ended = "Done"
        last = photo.preview(0.0)
        try:
            for last in photo.fit(progress):
                bar = f'<progress max="1" value="{last.fraction:.3f}" aria-label="learning"></progress>'
                yield _still(
                    bar + view.sentence(_learned(last), "status"), busy=True, cards=_pair(photo.reference, last)
                )
        except Cancelled:
            ended, last = "Stopped", photo.preview(last.seconds)
        scale = min(4.0, LARGEST / max(height, width))
        large = quantize(photo.draw(scale))
        file = view.write(view.png(large), self._store.new(), "photo_as_function.png")
        text = (
            f"{ended}. {_learned(last)} Below, the same function is asked at {large.shape[1]} × {large.shape[0]} points: "
            "smooth, but nothing is known there that the shrunk photo did not hold."
        )
        yield (
            view.cards(_pair(photo.reference, last)), gr.Image(value=file, visible=True),
            gr.DownloadButton(value=file, visible=True), gr.Button(interactive=True), gr.Button(interactive=False),
            view.sentence(text, "status"),
        )  # fmt: skip

    def halt(self, request: gr.Request) -> None:
        """Stop what this browser session learns."""
        self._stops.stop(str(request.session_hash))


def _pair(truth: Any, last: Any) -> list[view.Card]:
    size = f"{truth.shape[1]} × {truth.shape[0]}"
    return [
        view.Card("Your photo", f"shrunk to {size}", quantize(truth), smooth=True),
        view.Card("The function", f"at {size}", quantize(last.image), f"{last.psnr:.1f} dB", smooth=True),
    ]


def _learned(last: Any) -> str:
    return (
        f"PSNR-RGB {last.psnr:.1f} dB after {last.steps} steps in {formatting.seconds(last.seconds)}; "
        f"{last.parameters:,} numbers hold the picture."
    )


def _still(text: str, busy: bool, cards: list[view.Card] | None = None) -> tuple[Any, ...]:
    """While a photo is learned, or when that failed: the large picture belongs to an earlier one and is hidden."""
    return (
        gr.skip() if cards is None else view.cards(cards), gr.Image(visible=False), gr.DownloadButton(visible=False),
        gr.Button(interactive=not busy), gr.Button(interactive=busy), text,
    )  # fmt: skip


def _size(value: Any) -> int:
    if not isinstance(value, int | float) or not SMALLEST <= value <= LARGEST:
        raise BadInput(f"The size must be between {SMALLEST} and {LARGEST} pixels, not {quoted(value)}.")
    return int(value)


def _system(value: Any) -> System:
    for system in _SYSTEMS:
        if value == system:
            return system
    raise BadInput(f"Choose one of {', '.join(_SYSTEMS)}, not {quoted(value)}.")
