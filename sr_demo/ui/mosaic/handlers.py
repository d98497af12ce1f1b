"""What happens on each event of the mosaic tab."""

from __future__ import annotations

import time
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from sr_demo.approaches.mosaic import upscalers
from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.approaches.mosaic.refinement import RecordingPredictor
from sr_demo.approaches.mosaic.retrieval import NearestNeighbours
from sr_demo.approaches.mosaic.tile_matching import TileMatches
from sr_demo.approaches.mosaic.upscalers import SCALE, LearnedRetrieval
from sr_demo.errors import BadInput, Cancelled, SRError, first_few, unexpected
from sr_demo.image import Image, ImageData, encode_png, read
from sr_demo.imaging.resize import resize
from sr_demo.options import build
from sr_demo.progress import Progress
from sr_demo.reports import formatting
from sr_demo.ui.clicks import point
from sr_demo.ui.examples import chosen_file
from sr_demo.ui.html import problem
from sr_demo.ui.method_choices import Context
from sr_demo.ui.mosaic import inspection
from sr_demo.ui.mosaic.databases import BUNDLED, Known, choices, is_own, retrieval, tile_mosaic
from sr_demo.ui.photo_upload import take_in

_SIDE = 256
"""Longest side of the picture that is rebuilt: small enough to follow a slider."""
OPTIONS = ("patch", "overlap", "colour", "variety", "shrink", "polish", "leave_out")
"""Options that have a control on the tab, in its order."""
_SECONDS = 20.0
"""About what building a memory takes."""
TILES, REFINED = "tiles", "refined"


@dataclass(frozen=True)
class Shown:
    """What is on the screen, so that a click can be answered."""

    path: str
    mode: str
    memory: str
    options: MosaicOptions


class MosaicHandlers:
    """Stateless apart from the context."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def take_example(self, event: gr.EventData) -> str:
        """The file of the example that was clicked."""
        return str(chosen_file(event))

    def refresh(self, known: Known, memory: str) -> Any:
        """The list of memories as it is now, with the choice kept where it is still there."""
        there = choices(known)
        return gr.Radio(there, value=memory if memory in {value for _, value in there} else BUNDLED)

    def render(self, path: str | None, mode: str, memory: str, known: Known, *values: Any) -> tuple[Any, ...]:
        """Rebuild the picture: -> shown, mosaic, map, words, inside."""
        if path is None:
            return None, None, None, "", ""
        try:
            shown = Shown(path, mode, memory, build(MosaicOptions, dict(zip(OPTIONS, values, strict=True))))
            make = self._tiles if mode == TILES else self._refined
            with self._context.callers.turn() as progress:
                result, unknown, text = make(shown, known, progress)
                folder = self._context.store.new()
                files = folder / "mosaic.png", folder / "unknown.png"
                for file, picture in zip(files, (result, unknown), strict=True):
                    file.write_bytes(encode_png(ImageData(picture, None, False, 8, None, "", ())))
        except Cancelled:
            return (gr.skip(),) * 5
        except SRError as exc:
            return None, gr.skip(), gr.skip(), problem(str(exc)), ""
        except Exception as exc:
            return None, gr.skip(), gr.skip(), problem(unexpected(exc, "making a mosaic")), ""
        return (
            shown,
            str(files[0]),
            str(files[1]),
            f'<p class="sr-fine">{text} Click a spot to see who answered.</p>',
            "",
        )

    def _tiles(self, shown: Shown, known: Known, progress: Progress) -> tuple[Image, Image, str]:
        image = self._small(shown.path)
        begun = time.perf_counter()
        mosaic, answers = tile_mosaic(known, shown.memory).render(image, shown.options, progress)
        seconds = time.perf_counter() - begun
        text = (
            f"{answers.photo.size} pieces of {shown.options.patch} px, answered by {answers.distinct} different memories "
            f"of {len(answers.sources)} photos, in {formatting.seconds(seconds)}.{_left_out(answers.left_out)}"
        )
        return mosaic, inspection.distance_map(answers.unknown(), mosaic.shape), text

    def _refined(self, shown: Shown, known: Known, progress: Progress) -> tuple[Image, Image, str]:
        image = self._small(shown.path)
        upscaler = retrieval(known, shown.memory)
        left_out: tuple[str, ...] = ()
        memory: Any = None
        if isinstance(upscaler, LearnedRetrieval):
            memory, of = upscaler.model, f"{len(upscaler.model.anchors)} learned entries"
        else:
            memory, left_out = upscaler.predictor(image, shown.options, progress)
            of = f"{len(memory.database.codes):,} remembered windows of {len(upscaler.database.photos)} photos"
        begun = time.perf_counter()
        result, seen = upscalers.refine_recorded(image, memory, shown.options.steps, progress)
        seconds = time.perf_counter() - begun
        number, distance = _who(seen, image)
        asked = number[number >= 0]
        text = (
            f"Bicubic plus remembered detail: {asked.size} of {number.size} spots asked, answered by "
            f"{len(np.unique(asked))} different memories ({of}), in {formatting.seconds(seconds)}.{_left_out(left_out)}"
        )
        return result, inspection.distance_map(np.clip(distance / 2, 0, 1), result.shape), text

    def look_inside(self, shown: Shown | None, known: Known, event: gr.EventData) -> str:
        """HTML: the memories that answered the clicked spot."""
        if shown is None:
            return ""
        try:
            with self._context.callers.turn() as progress:
                return self._inside(shown, known, event, progress)
        except Cancelled:
            return ""
        except SRError as exc:
            return problem(str(exc))

    def _inside(self, shown: Shown, known: Known, event: gr.EventData, progress: Progress) -> str:
        image = self._small(shown.path)
        clicked = point(event)
        x, y = (min(max(int(clicked[axis]) // SCALE, 0), image.shape[1 - axis] - 1) for axis in range(2))
        if shown.mode == TILES:
            answers: TileMatches = tile_mosaic(known, shown.memory).match(image, shown.options, progress)
            return inspection.piece(answers, *answers.tile_at(y, x))
        upscaler = retrieval(known, shown.memory)
        nearest: NearestNeighbours | None = None
        if not isinstance(upscaler, LearnedRetrieval):
            nearest, _ = upscaler.predictor(image, shown.options, progress)
        return inspection.spot(image, upscaler, nearest, y, x)

    def teach(
        self,
        files: list[str] | None,
        known: Known,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """Build a memory of the dropped photos: -> known memories, choice, words."""
        session = f"teach {request.session_hash}"
        stop = self._context.stops.begin(session)
        try:
            if not files:
                raise BadInput("There are no photos yet. Drop a few, or a zip of them.")

            def told(fraction: float, note: str) -> None:
                progress(fraction, desc=note)

            with (
                self._context.store.lent() as folder,
                self._context.callers.admitted(stop) as caller,
                caller.turn(_SECONDS, Progress(told, stop)) as report,
            ):
                taken = take_in([Path(f) for f in files], folder, self._context.limits, report.part(0, 0.5))
                memory = upscalers.visitor_database(taken.written, folder / "memory", report.part(0.5, 1))
        except (SRError, Cancelled) as exc:
            return known, gr.skip(), problem(str(exc) or "Stopped. Nothing was kept.")
        except Exception as exc:
            return known, gr.skip(), problem(unexpected(exc, "building a memory"))
        finally:
            self._context.stops.end(session, stop)
        known, choice = known.taught(memory, folder / "memory" / memory.key)
        notes = "".join(f"<li>{escape(sentence)}</li>" for sentence in first_few(taken.sentences))
        text = (
            f'<p class="sr-fine">The memory is ready: {len(memory.photos)} photos.</p><ul class="sr-fine">{notes}</ul>'
        )
        return known, gr.Radio(choices(known), value=choice), text

    def stop_teaching(self, request: gr.Request) -> None:
        """Stop the build of this session."""
        self._context.stops.stop(f"teach {request.session_hash}")

    def choose(self, memory: str) -> Any:
        """The button that deletes: there for one's own memories only."""
        return gr.Button(visible=is_own(memory))

    def delete(self, memory: str, known: Known) -> tuple[Any, ...]:
        """Delete one's own memory: -> known memories, choice, words."""
        try:
            known = known.without(memory)
        except SRError as exc:
            return known, gr.skip(), problem(str(exc))
        return known, gr.Radio(choices(known), value=BUNDLED), '<p class="sr-fine">The memory is deleted.</p>'

    def _small(self, path: str) -> Image:
        """The picture, at most 256 pixels a side."""
        rgb = read(Path(path), self._context.limits).rgb
        height, width = rgb.shape[:2]
        ratio = min(1.0, _SIDE / max(height, width))
        if ratio == 1.0:
            return rgb
        return resize(rgb, (max(round(height * ratio), 1), max(round(width * ratio), 1)))


def _who(seen: RecordingPredictor, image: Image) -> tuple[Any, Any]:
    return seen.matches(image.shape[0], image.shape[1])


def _left_out(names: tuple[str, ...]) -> str:
    """A sentence on photos that are the picture itself."""
    if not names:
        return ""
    return f" {escape(', '.join(names))} is your picture, so it was left out: it would know the result by heart."
