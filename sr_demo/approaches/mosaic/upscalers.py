"""The variants as upscalers, and the memories and indexes they share with all visitors of this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sr_demo.approaches.mosaic import anchors, photos, pieces, refined, retrieval, tiles
from sr_demo.approaches.mosaic import memory as memories
from sr_demo.approaches.mosaic.anchors import Anchors
from sr_demo.approaches.mosaic.memory import SCALE, Memory
from sr_demo.approaches.mosaic.once import Once
from sr_demo.approaches.mosaic.pieces import Pieces
from sr_demo.approaches.mosaic.retrieval import Examples, Nearest
from sr_demo.approaches.mosaic.settings import MosaicOptions
from sr_demo.approaches.mosaic.tiles import Answers
from sr_demo.errors import BadInput
from sr_demo.image import Image, readonly
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Request, Upscaler
from sr_demo.storage import cache_folder

FIXED = {"tiles-8": 8, "tiles-64": 64}
"""Variants whose patch size the slider does not change."""
_MEMORIES: Once[Path, Memory] = Once(4)
_PIECES: Once[tuple[str, int, int], Pieces] = Once(12)
_EXAMPLES: Once[tuple[str, int, int], Examples] = Once(2)


def load(request: Request) -> Upscaler:
    """The upscaler of `request.checkpoint.variant`: with the learned memory of its file, or the default memory.

    Raises WeightsUnavailable, MissingDependency, StorageError.
    """
    variant = request.checkpoint.variant
    if variant == "refined":
        return LearnedRetrieval(anchors.load(request.files[0]))
    memory = default_memory(cache_folder() / "memories", request.progress.part(0.0, 0.5))
    if variant == "refined-photos":
        upscaler = RefinedRetrieval(memory)
        upscaler.examples(request.progress.part(0.5, 1.0))
        return upscaler
    return TileMosaic(memory, FIXED.get(variant))


def default_memory(folder: Path, progress: Progress) -> Memory:
    """The memory of the bundled photos under `folder`, built when it is not there."""
    return _MEMORIES.get(folder, lambda: memories.build(photos.bundled(), folder, progress), progress)


def own_memory(files: Sequence[Path], folder: Path, progress: Progress) -> Memory:
    """A memory of a person's own photos under `folder`. Raises as `memory.build` does."""
    memory = memories.build(files, folder, progress)
    return _MEMORIES.get(folder / memory.key, lambda: memory, progress)


def opened_memory(place: Path) -> Memory:
    """The memory in the folder `place`. Raises BadInput when there is none any more."""

    def opened() -> Memory:
        found = memories.open_memory(place)
        if found is None:
            raise BadInput("This memory is not there any more. Build it again, or choose another.")
        return found

    return _MEMORIES.get(place, opened, SILENT)


@dataclass
class TileMosaic:
    """Every piece of the picture replaced by the best memory."""

    memory: Memory
    patch: int | None = None
    """A fixed patch size, or None for the option's."""
    precision: str = "fp32"

    def pieces(self, patch: int, shrink: int, progress: Progress) -> Pieces:
        """The indexed pieces of one size, made once per process."""
        key = (self.memory.key, patch, shrink)
        return _PIECES.get(key, lambda: pieces.cut(self.memory, patch, shrink, progress), progress)

    def look_inside(self, image: Image, options: Options, progress: Progress) -> Answers:
        """Which memory answers where in `image` (H, W, 3), with distances and ranks."""
        return self._answer(image, _checked(options), progress)[0]

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """See `spec.Upscaler`."""
        return self.render(image, options, progress)[0]

    def render(self, image: Image, options: Options, progress: Progress) -> tuple[Image, Answers]:
        """What `upscale` returns, and which memory answers where."""
        o = _checked(options)
        answers, own = self._answer(image, o, progress.part(0.0, 0.8))
        out = tiles.paste(answers, own, o.colour, progress.part(0.8, 1.0))
        progress(1.0)
        return readonly(out[: image.shape[0] * SCALE, : image.shape[1] * SCALE]), answers

    def _answer(self, image: Image, o: MosaicOptions, progress: Progress) -> tuple[Answers, pieces.Described]:
        patch = self.patch or o.patch
        cut = self.pieces(patch, o.shrink, progress.part(0.0, 0.4))
        step = tiles.step_of(patch, o.overlap)
        full = tiles.padded(image, patch, step)
        return tiles.answer(full, cut, step, o.variety, o.seed, progress.part(0.4, 1.0))


@dataclass
class RefinedRetrieval:
    """Bicubic plus the residuals of the nearest memories."""

    memory: Memory
    windows: int = retrieval.WINDOWS
    precision: str = "fp32"

    def examples(self, progress: Progress) -> Examples:
        """The memory's residuals and their index, made once per process."""
        key = (self.memory.key, self.windows, 0)
        return _EXAMPLES.get(key, lambda: retrieval.learn(self.memory, self.windows, 0, progress), progress)

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """See `spec.Upscaler`."""
        o = _checked(options)
        examples = self.examples(progress.part(0.0, 0.3))
        return refined.refine(image, Nearest(examples, o.neighbours), o.steps, progress.part(0.3, 1.0))


@dataclass
class LearnedRetrieval:
    """Bicubic plus the residuals of the learned memory."""

    memory: Anchors
    precision: str = "fp32"

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """See `spec.Upscaler`."""
        return refined.refine(image, self.memory, _checked(options).steps, progress)


def _checked(options: Options) -> MosaicOptions:
    if not isinstance(options, MosaicOptions):
        raise BadInput(f"The mosaic takes its own options, not {type(options).__name__}.")
    return options
