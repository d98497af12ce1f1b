"""What happens on each event of the mosaic tab."""

from __future__ import annotations

import time
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np

from sr_demo.approaches.mosaic import upscalers
from sr_demo.approaches.mosaic.settings import MosaicOptions
from sr_demo.approaches.mosaic.tiles import Answers
from sr_demo.approaches.mosaic.upscalers import SCALE, TileMosaic
from sr_demo.errors import BadInput, Cancelled, SRError, unexpected
from sr_demo.image import Image, Picture, encode_png, read, readonly
from sr_demo.progress import Progress
from sr_demo.reports import words
from sr_demo.resize import resize
from sr_demo.storage import cache_folder
from sr_demo.ui.examples import sample_file
from sr_demo.ui.html import inline_picture, problem
from sr_demo.ui.offer import Context
from sr_demo.ui.photo_drop import take_in

_SIDE = 256
"""Longest side of the picture that is rebuilt: small enough to follow a slider."""
BUNDLED = "bundled"


@dataclass(frozen=True)
class Shown:
    """What is on the screen, so that a click can be answered."""

    path: str
    patch: int
    overlap: int
    colour: float
    variety: float
    memory: str


class MosaicHandlers:
    """Stateless apart from the context."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def take_example(self, event: gr.EventData) -> str:
        """The file of the example that was clicked."""
        return str(sample_file(int(event.index)))

    def render(
        self, path: str | None, patch: float, overlap: float, colour: float, variety: float, memory: str
    ) -> tuple[Any, ...]:
        """Rebuild the picture: -> shown, mosaic, map, words, inside."""
        if path is None:
            return None, None, None, "", ""
        shown = Shown(path, int(patch), int(overlap), float(colour), float(variety), memory)
        try:
            begun = time.perf_counter()
            mosaic, answers = self._mosaic(shown)
            seconds = time.perf_counter() - begun
            folder = self._context.store.new()
            result, unknown = folder / "mosaic.png", folder / "unknown.png"
            result.write_bytes(encode_png(_picture(mosaic)))
            unknown.write_bytes(encode_png(_picture(_map(answers, mosaic.shape))))
        except SRError as exc:
            return None, gr.skip(), gr.skip(), problem(str(exc)), ""
        except Exception as exc:
            return None, gr.skip(), gr.skip(), problem(unexpected(exc, "making a mosaic")), ""
        pieces = answers.photo.size
        text = (
            f'<p class="sr-fine">{pieces} pieces of {shown.patch} px, answered by {answers.distinct} different memories '
            f"of {len(answers.sources)} photos, in {words.seconds(seconds)}. Click a spot to see who answered.</p>"
        )
        return shown, str(result), str(unknown), text, ""

    def look_inside(self, shown: Shown | None, event: gr.SelectData) -> str:
        """HTML: the memory that answered the clicked spot."""
        if shown is None:
            return ""
        try:
            _, answers = self._mosaic(shown)
        except SRError as exc:
            return problem(str(exc))
        x, y = int(event.index[0]) // SCALE, int(event.index[1]) // SCALE
        return _inside(answers, *answers.at(y, x), shown.path)

    def teach(
        self,
        files: list[str] | None,
        known: dict[str, str],
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """Build a memory of the dropped photos: -> known memories, choice, words."""
        try:
            if not files:
                raise BadInput("There are no photos yet. Drop a few, or a zip of them.")

            def told(fraction: float, note: str) -> None:
                progress(fraction, desc=note)

            report = Progress(told)
            folder = self._context.store.new()
            paths, left_out = take_in([Path(f) for f in files], folder, self._context.limits, report.part(0, 0.5))
            memory = upscalers.own_memory(paths, folder / "memory", report.part(0.5, 1))
        except (SRError, Cancelled) as exc:
            return known, gr.skip(), problem(str(exc) or "Stopped.")
        except Exception as exc:
            return known, gr.skip(), problem(unexpected(exc, "building a memory"))
        name = f"Yours, {len(memory.photos)} photos" + (f" ({len(known) + 1})" if known else "")
        known = {**known, name: str(folder / "memory" / memory.key)}
        notes = "".join(f"<li>{escape(sentence)}</li>" for sentence in left_out)
        text = (
            f'<p class="sr-fine">The memory is ready: {len(memory.photos)} photos.</p><ul class="sr-fine">{notes}</ul>'
        )
        return known, gr.Radio(memory_choices(known), value=known[name]), text

    def _mosaic(self, shown: Shown) -> tuple[Image, Answers]:
        options = MosaicOptions(patch=shown.patch, overlap=shown.overlap, colour=shown.colour, variety=shown.variety)
        return self._upscaler(shown.memory).render(self._small(shown.path), options, Progress())

    def _upscaler(self, memory: str) -> TileMosaic:
        if memory == BUNDLED:
            return TileMosaic(upscalers.default_memory(cache_folder() / "memories", Progress()))
        place = Path(memory).resolve()
        if not place.is_relative_to(self._context.store.folder):
            raise BadInput("This memory is not one of yours. Choose one from the list.")
        return TileMosaic(upscalers.opened_memory(place))

    def _small(self, path: str) -> Image:
        """The picture, at most 256 pixels a side."""
        rgb = read(Path(path), self._context.limits).rgb
        height, width = rgb.shape[:2]
        ratio = min(1.0, _SIDE / max(height, width))
        if ratio == 1.0:
            return rgb
        return resize(rgb, (max(round(height * ratio), 1), max(round(width * ratio), 1)))


def memory_choices(known: dict[str, str]) -> list[tuple[str, str]]:
    """The memories a visitor can choose from: the default one and their own."""
    return [("Photos that come with scikit-image", BUNDLED), *known.items()]


def _picture(rgb: Image) -> Picture:
    return Picture(rgb, None, False, 8, None, "", ())


def _map(answers: Answers, shape: tuple[int, ...]) -> Image:
    """Where the memory knew nothing, as bright on dark in cividis (readable without seeing colour), size of the result."""
    level = np.rint(answers.unknown() * 255).astype(np.uint8)
    large = cv2.resize(level, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    coloured = cv2.cvtColor(cv2.applyColorMap(large, cv2.COLORMAP_CIVIDIS), cv2.COLOR_BGR2RGB)
    return readonly(np.divide(coloured, 255, dtype=np.float32))


def _inside(answers: Answers, r: int, c: int, path: str) -> str:
    """The remembered piece, the photo it comes from with the place outlined, distance and rank."""
    photo = int(answers.photo[r, c])
    whole = np.array(answers.hr[photo])
    top, left, side = int(answers.y[r, c]) * SCALE, int(answers.x[r, c]) * SCALE, answers.patch * SCALE
    line = max(2, max(whole.shape[:2]) // 150)
    cv2.rectangle(whole, (left, top), (left + side - 1, top + side - 1), (255, 255, 255), line * 2)
    cv2.rectangle(whole, (left, top), (left + side - 1, top + side - 1), (0, 0, 0), line)
    source = escape(answers.sources[photo])
    rank = int(answers.rank[r, c])
    chosen = "the nearest memory" if rank == 0 else f"number {rank + 1} by nearness, chosen for variety"
    return (
        '<div class="sr-inside"><figure>'
        f"{inline_picture(np.ascontiguousarray(answers.piece(r, c)), 160, 'The memory that was pasted')}"
        "<figcaption>the memory</figcaption></figure><figure>"
        f"{inline_picture(whole, 260, f'Where it lies in {source}')}<figcaption>{source}</figcaption></figure>"
        f"<p>Piece {r + 1}, {c + 1}: distance {float(answers.distance[r, c]):.3f} (0 is the very piece, 2 has nothing in "
        f"common), {chosen}.</p></div>"
    )
