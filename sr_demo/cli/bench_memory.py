"""How much memory large pictures take, over what the process takes when idle: `python -m sr_demo.cli.bench_memory`.

Each step runs in a fresh process, through the very command line or the page's own function: first on a tiny picture, so that
all is loaded, then on the large one. Linux only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import numpy as np

from sr_demo.image import ImageData, readonly, write_png
from sr_demo.system import memory
from sr_demo.system.large_array import bands, zeros

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Step:
    """One picture and what is done with it."""

    name: str
    height: int
    width: int
    approaches: tuple[str, ...]
    where: str = "command line"
    """Or "page"."""
    kind: str = "rgb"
    """Or "gray", "rgba", "tiff16"."""


STEPS = (
    Step("9 MP RGB, bicubic", 3000, 3000, ("bicubic",)),
    Step("9 MP RGB, espcn", 3000, 3000, ("espcn",)),
    Step("4 MP RGBA, bicubic", 2000, 2000, ("bicubic",), kind="rgba"),
    Step("16 MP TIFF of 16 bit, bicubic", 4000, 4000, ("bicubic",), kind="tiff16"),
    Step("9 MP RGB, page, three methods", 3000, 3000, ("bicubic", "lanczos", "espcn"), "page"),
    Step("9 MP RGB, page, tested against the truth", 3000, 3000, ("bicubic", "lanczos", "espcn"), "page against truth"),
    Step(
        "100 MP gray, page, tested against the truth", 9999, 9999, ("bicubic", "lanczos"), "page against truth", "gray"
    ),
    Step("100 MP gray, bicubic", 9999, 9999, ("bicubic",), kind="gray"),
)


@dataclass(frozen=True)
class Peak:
    """What a step took over idle, in MB (10^6 bytes)."""

    resident: float
    """Highest resident set (VmHWM): pages of files that are mapped count."""
    anonymous: float
    """Highest of what the system cannot write to a file, sampled every 20 ms."""
    idle: float
    seconds: float


def measured(step: Step, folder: Path) -> Peak:
    """Run a step in a process of its own; files go into `folder`. Raises RuntimeError with what it printed if it fails."""
    file = folder / ("large.tif" if step.kind == "tiff16" else "large.png")
    _write(step, file)
    asked = json.dumps([str(file), str(folder), step.approaches, step.where])
    done = subprocess.run([sys.executable, "-m", __spec__.name, "--child", asked], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return Peak(*json.loads(done.stdout.splitlines()[-1]))


def _write(step: Step, file: Path) -> None:
    """A picture with detail everywhere, made by rows."""
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
    work = _on_page(approaches, "truth" in where) if "page" in where else _on_command_line(approaches, folder)
    tiny = folder / "tiny.png"
    write_png(ImageData(readonly(np.full((64, 64, 3), 0.5, np.float32))), tiny)
    work(tiny)
    memory.release()
    Path("/proc/self/clear_refs").write_text("5")  # the highest resident set counts from now
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
                raise RuntimeError(f"{approach} failed")

    return work


def _on_page(approaches: Sequence[str], truth_known: bool) -> Callable[[Path], None]:
    from sr_demo.catalogue import APPROACHES
    from sr_demo.image import read
    from sr_demo.inference.jobs import job_for
    from sr_demo.inference.runner import Runner
    from sr_demo.ui.callers import Caller
    from sr_demo.ui.compare.view import Task, compare
    from sr_demo.ui.store import Store
    from sr_demo.ui.turns import Turns, Visitor

    runner, store = Runner(), Store()
    jobs = [job_for(APPROACHES, name) for name in approaches]

    def work(file: Path) -> None:
        caller = Caller(Turns(1), Visitor("benchmark", "benchmark"), Event(), 0)
        *_, view = compare(runner, store, Task(lambda: read(file), jobs, truth_known), caller)
        if view.failures:
            raise RuntimeError(f"failed: {view.failures}")

    return work


def _status(key: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key + ":"))
    return int(line.split()[1]) * 1024


def main(arguments: Sequence[str]) -> int:
    """Print a line for each step; names in `arguments` choose steps that contain one of them."""
    if arguments[:1] == ["--child"]:
        file, folder, approaches, where = json.loads(arguments[1])
        peak = _child(Path(file), Path(folder), approaches, where)
        print(json.dumps([peak.resident, peak.anonymous, peak.idle, peak.seconds]))
        return 0
    for step in STEPS:
        if arguments and not any(word in step.name for word in arguments):
            continue
        with tempfile.TemporaryDirectory() as folder:
            peak = measured(step, Path(folder))
        print(
            f"{step.name:<42}{peak.resident:6.0f} MB over idle ({peak.idle:.0f} MB), "
            f"{peak.anonymous:6.0f} MB of it not in files, {peak.seconds:6.1f} s",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
