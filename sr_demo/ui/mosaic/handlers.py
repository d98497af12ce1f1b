"""Event handlers of the Mosaic tab."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gradio as gr
import numpy as np

from sr_demo.approaches.mosaic import upscalers
from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.approaches.mosaic.patch_database import PatchDatabase, build_database
from sr_demo.approaches.mosaic.refinement import RecordingPredictor
from sr_demo.approaches.mosaic.retrieval import NearestNeighbours
from sr_demo.approaches.mosaic.tile_matching import TileMatches
from sr_demo.approaches.mosaic.upscalers import SCALE, LearnedRetrieval
from sr_demo.errors import BadInput, Cancelled, SRError, log_unexpected
from sr_demo.image import Image, ImageData, encode_png
from sr_demo.imaging.samples import EXAMPLES
from sr_demo.options import build
from sr_demo.progress import Progress
from sr_demo.ui.callers import Caller
from sr_demo.ui.clicks import point
from sr_demo.ui.examples import chosen_file, sample_file
from sr_demo.ui.html import problem
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.mosaic import view
from sr_demo.ui.mosaic.databases import BUNDLED, VisitorDatabases, choices, is_own, retrieval, tile_mosaic
from sr_demo.ui.photo_upload import read_photos
from sr_demo.ui.sessions import current_request, session_of
from sr_demo.ui.small_image import read_small
from sr_demo.ui.updates import Updates
from sr_demo.ui.visitor_work import VisitorWork

_SIDE = 256
"""Largest side of the input image in pixels, small enough for updates while a slider moves."""
OPTIONS = ("patch", "overlap", "colour", "variety", "shrink", "polish", "leave_out")  # words: ok
"""Options that have a control on the tab, in the order of the controls."""
_BUILD_SECONDS = 20.0
"""Expected duration of building a patch database."""
TILES, REFINED = "tiles", "refined"
_FIRST = next(sample for sample in EXAMPLES if sample.id == "phone")
"""The example that the tab shows when it is first opened."""
Stage = Literal["new", "example", "used"]
"""State of the tab: never opened ("new"), showing its first example, or opened again."""


@dataclass(frozen=True)
class MosaicComponents:
    """The components that the handlers write."""

    rendering: gr.State
    """`Rendering`, or None before the first one."""
    own: gr.State
    """`VisitorDatabases`."""
    built: gr.State
    """Number of photos and folder of a database that was just built, or None."""
    result: gr.Image
    distance_map: gr.Image
    summary: gr.HTML
    matches: gr.HTML
    database: gr.Radio
    build_status: gr.HTML
    build_stop: gr.Button


@dataclass(frozen=True)
class Rendering:
    """The inputs of the displayed result, needed to explain a clicked spot."""

    path: str
    mode: str
    database: str
    options: MosaicOptions


class _Rendered(NamedTuple):
    result: Image
    distance_map: Image
    summary: str


class _Built(NamedTuple):
    memory: PatchDatabase
    folder: Path
    """Parent folder of the database."""
    left_out: Sequence[str]
    """Sentences on files that are not in the database."""


class MosaicHandlers:
    """Handlers of the tab's events. They hold no state of their own."""

    def __init__(self, context: PageContext, parts: MosaicComponents) -> None:
        self._context, self._parts = context, parts

    def take_example(self, event: gr.EventData) -> str:
        """Return the file of the clicked example."""
        return str(chosen_file(event))

    def open(self, own: VisitorDatabases, database: str, path: str | None, stage: Stage) -> tuple[Any, Any, Stage]:
        """Return the updates for the opened tab.

        Args:
            own: Databases of this visitor.
            database: Value of the selected database; it stays selected if it still exists.
            path: The image, or None.
            stage: Stage that `open` returned before, or "new".

        Returns:
            The list of databases, the image (an example on the first opening without an image), and the new stage.
        """
        current = choices(own)
        selected = gr.Radio(current, value=database if database in {value for _, value in current} else BUNDLED)
        if stage == "new" and path is None:
            return selected, str(sample_file(_FIRST)), "example"
        return selected, gr.skip(), "used"

    def render_example(self, stage: Stage, *values: Any) -> Updates:
        """Rebuild the example that `open` has selected, if any; `values` are the arguments of `render`."""
        return self.render(*values) if stage == "example" else gr.skip()

    def render(self, path: str | None, mode: str, database: str, own: VisitorDatabases, *values: Any) -> Updates:
        """Rebuild the image with the options in `values`, in the order of `OPTIONS`."""
        if path is None:
            return self.clear(current_request())
        rendered = self._context.stops.latest(
            _key(current_request()), lambda: self._rendered(path, mode, database, own, values)
        )
        return gr.skip() if rendered is None else rendered  # the image was removed meanwhile

    def _rendered(
        self, path: str, mode: str, database: str, own: VisitorDatabases, values: Sequence[Any]
    ) -> Updates:  # fmt: skip
        parts = self._parts
        try:
            rendering = Rendering(path, mode, database, build(MosaicOptions, dict(zip(OPTIONS, values, strict=True))))
            make = self._tiles if mode == TILES else self._refined
            with self._context.callers.turn(newest="mosaic") as progress:
                made = make(rendering, own, progress)
                folder = self._context.store.new()
                result, distance_map = folder / "mosaic.png", folder / "unknown.png"
                for file, image in ((result, made.result), (distance_map, made.distance_map)):
                    file.write_bytes(encode_png(ImageData(image, None, False, 8, None, "", ())))
        except Cancelled:
            return gr.skip()
        except SRError as exc:
            return {parts.rendering: None, parts.summary: problem(str(exc)), parts.matches: ""}
        except Exception as exc:
            return {
                parts.rendering: None,
                parts.summary: problem(log_unexpected(exc, "making a mosaic")),
                parts.matches: "",
            }
        return {
            parts.rendering: rendering, parts.result: str(result), parts.distance_map: str(distance_map),
            parts.summary: made.summary, parts.matches: "",
        }  # fmt: skip

    def clear(self, request: gr.Request | None = None) -> Updates:
        """Clear the result, and drop one that is still computed."""
        self._context.stops.stop(_key(request))
        parts = self._parts
        return {
            parts.rendering: None, parts.result: None, parts.distance_map: None, parts.summary: "", parts.matches: "",
        }  # fmt: skip

    def _tiles(self, rendering: Rendering, own: VisitorDatabases, progress: Progress) -> _Rendered:
        image = self._small(rendering.path)
        begun = time.perf_counter()
        mosaic, answers = tile_mosaic(own, rendering.database).render(image, rendering.options, progress)
        summary = view.tiles_summary(answers, rendering.options.patch, time.perf_counter() - begun)
        return _Rendered(mosaic, view.distance_map(answers.unknown(), mosaic.shape), summary)

    def _refined(self, rendering: Rendering, own: VisitorDatabases, progress: Progress) -> _Rendered:
        image = self._small(rendering.path)
        upscaler = retrieval(own, rendering.database)
        left_out: tuple[str, ...] = ()
        memory: Any = None
        if isinstance(upscaler, LearnedRetrieval):
            memory, of = upscaler.model, f"{len(upscaler.model.anchors)} learned entries"
        else:
            memory, left_out = upscaler.predictor(image, rendering.options, progress)
            of = f"{len(memory.database.codes):,} remembered windows of {len(upscaler.database.photos)} photos"
        begun = time.perf_counter()
        result, seen = upscalers.refine_recorded(image, memory, rendering.options.steps, progress)
        seconds = time.perf_counter() - begun
        number, distance = _who(seen, image)
        summary = view.refined_summary(number, of, seconds, left_out)
        return _Rendered(result, view.distance_map(np.clip(distance / 2, 0, 1), result.shape), summary)

    def show_matches(self, rendering: Rendering | None, own: VisitorDatabases, event: gr.EventData) -> str:
        """Return the patches that matched the clicked spot as HTML."""
        if rendering is None:
            return ""
        try:
            with self._context.callers.turn() as progress:
                return self._matches(rendering, own, event, progress)
        except Cancelled:
            return ""
        except SRError as exc:
            return problem(str(exc))

    def _matches(self, rendering: Rendering, own: VisitorDatabases, event: gr.EventData, progress: Progress) -> str:
        image = self._small(rendering.path)
        clicked = point(event)
        x, y = (min(max(int(clicked[axis]) // SCALE, 0), image.shape[1 - axis] - 1) for axis in range(2))
        if rendering.mode == TILES:
            answers: TileMatches = tile_mosaic(own, rendering.database).match(image, rendering.options, progress)
            return view.tile_match(answers, *answers.tile_at(y, x))
        upscaler = retrieval(own, rendering.database)
        nearest: NearestNeighbours | None = None
        if not isinstance(upscaler, LearnedRetrieval):
            nearest, _ = upscaler.predictor(image, rendering.options, progress)
        return view.window_matches(image, upscaler, nearest, y, x)

    def build_database(self, files: list[str] | None, request: gr.Request) -> Iterator[Updates]:
        """Build a patch database of the uploaded photos, for `select_built`; yield the progress first."""
        parts = self._parts

        def work(caller: Caller, progress: Progress) -> _Built:
            if not files:
                raise BadInput("There are no photos yet. Drop a few, or a zip of them.")
            with self._context.store.lent() as folder, caller.turn(_BUILD_SECONDS, progress) as report:
                taken = read_photos([Path(f) for f in files], folder, self._context.limits, report.part(0, 0.5))
                memory = build_database(taken.written, folder / "memory", report.part(0.5, 1))
                return _Built(memory, folder / "memory", taken.sentences)

        def shown(built: _Built) -> Updates:
            count = len(built.memory.photos)
            return {
                parts.built: (count, str(built.folder / built.memory.key)),
                parts.build_status: view.database_ready(count, built.left_out),
            }

        stopped = "Stopped. Nothing was kept."
        steps = VisitorWork(self._context, parts.build_status, parts.build_stop, stopped=stopped)
        yield from steps.run(session_of(request), "build database", "building a memory", work, shown)

    def select_built(self, built: tuple[int, str] | None, own: VisitorDatabases) -> Updates:
        """Add the database that was just built, if any, to those that the visitor has by now, and select it."""
        parts = self._parts
        if built is None:
            return gr.skip()
        databases, choice = own.added(built[0], Path(built[1]))
        return {parts.built: None, parts.own: databases, parts.database: gr.Radio(choices(databases), value=choice)}

    def stop_building(self, request: gr.Request) -> None:
        """Stop the database build of this session."""
        self._context.stops.stop(f"build database {session_of(request)}")

    def choose(self, database: str) -> Any:
        """Show the Delete button for the visitor's own databases only."""
        return gr.Button(visible=is_own(database))

    def delete(self, database: str, own: VisitorDatabases) -> Updates:
        """Delete one of the visitor's own databases."""
        parts = self._parts
        try:
            own = own.without(database)
        except SRError as exc:
            return {parts.build_status: problem(str(exc))}
        return {
            parts.own: own,
            parts.database: gr.Radio(choices(own), value=BUNDLED),
            parts.build_status: view.note("The memory is deleted."),
        }

    def _small(self, path: str) -> Image:
        return read_small(path, _SIDE, self._context.limits)


def _key(request: gr.Request | None) -> str:
    """Return the key of the mosaic of a session among the stop flags."""
    return f"mosaic {session_of(request)}"


def _who(seen: RecordingPredictor, image: Image) -> tuple[Any, Any]:
    return seen.matches(image.shape[0], image.shape[1])
