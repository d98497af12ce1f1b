"""The state of a training run on disk: written atomically, and read without unpickling code.

A state is a dict of tensors, numbers, text, lists and dicts; its keys are those of `Trainer.state` or `DigitTrainer.state`.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sr_demo.errors import BadInput, StorageError
from sr_demo.system import storage

_RENAMED = {
    "critic": "discriminator",  # words: ok
    "judge": "discriminator_optimiser",
    "critics": "discriminators",  # words: ok
    "damager": "degrader",
    "damager_optimiser": "degrader_optimiser",
}
"""Key in a state of an earlier version -> current key."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary file beside `path`, then rename that: a kill leaves either the old or the new file.

    Raises:
        StorageError: The folder is not writable, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.write_atomically(path, write, durable=True)
    except OSError as problem:
        raise StorageError(f"{path} could not be written ({problem.strerror}).") from problem


def save(path: Path, values: dict[str, Any]) -> None:
    """Write the state `values` of a run to `path`."""
    write_atomically(path, lambda target: torch.save(values, target))


def load(path: Path, recipe: str | None = None) -> dict[str, Any]:
    """Read the state of a run and return it in the current layout.

    Args:
        path: A file written by `save`.
        recipe: Name of the recipe that the state must belong to; None accepts any recipe.

    Raises:
        BadInput: The file is missing or unreadable, or contains the state of another recipe.
    """
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BadInput(f"There is nothing to resume: {path} does not exist.") from None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as problem:
        raise BadInput(f"{path} is not a training state that can be resumed.") from problem
    if not isinstance(values, dict) or "recipe" not in values:
        raise BadInput(f"{path} is not a training state that can be resumed.")
    if recipe is not None and values["recipe"] != recipe:
        raise BadInput(f"{path} is the state of recipe {values['recipe']!r}, not of {recipe!r}.")
    return current_layout(values)


def current_layout(values: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a run with the current keys: states of earlier versions have those in `_RENAMED`.

    In earlier versions, the EMA was stored as "average" (state of its network) and "updates" (number of updates).
    """
    values = {_RENAMED.get(key, key): value for key, value in values.items()}
    if "average" in values:
        weights: dict[str, Any] = values.pop("average")
        # The initial weights count as the first update (see `ema.averaged`).
        counted = {"n_averaged": torch.tensor(values.pop("updates") + 1)}
        values["ema"] = counted | {f"module.{name}": value for name, value in weights.items()}
    return values


def restore_network(values: dict[str, Any], network: torch.nn.Module) -> None:
    """Load the weights of a state into `network`. Raises BadInput if they are those of another network."""
    try:
        network.load_state_dict(values["network"])
    except RuntimeError as problem:
        raise BadInput(
            f"The state of recipe {values['recipe']!r} holds another network than this recipe's."
        ) from problem


def randomness(rng: np.random.Generator, noise: torch.Generator) -> dict[str, Any]:
    """Return the states of both random generators: `rng` draws patches, `noise` the noise of batches."""
    return {"patches": rng.bit_generator.state, "noise": noise.get_state(), "torch": torch.get_rng_state()}


def restore_randomness(values: dict[str, Any], rng: np.random.Generator, noise: torch.Generator) -> None:
    """Restore the states of both generators that `randomness` returned."""
    rng.bit_generator.state = values["patches"]
    noise.set_state(values["noise"])
    torch.set_rng_state(values["torch"])
