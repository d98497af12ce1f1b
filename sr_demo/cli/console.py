"""Helpers that several commands share: output on a terminal, common arguments, output folders and files."""

from __future__ import annotations

import argparse
import errno
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from types import FrameType

from sr_demo.codecs.formats import Format, Output
from sr_demo.codecs.sniff import display_name, with_file_name
from sr_demo.errors import BadInput, StorageError, quoted
from sr_demo.progress import Progress
from sr_demo.system.outputs import unwritable


def print_error(sentence: str) -> None:
    """Print `sentence` as one line on standard error, even if a file name in it contains line breaks."""
    print(f"sr_demo: {' '.join(sentence.split())}", file=sys.stderr)


def print_file_error(path: Path, sentence: str) -> None:
    """Like `print_error`, but put the name of the file in front unless the sentence begins with it."""
    print_error(with_file_name(display_name(path.name), sentence))


def terminal(what: str) -> Progress:
    """Return a progress report that rewrites one line on standard error; silent if that is not a terminal."""
    if not sys.stderr.isatty():
        return Progress()

    def report(fraction: float, note: str) -> None:
        end = "\n" if fraction >= 1.0 else ""
        sys.stderr.write(f"\r\033[K{what}: {fraction:4.0%} {note}{end}")
        sys.stderr.flush()

    return Progress(report)


@contextmanager
def stoppable(*signals: signal.Signals) -> Generator[Event]:
    """Yield a flag that the first of `signals` sets; the second one does what it did before, such as ending the program.

    A signal that is ignored stays so: shells start jobs in the background without Ctrl-C.
    """
    handlers = {number: signal.getsignal(number) for number in signals}
    stop, before = Event(), {number: was for number, was in handlers.items() if was not in (signal.SIG_IGN, None)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def first(number: int, frame: FrameType | None) -> None:
        restore()
        stop.set()

    for number in before:
        signal.signal(number, first)
    try:
        yield stop
    finally:
        restore()


def add_set(command: argparse.ArgumentParser) -> None:
    """Add `--set NAME=VALUE`, whose values `assignments` reads."""
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the approach; may be repeated"
    )


def add_precision(command: argparse.ArgumentParser) -> None:
    """Add `--precision`."""
    command.add_argument(
        "--precision", choices=("auto", "fp32", "bf16", "fp16", "int8"), default="auto",
        help="auto takes the fastest that this machine and the network allow, int8 only where it costs next to nothing "
        "(at most 0.02 dB); int8 is for convolutional and attention networks on processors: most of ours come prepared, "
        "others are calibrated once, in up to a few minutes (needs nncf), refused where it loses more than 0.03 dB",
    )  # fmt: skip


def add_download(command: argparse.ArgumentParser) -> None:
    """Add `--download`, the consent to a large download."""
    command.add_argument(
        "--download", action="store_true",
        help="agree to a large download, where the approach needs one (`list` shows its size)",
    )  # fmt: skip


def add_output(command: argparse.ArgumentParser) -> None:
    """Add `--format`, `--quality`, `--bits` and `--strip-metadata`, which `output_of` reads."""
    command.add_argument(
        "--format", choices=("png", "jpeg", "webp", "avif", "tiff", "same"),
        help="of the results: png (default) and tiff lose no value; same is the format of each picture",
    )  # fmt: skip
    command.add_argument(
        "--quality", type=int, metavar="N",
        help="1 to 100, of jpeg (default 95), webp (90; 100 loses no value) and avif (90)",
    )  # fmt: skip
    command.add_argument(
        "--bits", type=int, choices=(8, 16), help="per channel, of png and tiff (default: as the picture)"
    )
    command.add_argument(
        "--strip-metadata", action="store_true",
        help="leave out EXIF, XMP and IPTC data, GPS position and serial numbers among them; otherwise all are carried",
    )  # fmt: skip


def output_of(args: argparse.Namespace, default: Format = "png") -> Output:
    """Return the selected output; its format is `default` without `--format`. Raises BadInput."""
    return Output(args.format or default, args.quality, args.bits, "none" if args.strip_metadata else "all")


def add_overwrite(command: argparse.ArgumentParser) -> None:
    """Add `--overwrite`; without it, the command replaces no files that it did not write."""
    command.add_argument("--overwrite", action="store_true", help="replace files that exist already")


def assignments(texts: list[str], flag: str = "--set") -> dict[str, object]:
    """Parse NAME=VALUE texts.

    Args:
        texts: As given on the command line.
        flag: The argument they were given with, for the error message.

    Returns:
        The values by name; if a name is given twice, its last value.

    Raises:
        BadInput: A text has no `=` or no name.
    """
    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise BadInput(f"{flag} takes name=value, not {quoted(text)}.")
        found[name.strip()] = value
    return found


def folder(path: Path) -> Path:
    """Create the folder `path` if it is missing, and return it. Raises StorageError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StorageError(f"The folder {path} cannot be made: {exc.strerror}. Choose another with --out.") from exc
    return path


def write_text(path: Path, text: str) -> None:
    """Write a small file. Invalid Unicode in it, which comes from file names, is escaped. Raises StorageError."""
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as exc:
        with suppress(OSError):
            if path.is_file() and exc.errno in (errno.ENOSPC, errno.EDQUOT):
                path.unlink()  # an incomplete report is useless
        raise unwritable(path, exc) from exc


def write_reports(*reports: tuple[Path | None, Callable[[], str]]) -> bool:
    """Write each report that has a path; print an error for those that cannot be written.

    Args:
        reports: The path and the text of each; None is skipped.

    Returns:
        Whether all were written.
    """
    written = True
    for path, text in reports:
        try:
            if path is not None:
                write_text(path, text())
        except StorageError as exc:
            print_error(str(exc))
            written = False
    return written
