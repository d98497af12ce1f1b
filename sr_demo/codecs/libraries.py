"""The errors of the image libraries, and functions that keep their messages off standard error.

tifffile logs, Pillow warns, OpenCV and Pillow's libtiff write to standard error from C. For an unreadable file, standard
error should have our sentence only; the library's message is in our log with the exception.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import struct
import warnings
import zlib
from contextlib import suppress
from functools import lru_cache
from typing import Any

from PIL import Image as Pillow

LIBRARY_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, RuntimeError, AttributeError,
    MemoryError, AssertionError, Warning, struct.error, zlib.error, Pillow.DecompressionBombError,
)  # fmt: skip
"""The known exceptions of the decoders for invalid files."""
_DAMAGED_OFFSETS = (errno.EINVAL, errno.EOVERFLOW)
"""Error numbers that offsets in a damaged file cause."""


def is_passing(exc: BaseException) -> bool:
    """Return whether an error among `LIBRARY_ERRORS` comes from the disk or the memory, so that the file may be intact."""
    if isinstance(exc, MemoryError):
        return True
    return isinstance(exc, OSError) and exc.errno is not None and exc.errno not in _DAMAGED_OFFSETS


def silence() -> None:
    """Silence tifffile and Pillow for the whole process, since handlers and filters cannot be set for one thread."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # libtiff is looked up among the libraries that Pillow links to; if it is linked statically, nothing is exported.
    with suppress(OSError, AttributeError):
        libtiff = ctypes.CDLL(Pillow.core.__file__)
        libtiff.TIFFSetErrorHandler(None)
        libtiff.TIFFSetWarningHandler(None)


@lru_cache(maxsize=1)
def opencv() -> Any:
    """Import OpenCV, silenced."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
