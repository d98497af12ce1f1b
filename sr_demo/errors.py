"""The tree of errors, and the wording of unexpected ones.

::

    Exception
    ├── SRError              shown to the user as written: what happened, why, what to do
    │   ├── BadInput             a picture, option, file or argument outside the contract
    │   ├── WeightsUnavailable   a checkpoint that is missing, gated, offline or not what its sha256 says
    │   ├── OutOfMemory          even the smallest tile does not fit
    │   ├── CannotRunHere        hardware without the GPU or the memory that a method needs
    │   ├── MissingDependency    an optional package is absent (names the pip line)
    │   ├── StorageError         a folder that cannot be written, or a disk that is full
    │   ├── Busy                 too many wait already
    │   └── TookTooLong          a job exceeds the time limit of this server
    └── Cancelled            the user pressed Stop: not an error

Anything else that reaches the top is a bug. It is logged with its traceback under a short reference, which is shown to the
user (`log_unexpected`). Foreign exceptions are translated by type, in one table per interface to a library.
"""

from __future__ import annotations

import errno
import logging
import secrets
from collections.abc import Sequence

log = logging.getLogger("sr_demo")

DISK_REFUSES = "The server's disk is full or cannot be written. Please try again later."
NOT_NUMBERS = (
    "The network produced values that are not numbers. Choose fp32 if it ran in another precision, or another method."
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def is_disk_full(exc: BaseException) -> bool:
    """Return whether `exc` means that a disk is full or read-only, which is never a bug."""
    return isinstance(exc, OSError) and exc.errno in _FULL


class SRError(Exception):
    """An error whose text is shown to the user as written: what happened, why, and what to do."""


class BadInput(SRError):  # noqa: N818 - read as a sentence: `raise BadInput("...")`
    """An image, option, file or argument is outside the contract. Names the value and the limit."""


class WeightsUnavailable(SRError):  # noqa: N818
    """A checkpoint is not available. Names the file, the source and the reason."""


class OutOfMemory(SRError):  # noqa: N818
    """Even the smallest tile does not fit into memory, or the result does not."""

    def __init__(
        self,
        why: str = "This picture needs more memory than is free. Choose a part of it, or a smaller picture.",
    ) -> None:
        super().__init__(why)


class CannotRunHere(SRError):  # noqa: N818
    """The hardware here lacks what a method needs. Names what is missing."""


class MissingDependency(SRError):  # noqa: N818
    """An optional package is not installed. Names the command that installs it."""


class StorageError(SRError):
    """A folder cannot be written, or the disk is full."""


class Busy(SRError):  # noqa: N818
    """The queue is full. Names the expected wait."""


class TookTooLong(SRError):  # noqa: N818
    """A job exceeds the time limit of this server."""

    def __init__(self) -> None:
        super().__init__(
            "This took longer than one job may take on this server, so it was stopped; what is finished stays. Choose a "
            "smaller part, or a quicker method."
        )


class Cancelled(Exception):  # noqa: N818
    """The user pressed Stop. Not an error: finished results stay."""


MOST_LISTED = 10
"""Largest number of messages about files that are shown at once; a few examples suffice for thousands of bad files."""


def first_few(sentences: Sequence[str]) -> list[str]:
    """Return the first `MOST_LISTED` sentences, followed by one with the number of the others, if any."""
    more = len(sentences) - MOST_LISTED
    return [*sentences[:MOST_LISTED], f"And {more:,} more."] if more > 0 else list(sentences)


def quoted(value: object, longest: int = 60) -> str:
    """Return `value` in quotes, truncated to `longest` characters, for a message.

    Every message that repeats input of a user or program uses this function.
    """
    try:
        text = str(value)
    except ValueError:  # Python refuses to format integers with thousands of digits
        text = "a very long number"
    return repr(text if len(text) <= longest else f"{text[: longest - 1]}…")


def log_unexpected(exc: BaseException, doing: str) -> str:
    """Log a bug with its traceback, and return the sentence to show instead. A full disk or memory is not a bug.

    Args:
        exc: The exception.
        doing: What was done, as the end of a sentence "while …" in the log.

    Returns:
        A sentence with a reference of four hex digits, which is in the log too.
    """
    if is_disk_full(exc):
        log.error("the disk is full or read-only, while %s: %s", doing, exc)
        return DISK_REFUSES
    if isinstance(exc, MemoryError):
        log.warning("out of memory while %s", doing)
        return str(OutOfMemory())
    reference = secrets.token_hex(2)
    log.error("unexpected error, reference %s, while %s", reference, doing, exc_info=exc)
    return (
        f"Something went wrong that should not have (unexpected error, reference {reference}). "
        "The other results are not affected; the log of this server has more under that reference."
    )
