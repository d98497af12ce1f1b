"""A small cache of decoded uploads: an image is decoded once while a visitor works on it, not once per event."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from sr_demo.image import ImageData, Limits, read, stated_pixels
from sr_demo.system.large_array import IN_MEMORY
from sr_demo.system.memory import Allotment

_MAX_BYTES = 160 * 10**6
"""Of all cached images together; a photo of 12 megapixels takes 144 MB. Larger ones are decoded again each time."""


class _Version(NamedTuple):
    """Content of a file at one time."""

    path: Path
    modified_ns: int
    bytes: int


class UploadCache:
    """Decodes uploads and caches the most recent ones. Thread-safe; what it returns is shared and read-only."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._images: OrderedDict[_Version, ImageData] = OrderedDict()
        self._lock = Lock()
        self._working = Allotment()

    def read(self, path: str | Path, limits: Limits) -> ImageData:
        """Return the decoded image at `path`, from the cache where the file has not changed since.

        Args:
            path: The uploaded file.
            limits: Bytes and pixels that are accepted.

        Raises:
            BadInput: With the sentence to show, when the file cannot be read. Failures are not cached.
        """
        version = _version(Path(path))
        if version is not None:
            with self._lock:
                if version in self._images:
                    self._images.move_to_end(version)
                    return self._images[version]
        image = read(Path(path), limits)
        if version is not None and _size(image) <= self._max_bytes:
            with self._lock:
                self._images[version] = image
                while sum(map(_size, self._images.values())) > self._max_bytes:
                    self._images.popitem(last=False)
        return image

    @contextmanager
    def opened(self, path: str | Path, limits: Limits) -> Generator[ImageData]:
        """Yield the image like `read`, for handlers that run beside others: all of them share the working memory.

        Args:
            path: The uploaded file.
            limits: Bytes and pixels that are accepted.

        Raises:
            BadInput: Like `read`.
        """
        version = _version(Path(path))
        with self._lock:
            is_held = version in self._images
        with self._working.taken(0 if is_held else _need(stated_pixels(Path(path), limits))):
            yield self.read(path, limits)


def _need(pixels: int) -> int:
    """Return the bytes that decoding takes: samples, the decoder's own copy, and the image unless it lies in a file."""
    image = 12 * pixels
    return 8 * pixels + (image if image <= IN_MEMORY else 0)


def _version(path: Path) -> _Version | None:
    try:
        found = path.stat()
    except OSError:  # `read` says in a sentence what is wrong with it
        return None
    return _Version(path, found.st_mtime_ns, found.st_size)


def _size(image: ImageData) -> int:
    return image.rgb.nbytes + (0 if image.alpha is None else image.alpha.nbytes)
