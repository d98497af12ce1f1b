"""SUPIR (Yu et al. 2024, arXiv 2401.13627) from the user's checkout and weights, in that checkout's own Python.

There is no diffusers pipeline, the licence forbids commercial use and redistribution of the weights, and the required
packages are older than ours. SUPIR therefore runs in a subprocess (`supir_worker.py`) and exchanges images through files.
Stop ends the process.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import weakref
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from sr_demo.errors import BadInput, OutOfMemory, SRError
from sr_demo.image import Image, Size, readonly
from sr_demo.imaging.resize import resize
from sr_demo.options import Options
from sr_demo.pipelines.options import SupirOptions
from sr_demo.progress import Progress
from sr_demo.spec import Request, Upscaler
from sr_demo.system.storage import cache_folder, disk_errors_translated, ensure_folder, unfinished_folder

HOME, WEIGHTS, PYTHON = "SR_DEMO_SUPIR_HOME", "SR_DEMO_SUPIR_WEIGHTS", "SR_DEMO_SUPIR_PYTHON"
"""Environment variables: the checkout, a folder with the weights of SUPIR and SDXL (default: the paths in SUPIR's options
file), and the Python interpreter."""
SCALE = 4
_LEAST_SIDE, _MULTIPLE = 1024, 64
"""Smallest side of SUPIR's input, since it was trained at 1024 pixels, and common divisor of its sides."""
_MOST_GROWN = 4_000_000
"""Largest number of pixels to which small images are upscaled for this, since long strips would become enormous."""
_GUIDANCE = {"quality": (7.5, 4.0), "fidelity": (4.0, 1.0)}
"""Text guidance at the end and at the start of sampling; the authors' settings."""
_COLOUR = {"wavelet": "Wavelet", "adain": "AdaIn", "none": "None"}
_WORKER = Path(__file__).with_name("supir_worker.py")


class SupirUpscaler:
    """Runs SUPIR in a worker process, which keeps the model loaded."""

    backend = "SUPIR"
    loss_db: float | None = None
    precision = "fp16"

    def __init__(self, home: Path, weights: Path | None, python: str, preset: str, tiled: bool) -> None:
        self._start: dict[str, Any] = {
            "home": str(home),
            "weights": str(weights) if weights else "",
            "sign": "Q" if preset == "quality" else "F",
            "tiled": tiled,
        }
        self._python = python
        self._worker: _Worker | None = None

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """Upscale (H, W, 3) to (4 H, 4 W, 3). Raises Cancelled within a second after Stop, OutOfMemory, SRError."""
        assert isinstance(options, SupirOptions)
        size = Size(image.shape[0] * SCALE, image.shape[1] * SCALE)
        parent = ensure_folder(cache_folder() / "supir")
        with disk_errors_translated(parent), unfinished_folder(parent) as folder:
            given, made = folder / "given.npy", folder / "made.npy"
            np.save(given, resize(image, working_size(*size)))
            self._run(sampling_arguments(options) | {"given": str(given), "made": str(made)}, options.steps, progress)
            drawn = np.load(made)
        return readonly(np.clip(resize(readonly(drawn.astype(np.float32)), size), 0, 1))

    def _run(self, request: Mapping[str, Any], steps: int, progress: Progress) -> None:
        """Send one request to the worker, which is started if there is none. Failures and Stop end the worker."""
        worker = self._worker or _Worker(self._python, self._start)
        self._worker, loaded = None, False
        try:
            progress(0.0, "loading SUPIR")
            worker.wait("ready", progress)
            loaded = True
            worker.send(request)
            worker.wait("done", progress, steps)
        except OutOfMemory:
            if loaded:
                self._keep(worker)  # kept, since a smaller image may fit and loading takes long
            else:
                worker.close()
            raise
        except BaseException:
            worker.close()
            raise
        self._keep(worker)

    def _keep(self, worker: _Worker) -> None:
        worker.messages.put({"ready": True})  # for the next request
        self._worker = worker


class _Worker:
    """The worker process and its messages."""

    def __init__(self, python: str, start: Mapping[str, Any]) -> None:
        self.messages: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._complaints: deque[str] = deque(maxlen=20)
        try:
            self._process = subprocess.Popen(
                [python, str(_WORKER)], cwd=start["home"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, encoding="utf-8",
            )  # fmt: skip
        except OSError as exc:
            raise BadInput(f"SUPIR's Python {python} cannot be started ({exc.strerror}). Set {PYTHON}.") from exc
        self._finalizer = weakref.finalize(self, _end, self._process)
        for target, source in ((_read, self._process.stdout), (_note, self._process.stderr)):
            into = self.messages if target is _read else self._complaints
            Thread(target=target, args=(source, into), name="SUPIR", daemon=True).start()
        self.send(start)

    def send(self, request: Mapping[str, Any]) -> None:
        """Write one line of JSON to the worker."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(dict(request)) + "\n")
            self._process.stdin.flush()
        except OSError:
            self._raise_ended()

    def wait(self, wanted: str, progress: Progress, steps: int = 0) -> None:
        """Wait until the worker sends `wanted`; report steps meanwhile."""
        while True:
            progress.check()
            try:
                message = self.messages.get(timeout=0.2)
            except Empty:
                if self._process.poll() is not None and self.messages.empty():
                    self._raise_ended()
                continue
            if wanted in message:
                return
            if "step" in message and steps:
                done = min(int(message["step"]), steps)
                progress(done / steps, f"step {done} of {steps}")
            if message.get("failed") == "memory":
                raise OutOfMemory
            if "failed" in message:
                raise SRError(f"SUPIR could not do it: {message['failed']} Look at the checkout that {HOME} names.")

    def _raise_ended(self) -> None:
        last = " ".join(self._complaints)[-300:]
        raise SRError(f"SUPIR's process ended early. It said last: {last or 'nothing'}")

    def close(self) -> None:
        """End the process now."""
        self._finalizer()


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(10)
    if process.stdin is not None:
        with suppress(OSError):  # unread input
            process.stdin.close()


def _read(source: Any, messages: SimpleQueue[dict[str, Any]]) -> None:
    with source:
        for line in source:
            if line.startswith("{"):
                messages.put(json.loads(line))


def _note(source: Any, complaints: deque[str]) -> None:
    with source:
        for line in source:
            complaints.append(line.strip())


def working_size(height: int, width: int) -> Size:
    """Return the size of SUPIR's input for a result of this size, with sides that are multiples of 64.

    The shorter side is at least 1024 pixels, or less if the input would then exceed `_MOST_GROWN` pixels.
    """
    grow = max(1.0, min(_LEAST_SIDE / min(height, width), (_MOST_GROWN / (height * width)) ** 0.5))
    return Size(
        max(round(height * grow / _MULTIPLE), 1) * _MULTIPLE,
        max(round(width * grow / _MULTIPLE), 1) * _MULTIPLE,
    )


def sampling_arguments(options: SupirOptions) -> dict[str, Any]:
    """Return the options as arguments of SUPIR's sampling function; the prompt is passed unchanged."""
    end, start = _GUIDANCE[options.preset]
    added = options.added if not options.prompt else f". {options.added}" if options.added else ""
    return {
        "p": [options.prompt],
        "p_p": added,
        "n_p": options.negative,
        "num_steps": options.steps,
        "restoration_scale": options.restoration,
        "s_churn": 5,
        "s_noise": 1.003,
        "cfg_scale": options.guidance or end,
        "cfg_scale_start": min(start, options.guidance or start),
        "use_linear_CFG": True,
        "control_scale": options.control,
        "seed": options.seed,
        "num_samples": 1,
        "color_fix_type": _COLOUR[options.colour],
    }


def load(request: Request) -> Upscaler:
    """Return an upscaler for the checkout that the environment names. Raises BadInput when there is none."""
    options = request.options
    assert isinstance(options, SupirOptions)
    home = Path(os.environ.get(HOME, "")).expanduser()
    if not (home / "SUPIR" / "util.py").is_file():
        raise BadInput(f"There is no checkout of SUPIR at {home}: it has no SUPIR/util.py. Set {HOME} to its folder.")
    chosen = os.environ.get(WEIGHTS)
    weights = Path(chosen).expanduser().absolute() if chosen else None
    if weights is not None and not weights.is_dir():
        raise BadInput(
            f"There is no folder {weights}. Set {WEIGHTS} to the folder of SUPIR's weights, or leave it unset."
        )
    return SupirUpscaler(home.absolute(), weights, _python_of(home), options.preset, options.tiled)


def _python_of(home: Path) -> str:
    """Return the interpreter that the environment names, else that of the checkout's virtual environment, else ours."""
    own = home / ".venv" / "bin" / "python"
    chosen = os.environ.get(PYTHON)
    if chosen:
        return shutil.which(chosen) or chosen
    return str(own) if own.is_file() else sys.executable
