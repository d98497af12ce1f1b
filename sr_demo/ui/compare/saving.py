"""Encoding of results in the format that a visitor selects, from the PNG files that a comparison has written."""

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
"""Limits for reading PNG files that this program wrote."""
_MOST_PIXELS = 100_000_000
_MOST_WHOLE = 20_000_000
"""Largest number of pixels that is encoded as WebP or AVIF: that takes about ten seconds on two cores."""
_PATIENCE = 60.0
"""Longest wait for the encoding of other visitors' files, in seconds."""


class Saved(NamedTuple):
    """A file that can be downloaded."""

    path: Path
    written: Written

    @property
    def bytes(self) -> int:
        """Size of the file in bytes."""
        return self.path.stat().st_size


class Saving:
    """Encodes results, one at a time, since encoding takes seconds while other work is computed. Thread-safe."""

    def __init__(self, store: Store, uploads: UploadCache, limits: Limits) -> None:
        self._store, self._uploads, self._limits = store, uploads, limits
        self._encoding = Lock()

    def result(self, path: str) -> Path:
        """Return the PNG file of a result for a path that a browser has sent. Raises BadInput for any other file."""
        try:
            found = Path(path).resolve()
            if found.suffix == ".png" and found.parent.parent == self._store.folder.resolve() and found.is_file():
                return found
        except (OSError, ValueError, RuntimeError):  # path too long, with a NUL character, or a loop of links
            pass
        raise BadInput(GONE)

    def kind(self, result: Path) -> Kind | None:
        """Return the kind of the uploaded file that a result was made from; None if it was deleted."""
        upload = self._uploads.original(result.parent)
        return None if upload is None else kind_of(upload)

    def private(self, result: Path) -> tuple[str, ...]:
        """Return descriptions of the upload's metadata that are removed by default."""
        return carried(self._metadata(result) or Metadata(), "public")[1]

    def encode(self, result: Path, output: Output, folder: Path | None = None) -> Saved:
        """Write a result in another format.

        Args:
            result: PNG file from `result`.
            output: Format and its settings.
            folder: Folder to write to; None for a new one.

        Raises:
            BadInput: The image is too large for this format here.
            Busy: Other files were still being encoded after `_PATIENCE` seconds.
            StorageError: The file cannot be written.
        """
        check_size(stated_pixels(result, _LIMITS), output)
        metadata = self._metadata(result)
        if not self._encoding.acquire(timeout=_PATIENCE):
            raise Busy("Other visitors are saving large pictures just now. Try again in a minute.")
        try:
            image = read(result, _LIMITS)
            if metadata is not None:
                # The result's own resolution, which differs from the upload's if a size for print was requested.
                image = replace(image, metadata=replace(metadata, dpi=image.metadata.dpi))
            target = (folder or self._store.new()) / f"{result.stem}{output.file_format.suffix}"
            return Saved(target, write(image, target, output))
        finally:
            self._encoding.release()

    def pack(self, result: Path, output: Output, report: Callable[[int, int], None]) -> Path:
        """Write a zip like that of the comparison that `result` belongs to, with images in another format; return it.

        Args:
            result: PNG file of one of the results.
            output: Format of the images, and its settings.
            report: Called with the number of finished images and the number of all; may raise.

        Raises:
            BadInput: The comparison was deleted, or an image is too large.
            Busy: Other files were still being encoded after `_PATIENCE` seconds.
            StorageError: A file cannot be written.
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
        """Return all metadata of the upload; None if it was deleted (the PNG file has the public ones)."""
        upload = self._uploads.original(result.parent)
        if upload is None:
            return None
        try:
            return self._uploads.metadata(upload, self._limits)
        except SRError:
            return None


def check_size(pixels: int, output: Output) -> None:
    """Raise BadInput if encoding an image of `pixels` pixels in this format would take too much time or memory."""
    found = FORMATS[output.format]
    most = _MOST_WHOLE if found.whole else _MOST_PIXELS
    if pixels > most:
        others = "Choose JPEG or PNG" if found.whole and pixels <= _MOST_PIXELS else "Download it as PNG"
        raise BadInput(
            f"{found.title} is written here for up to {most // 10**6} megapixels, and this picture has {pixels / 1e6:.0f}. "
            f"{others}, or use the command line."
        )
