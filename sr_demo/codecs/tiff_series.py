"""The range of values over all pages of a TIFF, so that all pages are mapped to levels alike."""

from __future__ import annotations

import io
import os
from functools import partial
from typing import IO, NamedTuple

from sr_demo.codecs.libraries import LIBRARY_ERRORS, is_passing
from sr_demo.codecs.sniff import Limits, check_pixels
from sr_demo.codecs.tiff import page_at, range_of, stored_bytes
from sr_demo.codecs.tiff_directories import directory, places
from sr_demo.codecs.values import Range
from sr_demo.errors import BadInput

_MOST_TIMES = 16
"""Limit of the size of all unpacked pages, as a multiple of the size of the file; one page may always take its own limit."""
_REMEMBERED = 16


class _Content(NamedTuple):
    """Identity of a file's content at one time."""

    device: int
    number: int
    modified_ns: int
    size: int


_ranges: dict[_Content, Range] = {}
"""Ranges of the last files, since a batch reads a file page by page."""


def series_range(file: IO[bytes], limits: Limits) -> Range:
    """Return the range of the values in all pages with values to map, without previews and unreadable pages.

    Args:
        file: The whole file.
        limits: Limits of each page.

    Raises:
        BadInput: The pages unpack to far more than the size of the file.
    """
    status = os.fstat(file.fileno())
    content = _Content(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
    if content not in _ranges:
        found = _series_range(file, limits)
        while len(_ranges) >= _REMEMBERED:
            _ranges.pop(next(iter(_ranges)), None)
        _ranges[content] = found
    return _ranges[content]


def _series_range(file: IO[bytes], limits: Limits) -> Range:
    left = max(limits.max_unpacked, _MOST_TIMES * file.seek(0, io.SEEK_END))
    whole = Range()
    for at in list(places(file)):
        try:
            if directory(file, at).is_preview:
                continue
            with page_at(file, at) as page:
                size = stored_bytes(page)
                left -= size
                if left < 0:
                    break
                if size:
                    whole = whole.joined(range_of(page, partial(check_pixels, limits=limits)))
        except (BadInput, *LIBRARY_ERRORS) as exc:
            if is_passing(exc):  # the page counts when the file is read again
                raise
            continue  # decoding this page reports the error
    if left < 0:
        raise BadInput(
            "The pages of this TIFF unpack to far more than the file holds, too much to find one mapping of their values to "
            "black and white. Split it into several files."
        )
    return whole
