"""Names for the files that a command writes: no file is replaced that the command did not make.

Results named by the program get the next free number (`reserved`, `numbered`); files named by the user are refused where they
exist (`refuse_existing`, `new_files`), unless the user asks to overwrite.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from sr_demo.errors import BadInput, StorageError

LONGEST = 255
"""Bytes of a file name that every common file system takes."""

Identity = tuple[int, int]
"""Device and inode of a file: the same however its path is written."""


def fitting(stem: str, ending: str) -> str:
    """Return `stem` + `ending`, the stem cut where the name would exceed `LONGEST` bytes; no character is cut in half."""
    encoded, room = os.fsencode(stem), LONGEST - len(os.fsencode(ending))
    if len(encoded) <= room:
        return stem + ending
    for _ in range(3):  # the most bytes that may follow the first one of a character in UTF-8
        if encoded[room] & 0xC0 != 0x80:
            break
        room -= 1
    return os.fsdecode(encoded[:room]) + ending


def numbered(target: Path, is_taken: Callable[[Path], bool]) -> Path:
    """Return `target`, or the first of `name_2.png`, `name_3.png`, … that is not taken."""
    number, path = 1, target.with_name(fitting(target.stem, target.suffix))
    while is_taken(path):
        number += 1
        path = target.with_name(fitting(target.stem, f"_{number}{target.suffix}"))
    return path


def identities(paths: Iterable[Path]) -> set[Identity]:
    """Return the identities of those files that exist."""
    found: set[Identity] = set()
    for path in paths:
        with suppress(OSError, ValueError):
            status = path.stat()
            found.add((status.st_dev, status.st_ino))
    return found


@contextmanager
def reserved(target: Path, kept: Collection[Identity] = (), *, overwrite: bool = False) -> Generator[Path]:
    """Reserve a name for a result that is written in the block: `target`, or a numbered one where a file has that name.

    An empty file holds the name meanwhile, so that programs that run at the same time choose others. It is removed when the
    block fails.

    Args:
        target: the wanted path; its folder must exist.
        kept: files that are never replaced, such as the inputs.
        overwrite: whether other files may be replaced.

    Raises:
        StorageError: when the folder cannot be written.
    """

    def is_taken(path: Path) -> bool:
        if overwrite and path.is_file() and not identities([path]) & set(kept):
            return False
        return not _create(path)

    try:
        path = numbered(target, is_taken)
    except OSError as exc:
        raise StorageError(
            f"{target} cannot be written: {exc.strerror or exc}. Choose another folder, or make room there."
        ) from exc
    try:
        yield path
    except BaseException:
        _remove_empty(path)
        raise


def refuse_existing(paths: Iterable[Path], *, overwrite: bool, advice: str = "Choose another name") -> None:
    """Raise BadInput, naming the first of `paths` that exists, unless `overwrite`. Devices and pipes are never refused.

    Args:
        paths: files that the user named, or that lie beside such a file.
        overwrite: whether the user agreed to replace them.
        advice: what to do instead of overwriting.
    """
    for path in paths:
        if not overwrite and (path.is_file() or path.is_symlink()) and not _is_special(path):
            raise BadInput(f"{path} exists already. {advice}, or add --overwrite to replace it.")


@contextmanager
def new_files(*paths: Path | None, overwrite: bool = False) -> Generator[None]:
    """Reserve the files that the block will write, so that what cannot be written is found out before the work.

    Files that are still empty after the block are removed.

    Args:
        paths: the files; None is skipped.
        overwrite: whether existing files may be replaced; their content stays until then.

    Raises:
        BadInput: when one exists.
        StorageError: when one cannot be written.
    """
    made: list[Path] = []
    try:
        for path in filter(None, paths):
            try:
                if _create(path):
                    made.append(path)
                    continue
                refuse_existing([path], overwrite=overwrite)
                if not _is_special(path):
                    path.open("ab").close()
            except OSError as exc:
                raise unwritable(path, exc) from exc
        yield
    finally:
        for path in made:
            _remove_empty(path)


def unwritable(path: Path, exc: OSError) -> StorageError:
    """Return the error for a file at `path` that the disk refused with `exc`."""
    return StorageError(f"{path} cannot be written: {exc.strerror or exc}. Choose another place.")


def _create(path: Path) -> bool:
    """Create an empty file; return False where something has that name. Raises OSError."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    return True


def _is_special(path: Path) -> bool:
    """Whether `path` is a device or a pipe, such as /dev/stdout."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _remove_empty(path: Path) -> None:
    with suppress(OSError):
        if path.is_file() and not path.stat().st_size:
            path.unlink()
