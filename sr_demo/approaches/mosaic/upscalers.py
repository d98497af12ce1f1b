"""The variants as upscalers, and the memories and indexes they share with all visitors of this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sr_demo.approaches.mosaic import anchors, named_databases, photos, refinement, retrieval, tile_matching
from sr_demo.approaches.mosaic import patch_database as memories
from sr_demo.approaches.mosaic import patches as pieces
from sr_demo.approaches.mosaic.anchors import Anchors
from sr_demo.approaches.mosaic.named_databases import Entry
from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.approaches.mosaic.overlap import known_photos
from sr_demo.approaches.mosaic.patch_database import SCALE, PatchDatabase
from sr_demo.approaches.mosaic.patches import Pieces
from sr_demo.approaches.mosaic.retrieval import Examples, Nearest
from sr_demo.approaches.mosaic.shared_cache import Once
from sr_demo.approaches.mosaic.tile_matching import Answers
from sr_demo.approaches.mosaic.windows import Residuals
from sr_demo.errors import BadInput
from sr_demo.image import Image, readonly
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Request, Upscaler
from sr_demo.system.storage import cache_folder

FIXED = {"tiles-8": 8, "tiles-64": 64}
"""Variants whose patch size the slider does not change."""
_MEMORIES: Once[Path, PatchDatabase] = Once(4)
_PIECES: Once[tuple[str, int, int], Pieces] = Once(12)
_LEARNED: Once[str, LearnedRetrieval] = Once(1)
_EXAMPLES: Once[tuple[str, int, int], Examples] = Once(2)


def load(request: Request) -> Upscaler:
    """The upscaler of `request.checkpoint.variant`: with the learned memory of its file, or the default memory.

    Raises WeightsUnavailable, MissingDependency, StorageError, BadInput when the options name a memory that is not there.
    """
    variant, name = request.checkpoint.variant, _checked(request.options).memory
    if variant == "refined" and not name:
        return LearnedRetrieval(anchors.load(request.files[0]))
    progress = request.progress
    if name:
        memory = opened_memory(named_databases.find(name).place)
    else:
        memory = default_memory(cache_folder() / "memories", progress.part(0.0, 0.5))
    if variant.startswith("refined"):
        upscaler = RefinedRetrieval(memory, name=name)
        upscaler.examples(progress.part(0.5, 1.0))
        return upscaler
    return TileMosaic(memory, FIXED.get(variant), name=name)


def default_memory(folder: Path, progress: Progress) -> PatchDatabase:
    """The memory of the bundled photos under `folder`, built when it is not there."""
    return _MEMORIES.get(folder, lambda: memories.build(photos.bundled(), folder, progress), progress)


def own_memory(files: Sequence[Path], folder: Path, progress: Progress) -> PatchDatabase:
    """A memory of a person's own photos under `folder`. Raises as `memory.build` does."""
    memory = memories.build(files, folder, progress)
    return _MEMORIES.get(folder / memory.key, lambda: memory, progress)


def opened_memory(place: Path) -> PatchDatabase:
    """The memory in the folder `place`. Raises BadInput when there is none any more."""

    def opened() -> PatchDatabase:
        found = memories.open_memory(place)
        if found is None:
            raise BadInput("This memory is not there any more. Build it again, or choose another.")
        return found

    try:
        written = (place / "memory.json").stat().st_mtime_ns
    except OSError:
        raise BadInput("This memory is not there any more. Build it again, or choose another.") from None
    return _MEMORIES.get(place / str(written), opened, SILENT)


def forget(memory: PatchDatabase) -> None:
    """Let go of all that was made of `memory`, which is about to be deleted."""
    _PIECES.forget(lambda key: key[0] == memory.key)
    _EXAMPLES.forget(lambda key: key[0] == memory.key)
    _MEMORIES.forget(lambda place: memory.key in place.parts)


def learned() -> LearnedRetrieval:
    """Refined retrieval with the embedded memory."""
    from sr_demo.approaches.mosaic import CHECKPOINTS
    from sr_demo.hub.checkpoints import fetch

    checkpoint = next(c for c in CHECKPOINTS if c.variant == "refined")
    return _LEARNED.get("embedded", lambda: LearnedRetrieval(anchors.load(fetch(checkpoint)[0])), SILENT)


@dataclass
class TileMosaic:
    """Every piece of the picture replaced by the best memory."""

    memory: PatchDatabase
    patch: int | None = None
    """A fixed patch size, or None for the option's."""
    name: str = ""
    """Under which the memory was built, "" where it has no index of its own."""
    precision: str = "fp32"
    backend: str = ""
    loss_db: float | None = None

    def pieces(self, patch: int, shrink: int, progress: Progress) -> Pieces:
        """The indexed pieces of one size: those the memory was built with, or cut now, once per process."""
        key = (self.memory.key, patch, shrink)

        def make() -> Pieces:
            entry = named_databases.find(self.name) if self.name else None
            if entry is not None and entry.kind == "tiles" and entry.patch == patch and shrink == 1:
                return named_databases.pieces(entry, self.memory)
            return pieces.cut(self.memory, patch, shrink, progress)

        return _PIECES.get(key, make, progress)

    def look_inside(self, image: Image, options: Options, progress: Progress) -> Answers:
        """Which memory answers where in `image` (H, W, 3), with distances and ranks."""
        return self._answer(image, _checked(options), progress)[0]

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """See `spec.Upscaler`."""
        return self.render(image, options, progress)[0]

    def render(self, image: Image, options: Options, progress: Progress) -> tuple[Image, Answers]:
        """What `upscale` returns, and which memory answers where."""
        o = _checked(options)
        end = 0.4 if o.polish else 1.0
        answers, own = self._answer(image, o, progress.part(0.0, 0.8 * end))
        out = tile_matching.paste(answers, own, o.colour, progress.part(0.8 * end, end))
        out = readonly(out[: image.shape[0] * SCALE, : image.shape[1] * SCALE])
        if o.polish:
            from sr_demo.approaches.mosaic.polish import polish

            out = polish(out, progress.part(end, 1.0))
        progress(1.0)
        return out, answers

    def _answer(self, image: Image, o: MosaicOptions, progress: Progress) -> tuple[Answers, pieces.Look]:
        patch = self.patch or o.patch
        cut = self.pieces(patch, o.shrink, progress.part(0.0, 0.4))
        step = tile_matching.step_of(patch, o.overlap)
        full = tile_matching.padded(image, patch, step)
        without = _left_out(self.memory, image, o)
        answers, look = tile_matching.answer(full, cut, step, o.variety, o.seed, progress.part(0.4, 1.0), without)
        return replace(answers, left_out=tuple(self.memory.photos[i].name for i in without)), look


@dataclass
class RefinedRetrieval:
    """Bicubic plus the residuals of the nearest memories."""

    memory: PatchDatabase
    windows: int = retrieval.WINDOWS
    name: str = ""
    """As in `TileMosaic`."""
    precision: str = "fp32"
    backend: str = ""
    loss_db: float | None = None

    def examples(self, progress: Progress) -> Examples:
        """The memory's residuals and their index: those it was built with, or learned now, once per process."""
        key = (self.memory.key, self.windows, 0)

        def make() -> Examples:
            entry: Entry | None = named_databases.find(self.name) if self.name else None
            if entry is not None and entry.kind == "refined":
                return named_databases.examples(entry)
            return retrieval.learn(self.memory, self.windows, 0, progress)

        return _EXAMPLES.get(key, make, progress)

    def answering(self, image: Image, options: Options, progress: Progress) -> tuple[Nearest, tuple[str, ...]]:
        """Who answers for `image`, and the names of the photos that are left out."""
        o = _checked(options)
        without = _left_out(self.memory, image, o)
        names = tuple(self.memory.photos[i].name for i in without)
        return Nearest(self.examples(progress), o.neighbours, without), names

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """See `spec.Upscaler`."""
        nearest, _ = self.answering(image, options, progress.part(0.0, 0.3))
        return refinement.refine(image, nearest, _checked(options).steps, progress.part(0.3, 1.0))


@dataclass
class LearnedRetrieval:
    """Bicubic plus the residuals of the learned memory."""

    memory: Anchors
    precision: str = "fp32"
    backend: str = ""
    loss_db: float | None = None

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """See `spec.Upscaler`."""
        return refinement.refine(image, self.memory, _checked(options).steps, progress)


def watched(image: Image, memory: Residuals, steps: int, progress: Progress) -> tuple[Image, refinement.Watched]:
    """The refined picture, in one piece, and who answered where. For pictures of a few hundred pixels a side."""
    seen = refinement.Watched(memory)
    return refinement.refine(image, seen, steps, progress, max(image.shape[:2])), seen


def _left_out(memory: PatchDatabase, image: Image, o: MosaicOptions) -> tuple[int, ...]:
    """Photos that are the picture itself, unless they are all there is."""
    known = known_photos(memory, image) if o.leave_out else ()
    return known if len(known) < len(memory.photos) else ()


def _checked(options: Options) -> MosaicOptions:
    if not isinstance(options, MosaicOptions):
        raise BadInput(f"The mosaic takes its own options, not {type(options).__name__}.")
    return options
