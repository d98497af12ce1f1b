"""The hardware that a checkpoint needs, compared with this computer. Imports torch only if the system reports a GPU."""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import psutil

from sr_demo.errors import CannotRunHere

REQUIREMENTS = "pip install -r requirements-diffusion.txt"
ZERO_GPU_BYTES = 48 * 10**9
"""Memory of the half GPU that a ZeroGPU Space provides for a call (Hub documentation, August 2026)."""
_TOLERANCE = 0.9
"""Share of the required memory that suffices, since a card sold as 12 GB or a computer with 16 GB report a little less."""


@dataclass(frozen=True)
class HardwareRequirements:
    """Hardware and packages that a checkpoint needs, for methods that need a GPU."""

    vram_bytes: int
    """Memory of the GPU."""
    ram_bytes: int
    time: str
    """Expected run time with its source; the end of a label."""
    packages: tuple[str, ...] = ()
    """Modules of requirements-diffusion.txt."""
    variables: tuple[str, ...] = ()
    """Environment variables with the paths of the user's own copy of the method."""


def is_zero_gpu_space() -> bool:
    """Return whether this is a ZeroGPU Space, where the package `spaces` provides a GPU for one call at a time."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in {"1", "true"} and _there("spaces")


def gpu_bytes() -> int:
    """Return the memory of the GPU in bytes; 0 if there is none."""
    return ZERO_GPU_BYTES if is_zero_gpu_space() else _gpu_bytes()


@lru_cache
def _gpu_bytes() -> int:
    signs = Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists() or shutil.which("nvidia-smi") is not None
    if not signs:
        return 0
    import torch

    if not torch.cuda.is_available():
        return 0
    return int(torch.cuda.get_device_properties(0).total_memory)


def obstacle(needs: HardwareRequirements | None) -> str:
    """Return why a checkpoint cannot run here, as the end of a sentence that begins with its name; "" if it can."""
    return "" if needs is None else _missing(needs)


def check(title: str, needs: HardwareRequirements | None) -> None:
    """Raise CannotRunHere, with the reason and the requirements, if a checkpoint called `title` cannot run."""
    if why := obstacle(needs):
        raise CannotRunHere(f"{title} {why}. Nothing was downloaded.")


def _missing(needs: HardwareRequirements) -> str:
    lacking: list[str] = []
    # The user's own copy runs in a subprocess, which does not get a GPU on a ZeroGPU Space.
    gpu, ram = _gpu_bytes() if needs.variables else gpu_bytes(), psutil.virtual_memory().total
    if gpu < needs.vram_bytes * _TOLERANCE:
        lacking.append(f"a GPU with {_gigabytes(needs.vram_bytes)} (here: {_gigabytes(gpu) if gpu else 'none'})")
    if ram < needs.ram_bytes * _TOLERANCE:
        lacking.append(f"{_gigabytes(needs.ram_bytes)} of RAM (here: {_gigabytes(ram)})")
    if not all(_there(name) for name in needs.packages):
        lacking.append(f"`{REQUIREMENTS}`")
    lacking += [f"your own copy, set by {name}" for name in needs.variables if not os.environ.get(name)]
    if not lacking:
        return ""
    return "needs " + (", ".join(lacking[:-1]) + " and " if len(lacking) > 1 else "") + lacking[-1]


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.0f} GB"


def _there(module: str) -> bool:
    return module in sys.modules or find_spec(module) is not None


class OtherLoad:
    """The load of the processors by other programs since the creation of this object."""

    def __init__(self) -> None:
        self._begun = _processor_seconds()

    def share(self) -> float:
        """Return the share of the processors' time, 0 to 1, that other programs have taken since the creation."""
        busy, idle, own = (now - then for now, then in zip(_processor_seconds(), self._begun, strict=True))
        return min(max((busy - own) / max(busy + idle, 1e-6), 0.0), 1.0)


def _processor_seconds() -> tuple[float, float, float]:
    """Return the busy and idle seconds of all processors, and the busy seconds of this process."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # The time of guests is included in that of users.
    counted = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return counted - idle, idle, time.process_time()
