"""Results in the format that a visitor chooses, encoded from the PNG files that a comparison has written."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from sr_demo.codecs.formats import FORMATS
from sr_demo.codecs.metadata import carried
from sr_demo.codecs.sniff import Kind, kind_of
from sr_demo.errors import BadInput, Busy, SRError
from sr_demo.image import Limits, Metadata, Output, Written, read, stated_pixels, write
from sr_demo.reports.bundle import ZIP
from sr_demo.system.storage import write_atomically
from sr_demo.ui.histories import GONE
from sr_demo.ui.store import Store
from sr_demo.ui.uploads import UploadCache

_LIMITS = Limits(max_bytes=2**34, max_pixels=2 * 10**9, max_side=2**20, max_unpacked=2**36)
"""Limits for reading our own PNG files."""
_MOST_PIXELS = 100_000_000
_MOST_WHOLE = 20_000_000
"""Largest result that is encoded as WebP or AVIF, pixels: that takes about ten seconds on two cores."""
_PATIENCE = 60.0
"""Seconds that a visitor waits for other visitors' files."""


class Saved(NamedTuple):
    """A file that can be downloaded."""

    path: Path
    written: Written

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.path.stat().st_size


class Saving:
    """Encodes results one at a time: that takes seconds, beside whatever is being computed. Thread-safe."""

    def __init__(self, store: Store, uploads: UploadCache, limits: Limits) -> None:
        self._store, self._uploads, self._limits = store, uploads, limits
        self._encoding = Lock()

    def result(self, path: str) -> Path:
        """Return the PNG file of a result at an address that a browser has sent. Raises BadInput on any other file."""
        try:
            found = Path(path).resolve()
            if found.suffix == ".png" and found.parent.parent == self._store.folder.resolve() and found.is_file():
                return found
        except (OSError, ValueError, RuntimeError):  # too long, with a NUL, a loop of links
            pass
        raise BadInput(GONE)

    def kind(self, result: Path) -> Kind | None:
        """Return the kind of file that a result was made from; None where that is gone."""
        upload = self._uploads.original(result.parent)
        return None if upload is None else kind_of(upload)

    def private(self, result: Path) -> tuple[str, ...]:
        """Return the kinds of metadata of the upload, in words, that are removed by default."""
        return carried(self._metadata(result) or Metadata(), "public")[1]

    def encode(self, result: Path, output: Output, folder: Path | None = None) -> Saved:
        """Write a result in another format.

        Args:
            result: from `result`.
            output: how.
            folder: where; None for a new one.

        Raises:
            BadInput: it is too large for the format here.
            Busy: others are being encoded.
            StorageError: the disk refuses.
        """
        check_size(stated_pixels(result, _LIMITS), output)
        metadata = self._metadata(result)
        if not self._encoding.acquire(timeout=_PATIENCE):
            raise Busy("Other visitors are saving large pictures just now. Try again in a minute.")
        try:
            image = read(result, _LIMITS)
            if metadata is not None:
                # The result's own resolution: where a size for print was requested, it is not that of the upload.
                image = replace(image, metadata=replace(metadata, dpi=image.metadata.dpi))
            target = (folder or self._store.new()) / f"{result.stem}{output.file_format.suffix}"
            return Saved(target, write(image, target, output))
        finally:
            self._encoding.release()

    def pack(self, result: Path, output: Output, report: Callable[[int, int], None]) -> Path:
        """Return a zip like that of the comparison that `result` belongs to, its images in another format.

        Args:
            result: one of its results.
            output: how images are written.
            report: called with the number of finished images, and of all; may raise.

        Raises:
            BadInput: the comparison is gone, or an image is too large.
        """
        if not (result.parent / ZIP).is_file():
            raise BadInput(GONE)
        with self._store.lent() as folder:
            with zipfile.ZipFile(result.parent / ZIP) as before:
                names = before.namelist()
                images = [name for name in names if name.endswith(".png")]
                saved: dict[str, Saved] = {}
                for number, name in enumerate(images):
                    report(number, len(images))
                    saved[name] = self.encode(self.result(str(result.parent / name)), output, folder)
                texts = {name: before.read(name) for name in names if name not in saved}
            for name, found in saved.items():
                for text in texts:
                    old, new = (f'src="{one}"'.encode() for one in (name, found.path.name))
                    texts[text] = texts[text].replace(old, new)

            def joined(part: Path) -> None:
                with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
                    for found in saved.values():
                        archive.write(found.path, found.path.name)
                    for name, content in texts.items():
                        archive.writestr(name, content)

            target = folder / ZIP
            write_atomically(target, joined)
            for found in saved.values():
                found.path.unlink(missing_ok=True)
        return target

    def _metadata(self, result: Path) -> Metadata | None:
        """All metadata of the upload; None where it is gone: then the PNG has what is public."""
        upload = self._uploads.original(result.parent)
        if upload is None:
            return None
        try:
            return self._uploads.metadata(upload, self._limits)
        except SRError:
            return None


def check_size(pixels: int, output: Output) -> None:
    """Raise BadInput where an image of so many pixels takes too long, or too much memory, in this format."""
    found = FORMATS[output.format]
    most = _MOST_WHOLE if found.whole else _MOST_PIXELS
    if pixels > most:
        others = "Choose JPEG or PNG" if found.whole and pixels <= _MOST_PIXELS else "Download it as PNG"
        raise BadInput(
            f"{found.title} is written here for up to {most // 10**6} megapixels, and this picture has {pixels / 1e6:.0f}. "
            f"{others}, or use the command line."
        )
