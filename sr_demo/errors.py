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

Anything else that reaches the top is a bug: it is logged with its traceback under a short reference, which the user is
shown (`unexpected`). Foreign exceptions are translated by type, in one table per border.
"""

from __future__ import annotations

import errno
import logging
import secrets
from collections.abc import Sequence

log = logging.getLogger("sr_demo")

DISK_REFUSES = "The server's disk is full or cannot be written. Please try again later."
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def is_disk_full(exc: BaseException) -> bool:
    """Return whether `exc` means that a disk is full or read-only, which is never a bug."""
    return isinstance(exc, OSError) and exc.errno in _FULL


class SRError(Exception):
    """An error whose text is shown to the user as written: what happened, why, and what to do."""


class BadInput(SRError):  # noqa: N818 - read as a sentence: `raise BadInput("...")`
    """A picture, option, file or argument that is outside the contract. Names the value and the limit."""


class WeightsUnavailable(SRError):  # noqa: N818
    """A checkpoint is not available. Names the file, the source and the reason."""


class OutOfMemory(SRError):  # noqa: N818
    """Not even the smallest tile fits into memory, or the result would not."""

    def __init__(
        self,
        why: str = "This picture needs more memory than the machine has free. Choose a region, or a smaller picture.",
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
            "smaller region, or a quicker method."
        )


class Cancelled(Exception):  # noqa: N818
    """The user pressed Stop. Not an error: finished results stay."""


MOST_LISTED = 10
"""Most messages about files that are shown at once: for thousands of bad files, a few examples suffice."""


def first_few(sentences: Sequence[str]) -> list[str]:
    """Return the first `MOST_LISTED` of `sentences`, and one with the number of the others."""
    more = len(sentences) - MOST_LISTED
    return [*sentences[:MOST_LISTED], f"And {more:,} more."] if more > 0 else list(sentences)


def quoted(value: object, longest: int = 60) -> str:
    """Return `value` in quotes, cut to `longest` characters, for a message.

    Every message that repeats input of a user or program uses this function.
    """
    try:
        text = str(value)
    except ValueError:  # Python refuses to write integers of thousands of digits
        text = "a very long number"
    return repr(text if len(text) <= longest else f"{text[: longest - 1]}…")


def unexpected(exc: BaseException, doing: str) -> str:
    """Log a bug with its traceback, and return the sentence to show instead. A full disk or memory counts as no bug.

    Args:
        exc: the exception.
        doing: completes "while …" in the log.

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
