"""Names of the files that a command writes; it never replaces files that it did not write.

Results named by the program get the next free number (`reserve_path`, `free_path`); files named by the user are refused if
they exist (`refuse_existing`, `new_files`), unless the user chooses to overwrite them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from sr_demo.errors import BadInput, StorageError, quoted

LONGEST = 255
"""Longest file name in bytes that all common file systems support."""

Identity = tuple[int, int]
"""Device and inode of a file, which do not depend on how its path is written."""


def truncated_name(stem: str, ending: str) -> str:
    """Return `stem` + `ending`, with the stem truncated at a whole character if the name would exceed `LONGEST` bytes."""
    encoded, room = os.fsencode(stem), LONGEST - len(os.fsencode(ending))
    if len(encoded) <= room:
        return stem + ending
    for _ in range(3):  # a character has at most 3 continuation bytes in UTF-8
        if encoded[room] & 0xC0 != 0x80:
            break
        room -= 1
    return os.fsdecode(encoded[:room]) + ending


def free_path(target: Path, is_taken: Callable[[Path], bool]) -> Path:
    """Return `target`, or the first of `name_2.png`, `name_3.png`, … that is not taken."""
    number, path = 1, target.with_name(truncated_name(target.stem, target.suffix))
    while is_taken(path):
        number += 1
        path = target.with_name(truncated_name(target.stem, f"_{number}{target.suffix}"))
    return path


def identities(paths: Iterable[Path]) -> set[Identity]:
    """Return the identities of the files that exist."""
    found: set[Identity] = set()
    for path in paths:
        with suppress(OSError, ValueError):
            status = path.stat()
            found.add((status.st_dev, status.st_ino))
    return found


@contextmanager
def reserve_path(target: Path, kept: Collection[Identity] = (), *, overwrite: bool = False) -> Generator[Path]:
    """Reserve a name for a result that is written in the block: `target`, or a numbered name if that is taken.

    An empty file reserves the name, so that other running programs choose other names. It is removed if the block fails.

    Args:
        target: The preferred path; its folder must exist.
        kept: Files that are never replaced, such as the inputs.
        overwrite: Whether other files may be replaced.

    Raises:
        StorageError: The folder cannot be written.
    """

    def is_taken(path: Path) -> bool:
        if overwrite and path.is_file() and not identities([path]) & set(kept):
            return False
        return not _create(path)

    try:
        path = free_path(target, is_taken)
    except OSError as exc:
        raise StorageError(
            f"{target} cannot be written: {exc.strerror or exc}. Choose another folder, or make room there."
        ) from exc
    try:
        yield path
    except BaseException:
        _remove_empty(path)
        raise


def refuse_other_suffix(out: Path, suffix: str) -> None:
    """Raise BadInput unless `out`, the value of `--out`, ends in `suffix`."""
    if out.suffix != suffix:
        raise BadInput(f"--out must name a {suffix} file, not {quoted(out.name)}.")


def refuse_existing(paths: Iterable[Path], *, overwrite: bool, advice: str = "Choose another name") -> None:
    """Raise BadInput, which names the first of `paths` that exists, unless `overwrite`. Devices and pipes are allowed.

    Args:
        paths: Files that the user named, or files beside them.
        overwrite: Whether the user agreed to replace them.
        advice: Alternative to overwriting, for the message.
    """
    for path in paths:
        if not overwrite and (path.is_file() or path.is_symlink()) and not _is_special(path):
            raise BadInput(f"{path} exists already. {advice}, or add --overwrite to replace it.")


def refuse_equal(*paths: Path | None) -> None:
    """Raise BadInput if two of the files that the user named are the same. Devices and pipes are allowed."""
    seen: set[str] = set()
    for path in filter(None, paths):
        name = os.path.realpath(path)
        if name in seen and not _is_special(path):
            raise BadInput(f"{path} is named for two files. Choose another name for one of them.")
        seen.add(name)


@contextmanager
def new_files(*paths: Path | None, overwrite: bool = False) -> Generator[None]:
    """Reserve the files that the block will write, so that errors are raised before the work.

    Files that are still empty after the block are removed.

    Args:
        paths: The files; None is skipped.
        overwrite: Whether existing files may be replaced; their content is kept until then.

    Raises:
        BadInput: One of the files exists, or two of them are the same.
        StorageError: One of the files cannot be written.
    """
    refuse_equal(*paths)
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
    """Return the error for a file at `path` that could not be written because of `exc`."""
    return StorageError(f"{path} cannot be written: {exc.strerror or exc}. Choose another place.")


def _create(path: Path) -> bool:
    """Create an empty file; return False if the name is taken. Raises OSError."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    return True


def _is_special(path: Path) -> bool:
    """Return whether `path` is a device or a pipe, such as /dev/stdout."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _remove_empty(path: Path) -> None:
    with suppress(OSError):
        if path.is_file() and not path.stat().st_size:
            path.unlink()
