"""A small cache of decoded uploads, so that an image is not decoded again for each event of a visitor."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from sr_demo.codecs.metadata import carried
from sr_demo.image import ImageData, Limits, Metadata, read, stated_pixels
from sr_demo.system.large_array import IN_MEMORY
from sr_demo.system.memory import SharedBudget

_MAX_BYTES = 160 * 10**6
"""Largest size of all cached images: a photo of 12 megapixels takes 144 MB. Larger ones are decoded again each time."""
_MOST_METADATA = 100
"""Largest number of uploads whose metadata are cached; those of one take at most 1 MB."""
_MOST_FOLDERS = 10_000
"""Largest number of result folders whose upload is recorded."""


class _Version(NamedTuple):
    """Identifies a file's content at one time."""

    path: Path
    modified_ns: int
    bytes: int


class UploadCache:
    """Decodes uploads and caches the most recent ones. Thread-safe; returned images are shared and read-only.

    Images have no GPS position and no serial numbers, so that no tab copies them to results; `metadata` returns them.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._images: OrderedDict[_Version, ImageData] = OrderedDict()
        self._metadata: OrderedDict[_Version, Metadata] = OrderedDict()
        self._originals: OrderedDict[Path, Path] = OrderedDict()
        self._lock = Lock()
        self._working = SharedBudget()

    def read(self, path: str | Path, limits: Limits) -> ImageData:
        """Return the decoded image at `path`, from the cache if the file has not changed.

        Args:
            path: The uploaded file.
            limits: Limits on bytes and pixels.

        Raises:
            BadInput: The file cannot be read; the message is one sentence. Failures are not cached.
        """
        version = _version(Path(path))
        if version is not None:
            with self._lock:
                if version in self._images:
                    self._images.move_to_end(version)
                    return self._images[version]
        whole = read(Path(path), limits)
        image = public(whole)
        if version is not None:
            with self._lock:
                self._metadata[version] = whole.metadata
                if len(self._metadata) > _MOST_METADATA:
                    self._metadata.popitem(last=False)
        if version is not None and _size(image) <= self._max_bytes:
            with self._lock:
                self._images[version] = image
                while sum(map(_size, self._images.values())) > self._max_bytes:
                    self._images.popitem(last=False)
        return image

    def metadata(self, path: str | Path, limits: Limits) -> Metadata:
        """Return all metadata of the image at `path`; arguments and errors are those of `read`."""
        version = _version(Path(path))
        with self._lock:
            found = None if version is None else self._metadata.get(version)
        return read(Path(path), limits).metadata if found is None else found

    def remember(self, folder: Path, path: str | Path) -> None:
        """Record that the results in `folder` are computed from the upload at `path`."""
        with self._lock:
            self._originals[folder.resolve()] = Path(path)
            if len(self._originals) > _MOST_FOLDERS:
                self._originals.popitem(last=False)

    def original(self, folder: Path) -> Path | None:
        """Return the upload that the results in `folder` are computed from; None if it was deleted or is not recorded."""
        with self._lock:
            found = self._originals.get(folder.resolve())
        return found if found is not None and found.is_file() else None

    @contextmanager
    def opened(self, path: str | Path, limits: Limits) -> Generator[ImageData]:
        """Yield the image like `read`, for handlers that run in parallel and share a limited working memory.

        Args:
            path: The uploaded file.
            limits: Limits on bytes and pixels.

        Raises:
            BadInput: As for `read`.
        """
        version = _version(Path(path))
        with self._lock:
            is_held = version in self._images
        with self._working.taken(0 if is_held else _need(stated_pixels(Path(path), limits))):
            yield self.read(path, limits)


def public(image: ImageData) -> ImageData:
    """Return the image without GPS position and serial numbers, with a note if it had any."""
    found, removed = carried(image.metadata, "public")
    if not removed:
        return image
    return replace(image, metadata=found, notes=(*image.notes, f"Results leave out its {' and '.join(removed)}."))


def _need(pixels: int) -> int:
    """Return the bytes that decoding takes: samples, the decoder's copy, and the image unless it is stored in a file."""
    image = 12 * pixels
    return 8 * pixels + (image if image <= IN_MEMORY else 0)


def _version(path: Path) -> _Version | None:
    try:
        found = path.stat()
    except OSError:  # `read` reports this
        return None
    return _Version(path, found.st_mtime_ns, found.st_size)


def _size(image: ImageData) -> int:
    return image.rgb.nbytes + (0 if image.alpha is None else image.alpha.nbytes)
