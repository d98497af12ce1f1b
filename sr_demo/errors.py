"""Everything that can go wrong, as one tree.

::

    Exception
    ├── SRError              shown to the person as written: what happened, why, what to do
    │   ├── BadInput             a picture, option, file or argument outside the contract
    │   ├── WeightsUnavailable   a checkpoint that is missing, gated, offline or not what its sha256 says
    │   ├── OutOfMemory          even the smallest tile does not fit
    │   ├── CannotRunHere        a machine without the GPU or the memory that a method needs
    │   ├── MissingDependency    an optional package is absent (names the pip line)
    │   ├── StorageError         a folder that cannot be written, or a disk that is full
    │   ├── Busy                 too many wait already
    │   └── TookTooLong          the time that one job may take on this server is over
    └── Cancelled            the person pressed Stop: not an error

Anything else that reaches the top is a bug: it is logged with its traceback under a short reference, and the person is
shown the reference (`unexpected`). Foreign exceptions are translated by type, in one table per border.
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
    """Whether `exc` means that a disk is full or read-only: no bug, wherever it comes up."""
    return isinstance(exc, OSError) and exc.errno in _FULL


class SRError(Exception):
    """A sentence for the person: what happened, why, and what to do about it."""


class BadInput(SRError):  # noqa: N818 - read as a sentence: `raise BadInput("...")`
    """A picture, option, file or argument that is outside the contract. Names the value and the limit."""


class WeightsUnavailable(SRError):  # noqa: N818
    """A checkpoint could not be had. Names the file, the source and the reason."""


class OutOfMemory(SRError):  # noqa: N818
    """Even the smallest tile does not fit into memory, or the result is known not to."""

    def __init__(
        self,
        why: str = "This picture needs more memory than the machine has free. Choose a region, or a smaller picture.",
    ) -> None:
        super().__init__(why)


class CannotRunHere(SRError):  # noqa: N818
    """This machine lacks what a method needs. Names it, and what would run it."""


class MissingDependency(SRError):  # noqa: N818
    """An optional package is not installed. Names the command that installs it."""


class StorageError(SRError):
    """A folder cannot be written, or the disk is full."""


class Busy(SRError):  # noqa: N818
    """No place is left in the line. Names the expected wait."""


class TookTooLong(SRError):  # noqa: N818
    """The time limit of a job is over."""

    def __init__(self) -> None:
        super().__init__(
            "This took longer than one job may take on this server, so it was stopped; what is finished stays. Choose a "
            "smaller region, or a quicker method."
        )


class Cancelled(Exception):  # noqa: N818
    """The person pressed Stop. Not an error: what is finished stays."""


MOST_LISTED = 10
"""Sentences about files that are shown: whoever drops 5000 bad ones needs the kinds of trouble, not all of them."""


def first_few(sentences: Sequence[str]) -> list[str]:
    """The first `MOST_LISTED` of `sentences`, and how many more there are."""
    more = len(sentences) - MOST_LISTED
    return [*sentences[:MOST_LISTED], f"And {more:,} more."] if more > 0 else list(sentences)


def quoted(value: object, longest: int = 60) -> str:
    """`value` in quotes, to name it in a message: at most `longest` characters of it, however much was sent.

    Everything that repeats what a person or program sent goes through here.
    """
    try:
        text = str(value)
    except ValueError:  # Python refuses to write integers of thousands of digits
        text = "a very long number"
    return repr(text if len(text) <= longest else f"{text[: longest - 1]}…")


def unexpected(exc: BaseException, doing: str) -> str:
    """Log a bug with its traceback; return the sentence to show instead.

    `doing` completes "while …" and is for the log. The reference (four hex digits) links the two. A full disk and too
    little memory are no bugs, wherever they show.
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
        "The other results are not affected; the log of this server says more under that reference."
    )
