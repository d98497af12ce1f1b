"""A server in a cgroup with little memory, and images that do not fit (a step of `bench kills`)."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sr_demo.benchmarks.large_images import write_large
from sr_demo.benchmarks.server import Server, Visitor
from sr_demo.errors import SRError

LIMIT = 2 * 10**9
_GROUPS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)
"""Folders and limit files of cgroups, versions 1 and 2."""
_AT_ONCE = 6


@contextmanager
def limited_group() -> Generator[Path]:
    """Create a cgroup with a limit of `LIMIT` bytes. Raises OSError if this user may not create one."""
    top, name = next(((top, name) for top, name in _GROUPS if (top / "cgroup.procs").exists()), _GROUPS[-1])
    group = Path(tempfile.mkdtemp(prefix="sr_demo-limit-", dir=top))
    try:
        (group / name).write_text(str(LIMIT))
        yield group
    finally:
        group.rmdir()


def withstands(server: Server, folder: Path) -> None:
    """Send images that fit into memory and images that do not.

    Args:
        server: A server in a cgroup with a limit.
        folder: Folder for the images.

    Raises:
        SRError: The server refused an image without a sentence, or it ended.
    """
    small, large, deep = (folder / f"{name}.png" for name in ("small", "large", "deep"))
    write_large("png", 3000, 3000, small)
    write_large("png", 9999, 9999, large)
    write_large("rgba16", 9999, 9999, deep)
    with Visitor(server.url) as visitor:
        try:
            visitor.call("upscale", visitor.upload("deep.png", deep.read_bytes()), "bicubic", {})
            raise SRError("100 megapixels of 16 bit with alpha fitted into the limit")
        except SRError as exc:
            if "crop it to at most" not in str(exc):
                raise
        visitor.call("upscale", visitor.upload("small.png", small.read_bytes()), "espcn", {})
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(_open, [server] * _AT_ONCE, [large] * _AT_ONCE))
    if server.process.poll() is not None:
        raise SRError(f"the server ended: status {server.process.returncode}")


def _open(server: Server, file: Path) -> None:
    """Open a large image on the page; the server may respond that it does not fit."""
    with Visitor(server.url) as visitor:
        visitor.page()
        visitor.event("take", photo=visitor.upload(file.name, file.read_bytes()), methods=["bicubic"])
