"""Recovery from kills, from full disks and of two servers on the same folders (`python -m sr_demo bench kills`).

Each step starts real servers on one cache and one temporary folder, kills one with SIGKILL at the worst moment, and starts
the next one, which must serve the page, give the right results for `bicubic` and `espcn`, and remove all files of the killed
server. Small and read-only disks are mounted if this user may mount.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import httpx2
import numpy as np

from sr_demo.backends.selection import synthetic_image
from sr_demo.benchmarks.memory_limit import limited_group, withstands
from sr_demo.benchmarks.server import Server, Visitor, start
from sr_demo.catalogue import APPROACHES
from sr_demo.errors import SRError
from sr_demo.image import ImageData, encode_png, read
from sr_demo.inference.jobs import job_for
from sr_demo.inference.runner import Runner
from sr_demo.system import scratch

_METHODS = ("bicubic", "espcn")
_MIN_PSNR = 40.0
"""Lowest PSNR in dB for a right result, since the network may compute in bf16 in the server and in fp32 here."""
_RESULT = "sr_demo_results_*/results/*/*.png"
_MOMENT_SECONDS = 240.0
"""Longest wait for the moment of the kill."""


class Skipped(Exception):  # noqa: N818 - no error
    """A step that cannot run here; the message is the reason."""


@dataclass(frozen=True)
class Place:
    """The folder in which the servers of one step keep their files."""

    folder: Path

    @property
    def cache(self) -> Path:
        """Their common cache folder."""
        return self.folder / "cache"

    @property
    def temporary(self) -> Path:
        """Their common folder for temporary files."""
        return self.folder / "tmp"

    def start(self, group: Path | None = None, **settings: str) -> Server:
        """Start a server, in a cgroup if one is given, and wait until it serves; `settings` are environment variables."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        return start(self.cache, self.temporary, self.folder / "log", settings, group)

    def left(self) -> list[str]:
        """Return the temporary folders and unfinished files that exist now."""
        temporary = [path.name for path in self.temporary.glob("sr_demo*")]
        unfinished = [str(path.relative_to(self.cache)) for path in scratch.unfinished(self.cache)]
        return sorted(temporary + unfinished)


def check(server: Server) -> None:
    """Check that the page is served and both methods give the right results. Raises SRError."""
    image = ImageData(synthetic_image(64))
    with Visitor(server.url) as visitor:
        visitor.page()
        for method in _METHODS:
            file, _ = visitor.call("upscale", visitor.upload("known.png", encode_png(image)), method, {})
            with tempfile.TemporaryDirectory(prefix="sr_demo-kills-") as folder:
                target = Path(folder) / "result.png"
                target.write_bytes(visitor.fetch(file))
                given = read(target).rgb
            expected = Runner().run(job_for(APPROACHES, method), image).image.rgb
            error = float(np.mean((given.astype(np.float64) - expected) ** 2))
            if error > 10 ** (-_MIN_PSNR / 10):
                raise SRError(f"{method} gives a wrong result: {-10 * np.log10(error):.1f} dB")


def during_a_run(place: Place) -> None:
    """Killed while a method runs."""
    _killed(place, lambda server: _later(server, "hat", 192), lambda: any(place.temporary.glob(_RESULT)))


def during_a_conversion(place: Place) -> None:
    """Killed while a network is converted."""
    _killed(place, _nothing, lambda: any(place.cache.glob("engines/.part-*")))  # words: ok


def during_a_download(place: Place) -> None:
    """Killed while a checkpoint is downloaded, from a host that stalls."""
    with _stalling_host() as address:
        part = "weights/*/.part-*"

        def ask(server: Server) -> None:
            _later(server, "real-esrgan:general-x4v3", 64)

        _killed(place, ask, lambda: any(place.cache.glob(part)), HF_ENDPOINT=address, HF_HUB_OFFLINE="0")


def during_a_memory_build(place: Place) -> None:
    """Killed while a patch database is built."""
    _killed(place, lambda server: _later(server, "mosaic", 64), lambda: any(place.cache.glob("memories/.building-*")))


def two_servers(place: Place) -> None:
    """Two servers on one cache and one temporary folder: a kill of one leaves the other's results alone."""
    first, second = place.start(), place.start()
    try:
        check(first)
        check(second)
        second.kill()
        third = place.start()
        try:
            check(third)
            _wait(lambda: len(place.left()) == 2, "the killed server's folder to be swept")
            check(first)
        finally:
            third.end()
    finally:
        first.end()
        second.kill()
    _expect_nothing(place)


def full_temporary_folder(place: Place) -> None:
    """No room for uploads and results: they are refused with a sentence, and afterwards all works again."""
    with _mounted(place.temporary, "size=20m"):
        server = place.start()
        try:
            with Visitor(server.url) as visitor:
                uploaded = visitor.upload("known.png", encode_png(ImageData(synthetic_image(64))))
                filler = place.temporary / "filler"
                _fill(filler)
                _refused(lambda: visitor.upload("noise.png", bytes(2**20)), "disk is full", not_in="status 500")
                _refused(lambda: visitor.call("upscale", uploaded, "bicubic", {}), "No space left on device")
                filler.unlink()
            check(server)
        finally:
            server.end()
        _expect_nothing(place)


def tiny_cache(place: Place) -> None:
    """A cache without room: the page runs without it."""
    with _mounted(place.cache, "size=64k"):
        _runs(place)


def read_only_cache(place: Place) -> None:
    """A cache that cannot be written: the page runs without it."""
    with _mounted(place.cache, "ro"):
        _runs(place)


def little_memory(place: Place) -> None:
    """A memory limit of 2 GB: images that do not fit get a sentence, six of 100 MP at once are opened, the server lives."""
    try:
        with limited_group() as group:
            server = place.start(group)
            try:
                withstands(server, place.folder)
                check(server)
            finally:
                server.end()
    except OSError as exc:
        raise Skipped(f"this user may not limit memory: {exc.strerror or exc}") from exc


def _runs(place: Place) -> None:
    server = place.start()
    try:
        with Visitor(server.url) as visitor:
            visitor.page()
        check(server)
    finally:
        server.end()
    printed = server.log.read_text(encoding="utf-8", errors="replace")
    if "Traceback" in printed:
        raise SRError(f"a traceback in the log: {printed[printed.index('Traceback') :][-300:]}")
    if "nothing new is kept between runs" not in printed:
        raise SRError("the log does not say that nothing can be kept")


STEPS: tuple[Callable[[Place], None], ...] = (
    during_a_run, during_a_conversion, during_a_download, during_a_memory_build, two_servers, full_temporary_folder,
    tiny_cache, read_only_cache, little_memory,
)  # fmt: skip


def _killed(place: Place, ask: Callable[[Server], None], moment: Callable[[], bool], **settings: str) -> None:
    """Kill a server at the worst moment and check the next one on the same folders.

    Args:
        place: The folders.
        ask: Makes the server do what is to be interrupted.
        moment: Whether the moment of the kill has come.
        settings: Environment variables of the first server.
    """
    server = place.start(None, **settings)
    try:
        ask(server)
        _wait(moment, "the moment of the kill", pause=0.002)
    finally:
        server.kill()
    if not place.left():
        raise SRError("the kill left nothing: it came too early or too late")
    server = place.start(HF_HUB_OFFLINE="1")
    try:
        check(server)
        _wait(lambda: len(place.left()) == 1, "what the dead server left to be swept")
    finally:
        server.end()
    _expect_nothing(place)


def _expect_nothing(place: Place) -> None:
    if left := place.left():
        raise SRError(f"left over: {', '.join(left)}")


def _nothing(_: Server) -> None:
    """Request nothing: the warm-up converts networks by itself."""


def _later(server: Server, method: str, side: int) -> None:
    """Request a result without waiting for it."""

    def ask() -> None:
        with suppress(SRError, httpx2.HTTPError), Visitor(server.url) as visitor:
            uploaded = visitor.upload("known.png", encode_png(ImageData(synthetic_image(side))))
            visitor.call("compare", uploaded, ["bicubic", method], False)

    Thread(target=ask, daemon=True).start()


def _wait(moment: Callable[[], bool], what: str, pause: float = 0.1) -> None:
    until = time.monotonic() + _MOMENT_SECONDS
    while not moment():
        if time.monotonic() > until:
            raise SRError(f"waited {_MOMENT_SECONDS:.0f} s for {what}")
        time.sleep(pause)


def _refused(ask: Callable[[], object], sentence: str, not_in: str = "Traceback") -> None:
    try:
        ask()
    except SRError as exc:
        if sentence not in str(exc) or not_in in str(exc):
            raise SRError(f"not the sentence that was expected: {exc}") from exc
        return
    raise SRError("there was room after all")


def _fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@contextmanager
def _stalling_host() -> Generator[str]:
    """Yield the address of a host that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def _mounted(folder: Path, options: str) -> Generator[None]:
    """Mount a small disk at `folder`. Raises Skipped if this user may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.which("mount") is None:
        raise Skipped("no program `mount` here")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise Skipped(f"this user may not mount a disk: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def results(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Run the steps in `names`, or all if it is empty.

    Yields:
        The first line of each step's description, and "passed", "skipped: REASON" or "failed: REASON".
    """
    for step in STEPS:
        if names and step.__name__ not in names:
            continue
        title = (step.__doc__ or step.__name__).splitlines()[0]
        with tempfile.TemporaryDirectory(prefix="sr_demo-kills-") as folder:
            try:
                step(Place(Path(folder)))
                yield title, "passed"
            except Skipped as exc:
                yield title, f"skipped: {exc}"
            except Exception as exc:  # a step that breaks has failed; the others continue
                yield title, f"failed: {exc!r}"
