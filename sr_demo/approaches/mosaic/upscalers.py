"""The variants of the patch mosaic as upscalers, and the databases and indexes shared by all visitors of this process."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path

from sr_demo.approaches.mosaic import anchors, duplicate_photos, named_databases, photos, refinement, retrieval
from sr_demo.approaches.mosaic.anchors import AnchoredRegression
from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.approaches.mosaic.pasting import paste
from sr_demo.approaches.mosaic.patch_database import SCALE, PatchDatabase, build_database, check, open_database
from sr_demo.approaches.mosaic.patches import PatchIndex, PatchStatistics, index_patches
from sr_demo.approaches.mosaic.retrieval import NearestNeighbours, ResidualDatabase
from sr_demo.approaches.mosaic.shared_cache import SharedCache
from sr_demo.approaches.mosaic.tile_matching import TileMatches, match_tiles, padded, stride_of
from sr_demo.approaches.mosaic.windows import ResidualPredictor
from sr_demo.errors import BadInput
from sr_demo.image import Image, readonly
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Request, Upscaler
from sr_demo.system.storage import cache_folder

FIXED_PATCH_SIZES = {"tiles-8": 8, "tiles-64": 64}
"""Variants whose patch size the option does not change."""
_DATABASES: SharedCache[Path, PatchDatabase] = SharedCache(4)
_PATCH_INDEXES: SharedCache[tuple[Path, str, int, int], PatchIndex] = SharedCache(12)
"""By place and key of the database, so that its photos go with its folder; patch size; and downscaling factor."""
_LEARNED: SharedCache[str, LearnedRetrieval] = SharedCache(1)
_RESIDUALS: SharedCache[tuple[Path, str, int, int], ResidualDatabase] = SharedCache(2)
"""By place and key of the database, number of windows, and seed."""


def load(request: Request) -> Upscaler:
    """Return the upscaler of a request's variant, with the learned memory, a named database or the default one.

    Raises:
        WeightsUnavailable: The file of the learned memory cannot be used.
        MissingDependency: The photos of the default database are not installed.
        StorageError: The disk is full or cannot be written.
        BadInput: The options name a database that does not exist.
    """
    variant, name = request.checkpoint.variant, _checked(request.options).memory
    if variant == "refined" and not name:
        return LearnedRetrieval(anchors.load(request.files[0]))
    progress = request.progress
    if name:
        database = shared_database(named_databases.find(name).place)
    else:
        database = default_database(cache_folder() / "memories", progress.part(0.0, 0.5))
    if variant.startswith("refined"):
        upscaler = RefinedRetrieval(database, name=name)
        upscaler.residuals(progress.part(0.5, 1.0))
        return upscaler
    return TileMosaic(database, FIXED_PATCH_SIZES.get(variant), name=name)


def default_database(folder: Path, progress: Progress) -> PatchDatabase:
    """Return the database of the bundled photos under `folder`; build it first unless it is there."""
    return _DATABASES.get(folder, lambda: build_database(photos.bundled(), folder, progress), progress)


def shared_database(place: Path) -> PatchDatabase:
    """Return the database in the folder `place`. Raises BadInput when it no longer exists, StorageError when damaged."""

    def opened() -> PatchDatabase:
        database = open_database(place)
        if database is None:
            raise BadInput("This memory no longer exists. Build it again, or choose another.")
        check(place)
        return database

    try:
        written = (place / "memory.json").stat().st_mtime_ns
    except OSError:
        raise BadInput("This memory no longer exists. Build it again, or choose another.") from None
    return _DATABASES.get(place / str(written), opened, SILENT)


def _under_name(name: str) -> PatchDatabase:
    """Return the database of this name as it is now: it may have been built again since an upscaler was loaded."""
    return shared_database(named_databases.folder() / name)


def forget_below(gone: Set[Path]) -> None:
    """Drop all databases in the folders `gone`, which are deleted, and all that was computed from them.

    Until then their photos stay in memory, and their files take disk space though they are deleted.
    """

    def is_gone(place: Path) -> bool:
        return not gone.isdisjoint((place, *place.parents))

    _DATABASES.drop(is_gone)
    _PATCH_INDEXES.drop(lambda key: is_gone(key[0]))
    _RESIDUALS.drop(lambda key: is_gone(key[0]))
    duplicate_photos.forget(is_gone)


def learned_retrieval() -> LearnedRetrieval:
    """Return refined retrieval with the embedded, learned memory."""
    from sr_demo.approaches.mosaic import CHECKPOINTS
    from sr_demo.hub.checkpoints import fetch

    checkpoint = next(c for c in CHECKPOINTS if c.variant == "refined")
    return _LEARNED.get("embedded", lambda: LearnedRetrieval(anchors.load(fetch(checkpoint)[0])), SILENT)


@dataclass
class TileMosaic:
    """Replaces every tile of the image by the best patch of a database."""

    database: PatchDatabase
    patch: int | None = None
    """A fixed patch size, or None for the option's."""
    name: str = ""
    """Name under which the database was built; "" where it has no index of its own."""
    precision: str = "fp32"
    backend: str = ""
    loss_db: float | None = None

    def current(self) -> TileMosaic:
        """Return the mosaic with the database that has its name now. Raises BadInput where there is none any more."""
        return replace(self, database=_under_name(self.name)) if self.name else self

    def patch_index(self, patch: int, downscale: int, progress: Progress) -> PatchIndex:
        """Return the indexed patches of one size: the stored ones, or computed once for each process.

        Args:
            patch: Side of a patch in LR pixels.
            downscale: Factor by which the photos are downscaled first.
            progress: Receives what is done so far.
        """

        def compute() -> PatchIndex:
            named = named_databases.find(self.name) if self.name else None
            if named is not None and named.kind == "tiles" and named.patch == patch and downscale == 1:
                return named_databases.open_patch_index(named, self.database)
            return index_patches(self.database, patch, downscale, progress)

        return _PATCH_INDEXES.get((self.database.place, self.database.key, patch, downscale), compute, progress)

    def match(self, image: Image, options: Options, progress: Progress) -> TileMatches:
        """Return the matched patch of every tile of `image`, the LR image (H, W, 3) float32 in [0, 1]."""
        return self._match(image, _checked(options), progress)[0]

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """See `spec.Upscaler`."""
        return self.render(image, options, progress)[0]

    def render(self, image: Image, options: Options, progress: Progress) -> tuple[Image, TileMatches]:
        """Return a mosaic, and the matches it was pasted from.

        Args:
            image: The LR image, (H, W, 3) float32 in [0, 1].
            options: `MosaicOptions`.
            progress: Receives what is done so far.

        Returns:
            The mosaic (4 H, 4 W, 3) float32 in [0, 1], and the matched patch of every tile.
        """
        o = _checked(options)
        end = 0.4 if o.polish else 1.0
        matches, own = self._match(image, o, progress.part(0.0, 0.8 * end))
        out = paste(matches, own, o.colour, progress.part(0.8 * end, end))
        out = readonly(out[: image.shape[0] * SCALE, : image.shape[1] * SCALE])
        if o.polish:
            from sr_demo.approaches.mosaic.polish import polish

            out = polish(out, progress.part(end, 1.0))
        progress(1.0)
        return out, matches

    def _match(self, image: Image, o: MosaicOptions, progress: Progress) -> tuple[TileMatches, PatchStatistics]:
        patch, now = self.patch or o.patch, self.current()
        patches = now.patch_index(patch, o.downscale, progress.part(0.0, 0.4))
        stride = stride_of(patch, o.overlap)
        full = padded(image, patch, stride)
        excluded = _excluded_photos(now.database, image, o)
        matches, own = match_tiles(full, patches, stride, o.variety, o.seed, progress.part(0.4, 1.0), excluded)
        return replace(matches, left_out=_names(now.database, excluded)), own


@dataclass
class RefinedRetrieval:
    """Bicubic plus the residuals of the nearest windows of a database."""

    database: PatchDatabase
    windows: int = retrieval.WINDOWS
    """Windows to sample from a database that was built without residuals."""
    name: str = ""
    """As in `TileMosaic`."""
    precision: str = "fp32"
    backend: str = ""
    loss_db: float | None = None

    def current(self) -> RefinedRetrieval:
        """As in `TileMosaic`."""
        return replace(self, database=_under_name(self.name)) if self.name else self

    def residuals(self, progress: Progress) -> ResidualDatabase:
        """Return the residuals and their index: the stored ones, or computed once for each process."""

        def compute() -> ResidualDatabase:
            named = named_databases.find(self.name) if self.name else None
            if named is not None and named.kind == "refined":
                return named_databases.open_residuals(named)
            return retrieval.build_residual_database(self.database, self.windows, 0, progress)

        return _RESIDUALS.get((self.database.place, self.database.key, self.windows, 0), compute, progress)

    def predictor(
        self, image: Image, options: Options, progress: Progress
    ) -> tuple[NearestNeighbours, tuple[str, ...]]:
        """Return the predictor for an image, and the names of the photos it leaves out.

        Args:
            image: The LR image, (H, W, 3) float32 in [0, 1].
            options: `MosaicOptions`.
            progress: Receives what is done so far.
        """
        o, now = _checked(options), self.current()
        excluded = _excluded_photos(now.database, image, o)
        return NearestNeighbours(now.residuals(progress), o.neighbours, excluded), _names(now.database, excluded)

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """See `spec.Upscaler`."""
        predictor, _ = self.predictor(image, options, progress.part(0.0, 0.3))
        return refinement.refine(image, predictor, _checked(options).steps, progress.part(0.3, 1.0))


@dataclass
class LearnedRetrieval:
    """Bicubic plus the residuals that the learned memory predicts."""

    model: AnchoredRegression
    precision: str = "fp32"
    backend: str = ""
    loss_db: float | None = None

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """See `spec.Upscaler`."""
        return refinement.refine(image, self.model, _checked(options).steps, progress)


def refine_recorded(
    image: Image, predictor: ResidualPredictor, steps: int, progress: Progress
) -> tuple[Image, refinement.RecordingPredictor]:
    """Refine a small image in one tile and record the matches.

    Args:
        image: (H, W, 3) float32 in [0, 1], a few hundred pixels a side.
        predictor: Predicts the residuals.
        steps: Back-projection steps.
        progress: Receives what is done so far.

    Returns:
        The result (4 H, 4 W, 3), and the predictor with its recorded matches.
    """
    recorder = refinement.RecordingPredictor(predictor)
    return refinement.refine(image, recorder, steps, progress, max(image.shape[:2])), recorder


def _excluded_photos(database: PatchDatabase, image: Image, o: MosaicOptions) -> tuple[int, ...]:
    """Return the photos that are the image itself, unless the database has no others."""
    same = duplicate_photos.overlapping_photos(database, image) if o.leave_out else ()
    return same if len(same) < len(database.photos) else ()


def _names(database: PatchDatabase, numbers: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(database.photos[number].name for number in numbers)


def _checked(options: Options) -> MosaicOptions:
    if not isinstance(options, MosaicOptions):
        raise BadInput(f"The mosaic takes its own options, not {type(options).__name__}.")
    return options
