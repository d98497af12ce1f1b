"""What the commands share: talking to a terminal, arguments that several take, places to write to."""

from __future__ import annotations

import argparse
import errno
import sys
from contextlib import suppress
from pathlib import Path

from sr_demo.errors import BadInput, StorageError, quoted
from sr_demo.progress import Progress


def complain(sentence: str) -> None:
    """One line on standard error, whatever line breaks a file name smuggles in."""
    print(f"sr_demo: {' '.join(sentence.split())}", file=sys.stderr)


def terminal(what: str) -> Progress:
    """A progress line on standard error when that is a terminal, else nothing."""
    if not sys.stderr.isatty():
        return Progress()

    def report(fraction: float, note: str) -> None:
        end = "\n" if fraction >= 1.0 else ""
        sys.stderr.write(f"\r\033[K{what}: {fraction:4.0%} {note}{end}")
        sys.stderr.flush()

    return Progress(report)


def add_set(command: argparse.ArgumentParser) -> None:
    """`--set NAME=VALUE`, read by `assignments`."""
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the approach; may be repeated"
    )


def add_precision(command: argparse.ArgumentParser) -> None:
    """`--precision`."""
    command.add_argument(
        "--precision", choices=("auto", "fp32", "bf16", "fp16", "int8"), default="auto",
        help="auto takes the fastest that this machine and the network allow; int8 is for convolutional networks on "
        "processors: made once for each, in up to a few minutes, refused where it loses more than 0.03 dB",
    )  # fmt: skip


def add_download(command: argparse.ArgumentParser) -> None:
    """`--download`: the agreement to a download of gigabytes."""
    command.add_argument(
        "--download", action="store_true",
        help="agree to a download of gigabytes, where the approach needs one (`list` tells how large)",
    )  # fmt: skip


def assignments(texts: list[str], flag: str = "--set") -> dict[str, object]:
    """NAME=VALUE texts as a dictionary. Raises BadInput."""
    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise BadInput(f"{flag} takes name=value, not {quoted(text)}.")
        found[name.strip()] = value
    return found


def folder(path: Path) -> Path:
    """`path`, made if it is not there. Raises StorageError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StorageError(f"The folder {path} cannot be made: {exc.strerror}. Choose another with --out.") from exc
    return path


def write_text(path: Path, text: str) -> None:
    """Write a small file. Raises StorageError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        with suppress(OSError):
            if path.is_file() and exc.errno in (errno.ENOSPC, errno.EDQUOT):
                path.unlink()  # half a report is none
        raise StorageError(f"{path} cannot be written: {exc.strerror}. Choose another place.") from exc
