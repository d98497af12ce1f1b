"""The image libraries: what they raise, and their messages, kept off standard error, where only our sentence belongs.

tifffile logs, Pillow warns, OpenCV and Pillow's libtiff write to standard error from C. What they say about a file that
cannot be read stands in our log through the exception.
"""

from __future__ import annotations

import ctypes
import logging
import struct
import warnings
import zlib
from contextlib import suppress
from functools import lru_cache
from typing import Any

from PIL import Image as Pillow

TROUBLE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, RuntimeError, AttributeError,
    MemoryError, AssertionError, Warning, struct.error, zlib.error, Pillow.DecompressionBombError,
)  # fmt: skip
"""What the decoders are known to raise on bytes they do not expect."""


def silence() -> None:
    """Silence tifffile and Pillow. For the whole process: neither handlers nor filters can be set for one thread."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # Found among the libraries that Pillow's own is linked to; where libtiff is a part of it, nothing is exported.
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
