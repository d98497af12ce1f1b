"""The state of a run on disk: written whole or not at all, read without running foreign code."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sr_demo.errors import BadInput, StorageError
from sr_demo.system import storage


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place: a kill leaves the old file or the new one.

    Raises StorageError when the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.write_atomically(path, write, durable=True)
    except OSError as problem:
        raise StorageError(f"{path} could not be written ({problem.strerror}).") from problem


def save(path: Path, values: dict[str, Any]) -> None:
    """Write a run's state (tensors, numbers, text, lists and dicts of those)."""
    write_atomically(path, lambda target: torch.save(values, target))


def load(path: Path, recipe: str | None = None) -> dict[str, Any]:
    """Read a run's state. Raises BadInput when it is unreadable or belongs to another recipe than the one named."""
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BadInput(f"There is nothing to resume: {path} does not exist.") from None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as problem:
        raise BadInput(f"{path} is not a training state that can be resumed.") from problem
    if recipe is not None and values.get("recipe") != recipe:
        raise BadInput(f"{path} is the state of recipe {values.get('recipe')!r}, not of {recipe!r}.")
    return values


def randomness(rng: np.random.Generator, noise: torch.Generator) -> dict[str, Any]:
    """Where both random streams stand: patches come from `rng`, noise on batches from `noise`."""
    return {"patches": rng.bit_generator.state, "noise": noise.get_state(), "torch": torch.get_rng_state()}


def restore_randomness(values: dict[str, Any], rng: np.random.Generator, noise: torch.Generator) -> None:
    """Continue both streams exactly where `randomness` noted them."""
    rng.bit_generator.state = values["patches"]
    noise.set_state(values["noise"])
    torch.set_rng_state(values["torch"])
