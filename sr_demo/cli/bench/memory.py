"""`python -m sr_demo bench memory`: how much memory large images take, beyond the idle process.

Each step runs in a fresh process, through the command line's or the page's own function: first on a tiny image, so that all
is loaded, then on the large one. Linux only.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread

import numpy as np

from sr_demo.benchmarks.fresh_process import measured_alone
from sr_demo.errors import CannotRunHere, SRError
from sr_demo.image import ImageData, readonly, write_png
from sr_demo.system import memory
from sr_demo.system.large_array import bands, zeros

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Step:
    """One image and what is done with it."""

    name: str
    height: int
    width: int
    approaches: tuple[str, ...]
    where: str = "command line"
    """"command line", "page" or "page with reference"."""
    kind: str = "rgb"
    """"rgb", "gray", "rgba" or "tiff16"."""


STEPS = (
    Step("9 MP RGB, bicubic", 3000, 3000, ("bicubic",)),
    Step("9 MP RGB, espcn", 3000, 3000, ("espcn",)),
    Step("4 MP RGBA, bicubic", 2000, 2000, ("bicubic",), kind="rgba"),
    Step("16 MP TIFF of 16 bit, bicubic", 4000, 4000, ("bicubic",), kind="tiff16"),
    Step("9 MP RGB, page, three methods", 3000, 3000, ("bicubic", "lanczos", "espcn"), "page"),
    Step("9 MP RGB, page, with reference", 3000, 3000, ("bicubic", "lanczos", "espcn"), "page with reference"),
    Step("100 MP gray, page, with reference", 9999, 9999, ("bicubic", "lanczos"), "page with reference", "gray"),
    Step("100 MP gray, bicubic", 9999, 9999, ("bicubic",), kind="gray"),
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
            peak = measured(step, Path(folder))
        print(
            f"{step.name:<44}{peak.resident:6.0f} MB over idle ({peak.idle:.0f} MB), "
            f"{peak.anonymous:6.0f} MB of it not in files, {peak.seconds:6.1f} s",
            flush=True,
        )
    return 0


def measured(step: Step, folder: Path) -> Peak:
    """Run a step in a process of its own, with its files in `folder`. Raises SRError when it fails."""
    file = folder / ("large.tif" if step.kind == "tiff16" else "large.png")
    _write(step, file)
    child = json.dumps([str(file), str(folder), step.approaches, step.where])
    return Peak(**measured_alone(step.name, ["memory", "--child", child]))


def _write(step: Step, file: Path) -> None:
    """Write an image with detail everywhere, computed in bands of rows."""
    rgb = zeros(step.height, step.width, 3)
    across = np.arange(step.width, dtype=np.float32)
    for rows in bands(rgb):
        down = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
        for c in range(1 if step.kind == "gray" else 3):
            rgb[rows, :, c] = 0.5 + 0.5 * np.sin(across * down / (97 + 20 * c) % 6.28)
        if step.kind == "gray":
            rgb[rows] = rgb[rows, :, :1]
    if step.kind == "tiff16":
        import tifffile

        tifffile.imwrite(file, np.rint(rgb * 65535).astype(np.uint16), photometric="rgb")
        return
    alpha = None
    if step.kind == "rgba":
        alpha = readonly(np.clip(rgb[..., 0] * 2 - 0.5, 0, 1))
    write_png(ImageData(readonly(rgb), alpha, step.kind == "gray"), file, level=1)


def _child(file: Path, folder: Path, approaches: Sequence[str], where: str) -> Peak:
    work = _on_page(approaches, "reference" in where) if "page" in where else _on_command_line(approaches, folder)
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
    from sr_demo.cli.main import main

    def work(file: Path) -> None:
        for approach in approaches:
            if main(["upscale", str(file), "--approach", approach, "--out", str(folder / "out")]):
                raise SRError(f"{approach} failed")

    return work


def _on_page(approaches: Sequence[str], reference_known: bool) -> Callable[[Path], None]:
    from sr_demo.catalogue import APPROACHES
    from sr_demo.image import read
    from sr_demo.inference.jobs import job_for
    from sr_demo.inference.runner import Runner
    from sr_demo.ui.callers import Caller
    from sr_demo.ui.compare.comparison import Task, compare
    from sr_demo.ui.store import Store
    from sr_demo.ui.turns import Turns, Visitor

    runner, store = Runner(), Store()
    jobs = [job_for(APPROACHES, name) for name in approaches]

    def work(file: Path) -> None:
        caller = Caller(Turns(1), Visitor("benchmark", "benchmark"), Event(), 0)
        *_, view = compare(runner, store, Task(lambda: read(file), jobs, reference_known), caller)
        if view.failures:
            raise SRError(f"failed: {view.failures}")

    return work


def _status(key: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key + ":"))
    return int(line.split()[1]) * 1024
