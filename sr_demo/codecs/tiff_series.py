"""The range of values over all pages of a TIFF, so that one mapping holds for the whole file."""

from __future__ import annotations

import io
import os
from functools import partial
from typing import IO, NamedTuple

from sr_demo.codecs.directories import directory, places
from sr_demo.codecs.libraries import TROUBLE
from sr_demo.codecs.sniff import Limits, check_pixels
from sr_demo.codecs.tiff import page_at, range_of, stored_bytes
from sr_demo.codecs.values import Range
from sr_demo.errors import BadInput

_MOST_TIMES = 16
"""How much larger than the file its pages may be together, beyond what one page may take."""
_REMEMBERED = 16


class _Content(NamedTuple):
    """A file at one time."""

    device: int
    number: int
    modified_ns: int
    size: int


_ranges: dict[_Content, Range] = {}
"""Of the last files: a batch reads one file page by page."""


def series_range(file: IO[bytes], limits: Limits) -> Range:
    """Return the range of the values in all pages that have values to be mapped, previews and unreadable pages left out.

    Args:
        file: the whole file.
        limits: of each page.

    Raises:
        BadInput: when the pages unpack to far more than the file holds.
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
        except (BadInput, *TROUBLE):
            continue  # decoding that page reports why
    if left < 0:
        raise BadInput(
            "The pages of this TIFF unpack to far more than the file holds, too much to find one mapping of their values to "
            "black and white. Split it into several files."
        )
    return whole
