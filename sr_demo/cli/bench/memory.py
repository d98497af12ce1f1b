"""`python -m sr_demo bench memory`: the memory that large images take, beyond the idle process.

Each step runs in a fresh process through the function of the command line or the page: first on a tiny image, so that
everything is loaded, then on the large one. Linux only.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import numpy as np

from sr_demo.benchmarks.fresh_process import bench_in_subprocess
from sr_demo.benchmarks.large_images import KINDS, write_large
from sr_demo.errors import CannotRunHere, SRError
from sr_demo.image import ImageData, readonly, write_png
from sr_demo.system import memory

if TYPE_CHECKING:
    from sr_demo.ui.method_choices import PageContext

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Step:
    """One image and the work to measure on it."""

    name: str
    height: int
    width: int
    approaches: tuple[str, ...]
    where: str = "command line"
    """A key of `_WORK`."""
    kind: str = "png"
    """A key of `large_images.KINDS`."""


_THREE = ("bicubic", "lanczos", "espcn")
STEPS = (
    Step("9 MP RGB, bicubic", 3000, 3000, ("bicubic",)),
    Step("9 MP RGB, espcn", 3000, 3000, ("espcn",)),
    Step("4 MP RGBA, bicubic", 2000, 2000, ("bicubic",), kind="rgba"),
    Step("16 MP TIFF of 16 bit, bicubic", 4000, 4000, ("bicubic",), kind="tiff16"),
    *(
        Step(f"1.2 MP RGB, {name}", 1100, 1100, (name,))
        for name in ("edsr", "real-esrgan", "rdn", "srresnet", "liif", "mosaic")
    ),
    Step("0.2 MP RGB, hat", 448, 448, ("hat",)),
    Step("9 MP RGB, page, three methods", 3000, 3000, _THREE, "page"),
    Step("9 MP RGB, page, with reference", 3000, 3000, _THREE, "page with reference"),
    Step("9 MP RGB, API, upscale", 3000, 3000, ("espcn",), "API upscale"),
    Step("9 MP RGB, API, compare", 3000, 3000, _THREE, "API compare"),
    Step("9 MP RGB, API, compare with reference", 3000, 3000, _THREE, "API compare with reference"),
    Step("9 MP RGB, batch", 3000, 3000, ("espcn",), "batch"),
    Step("9 MP RGB, evaluate", 3000, 3000, ("bicubic", "espcn"), "evaluate"),
    *(
        Step(f"{kind.megapixels} MP {kind.title}, opened on the page", kind.height, kind.width, (), "opened", name)
        for name, kind in KINDS.items()
    ),
    Step("100 MP gray, page, with reference", 9999, 9999, ("bicubic", "lanczos"), "page with reference", "gray"),
    Step("100 MP RGB, API, compare with reference", 9999, 9999, ("bicubic",), "API compare with reference"),
    Step("100 MP RGB, evaluate", 9999, 9999, ("bicubic",), "evaluate"),
    Step("100 MP gray, bicubic", 9999, 9999, ("bicubic",), kind="gray"),
    Step("100 MP RGB, API, upscale", 9999, 9999, ("bicubic",), "API upscale"),
    Step("100 MP RGBA of 16 bit, batch", 9999, 9999, ("bicubic",), "batch", "rgba16"),
)


@dataclass(frozen=True)
class Peak:
    """Memory of a step beyond the idle process, in MB (10^6 bytes)."""

    resident: float
    """Peak resident set (VmHWM), mapped files included."""
    anonymous: float
    """Peak of anonymous memory, which the system cannot write back to a file; sampled every 20 ms."""
    idle: float
    """Resident set of the idle process."""
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("steps", nargs="*", metavar="WORD", help="only steps whose name contains one of these words")
    parser.add_argument("--child", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Measure and print each step. `--child` measures one in this process and prints JSON."""
    if sys.platform != "linux":
        raise CannotRunHere("The memory of a process is read from /proc, which only Linux has.")
    if args.child is not None:
        file, folder, approaches, where = json.loads(args.child)
        print(json.dumps(asdict(_child(Path(file), Path(folder), approaches, where))))
        return 0
    for step in STEPS:
        if args.steps and not any(word in step.name for word in args.steps):
            continue
        with tempfile.TemporaryDirectory(prefix="sr_demo-memory-") as folder:
            try:
                peak = measured(step, Path(folder))
            except SRError as exc:
                print(f"{step.name:<44}{exc}", flush=True)
                continue
        print(
            f"{step.name:<44}{peak.resident:6.0f} MB over idle ({peak.idle:.0f} MB), "
            f"{peak.anonymous:6.0f} MB of it not in files, {peak.seconds:6.1f} s",
            flush=True,
        )
    return 0


def measured(step: Step, folder: Path) -> Peak:
    """Run a step in a separate process, with its files in `folder`. Raises SRError when it fails."""
    file = folder / f"large.{KINDS[step.kind].suffix}"
    write_large(step.kind, step.height, step.width, file)
    child = json.dumps([str(file), str(folder), step.approaches, step.where])
    return Peak(**bench_in_subprocess(step.name, ["memory", "--child", child]))


def _child(file: Path, folder: Path, approaches: Sequence[str], where: str) -> Peak:
    work = _WORK[where](approaches, folder)
    tiny = folder / "tiny.png"
    write_png(ImageData(readonly(np.full((64, 64, 3), 0.5, np.float32))), tiny)
    work(tiny)
    memory.release()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak of the resident set
    idle, idle_anonymous = _status("VmRSS"), _status("RssAnon")
    highest, done = 0, Event()

    def sample() -> None:
        nonlocal highest
        while not done.wait(0.02):
            highest = max(highest, _status("RssAnon"))

    sampler = Thread(target=sample, daemon=True)
    sampler.start()
    begun = time.perf_counter()
    work(file)
    seconds = time.perf_counter() - begun
    done.set()
    sampler.join()
    return Peak((_status("VmHWM") - idle) / 1e6, (highest - idle_anonymous) / 1e6, idle / 1e6, seconds)


def _on_command_line(approaches: Sequence[str], folder: Path) -> Callable[[Path], None]:
    def work(file: Path) -> None:
        for approach in approaches:
            _run("upscale", file, "--approach", approach, "--out", folder / "out")

    return work


def _in_batch(approaches: Sequence[str], folder: Path) -> Callable[[Path], None]:
    def work(file: Path) -> None:
        alone = _alone(file)
        _run("batch", alone, "--approach", approaches[0], "--out", alone.with_name(f"out {alone.name}"))

    return work


def _in_evaluation(approaches: Sequence[str], folder: Path) -> Callable[[Path], None]:
    def work(file: Path) -> None:
        _run("evaluate", "--hr", _alone(file), *(part for name in approaches for part in ("--approach", name)))

    return work


def _run(*arguments: object) -> None:
    from sr_demo.cli.main import main

    with redirect_stdout(sys.stderr):
        if main([str(argument) for argument in arguments]):
            raise SRError(f"`{arguments[0]}` failed")


def _alone(file: Path) -> Path:
    """Return a folder that contains only `file`."""
    folder = file.with_name(f"folder of {file.stem}")
    folder.mkdir()
    (folder / file.name).hardlink_to(file)
    return folder


def _on_page(approaches: Sequence[str], *, reference_known: bool) -> Callable[[Path], None]:
    from sr_demo.image import read
    from sr_demo.inference.jobs import job_for
    from sr_demo.ui.callers import Caller
    from sr_demo.ui.compare.comparison import Task, compare
    from sr_demo.ui.fair_queue import FairQueue, Visitor

    context = _context()
    jobs = [job_for(context.approaches, name) for name in approaches]

    def work(file: Path) -> None:
        caller = Caller(FairQueue(1), Visitor("benchmark", "benchmark"), Event(), 0)
        task = Task(lambda: read(file), jobs, reference_known)
        *_, view = compare(context.runner, context.store, task, caller)
        if view.failures:
            raise SRError(f"failed: {view.failures}")

    return work


def _opened(approaches: Sequence[str], folder: Path) -> Callable[[Path], None]:
    """Return work that opens a file like an upload on the page: decoded, and shown in the box."""
    from sr_demo.ui import source

    context = _context()

    def work(file: Path) -> None:
        with context.uploads.opened(file, context.limits) as image:
            source.write_preview(source.source_of(str(file), image), image, context.store.new())

    return work


def _by_api(approaches: Sequence[str], *, compares: bool, reference_known: bool = False) -> Callable[[Path], None]:
    from sr_demo.ui.api import Endpoints

    endpoints = Endpoints(_context())

    def work(file: Path) -> None:
        if compares:
            _, report = endpoints.compare(str(file), list(approaches), reference_known)
            if report["failures"]:
                raise SRError(f"failed: {report['failures']}")
        else:
            endpoints.upscale(str(file), approaches[0])

    return work


def _context() -> PageContext:
    from sr_demo.catalogue import APPROACHES
    from sr_demo.image import Limits
    from sr_demo.inference.runner import Runner
    from sr_demo.ui.method_choices import PageContext
    from sr_demo.ui.stops import Stops
    from sr_demo.ui.store import Store

    return PageContext(APPROACHES, Runner(), Store(), Stops(), Limits())


_WORK: dict[str, Callable[[Sequence[str], Path], Callable[[Path], None]]] = {
    "command line": _on_command_line,
    "batch": _in_batch,
    "evaluate": _in_evaluation,
    "page": lambda names, _: _on_page(names, reference_known=False),
    "page with reference": lambda names, _: _on_page(names, reference_known=True),
    "opened": _opened,
    "API upscale": lambda names, _: _by_api(names, compares=False),
    "API compare": lambda names, _: _by_api(names, compares=True),
    "API compare with reference": lambda names, _: _by_api(names, compares=True, reference_known=True),
}


def _status(key: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key + ":"))
    return int(line.split()[1]) * 1024
