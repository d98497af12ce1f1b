"""What this machine has, against what a checkpoint needs. torch is imported only where there are signs of a GPU."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import psutil

from sr_demo.errors import CannotRunHere

REQUIREMENTS = "pip install -r requirements-diffusion.txt"
ZERO_GPU_BYTES = 48 * 10**9
"""Memory of the half GPU that a ZeroGPU Space borrows for a call (Hub documentation, August 2026)."""
_TOLERANCE = 0.9
"""A card sold as 12 GB reports a little less, and so does a machine with 16 GB of RAM."""


@dataclass(frozen=True)
class Needs:
    """What a machine must have before a checkpoint can run on it: for methods that need a GPU."""

    vram_bytes: int
    """Memory of the GPU."""
    ram_bytes: int
    time: str
    """How long to expect it to take, and where that is known from; the end of a label."""
    packages: tuple[str, ...] = ()
    """Modules of requirements-diffusion.txt."""
    variables: tuple[str, ...] = ()
    """Environment variables that say where a person's own copy of the method is."""


def lends_gpus() -> bool:
    """Whether this is a ZeroGPU Space: GPUs are borrowed for one call at a time, through the package `spaces`."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in {"1", "true"} and _there("spaces")


def gpu_bytes() -> int:
    """Memory of the GPU, 0 where there is none."""
    return ZERO_GPU_BYTES if lends_gpus() else _gpu_bytes()


@lru_cache
def _gpu_bytes() -> int:
    signs = Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists() or shutil.which("nvidia-smi") is not None
    if not signs:
        return 0
    import torch

    if not torch.cuda.is_available():
        return 0
    return int(torch.cuda.get_device_properties(0).total_memory)


def obstacle(needs: Needs | None) -> str:
    """Why a checkpoint with these `needs` cannot run here, as the end of a sentence that begins with its name, or ""."""
    return "" if needs is None else _missing(needs)


def check(title: str, needs: Needs | None) -> None:
    """Raise CannotRunHere, with the reason and what would run it, where a checkpoint with these `needs` cannot run."""
    if why := obstacle(needs):
        raise CannotRunHere(f"{title} {why}. Nothing was downloaded.")


def _missing(needs: Needs) -> str:
    lacking: list[str] = []
    # A person's own copy runs in a process of its own, which cannot borrow a GPU.
    gpu, ram = _gpu_bytes() if needs.variables else gpu_bytes(), psutil.virtual_memory().total
    if gpu < needs.vram_bytes * _TOLERANCE:
        lacking.append(f"a GPU with {_gigabytes(needs.vram_bytes)} (here: {_gigabytes(gpu) if gpu else 'none'})")
    if ram < needs.ram_bytes * _TOLERANCE:
        lacking.append(f"{_gigabytes(needs.ram_bytes)} of RAM (here: {_gigabytes(ram)})")
    if not all(_there(name) for name in needs.packages):
        lacking.append(f"`{REQUIREMENTS}`")
    lacking += [f"your own copy, told by {name}" for name in needs.variables if not os.environ.get(name)]
    if not lacking:
        return ""
    return "needs " + (", ".join(lacking[:-1]) + " and " if len(lacking) > 1 else "") + lacking[-1]


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.0f} GB"


def _there(module: str) -> bool:
    return module in sys.modules or find_spec(module) is not None
