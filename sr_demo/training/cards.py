"""Writers of the final weights as fp16 safetensors, and of the JSON card with their provenance and scores."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from sr_demo.backends.torch_backend import load_safetensors
from sr_demo.training.data import Pairs
from sr_demo.training.loop import Trainer
from sr_demo.training.recipes import Recipe
from sr_demo.training.run_state import write_atomically
from sr_demo.training.schedule import phases_until
from sr_demo.training.validate import score_pairs

LICENCE = "Apache-2.0"


def write_weights(network: nn.Module, path: Path) -> None:
    """Write every tensor of `network` to `path`, floating point in fp16, atomically."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    content = save(tensors, metadata={"format": "pt"})
    write_atomically(path, lambda target: target.write_bytes(content))


def write_card(
    trainer: Trainer, path: Path, data: dict[str, Any], done: float, test_sets: Mapping[str, Pairs]
) -> dict[str, Any]:
    """Write the card of the weights at `path` beside them, with scores measured with the written file.

    Args:
        trainer: The run.
        path: The .safetensors file; the card has the suffix .json.
        data: Entry "data" of the card: what the run was trained on.
        done: How much of the recipe was run, 0..1; losses of later phases are not listed.
        test_sets: Test sets to score it on, by name.

    Returns:
        The content of the card.
    """
    recipe = trainer.recipe
    network = load_safetensors(path, recipe.ship(recipe.build())).to(trainer.device)
    content = path.read_bytes()
    card = {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "parameters": sum(p.numel() for p in network.parameters()),
        "architecture": {"name": recipe.architecture.name, "settings": recipe.architecture.settings},
        "scale": recipe.scale,
        "licence": LICENCE,
        "data": data,
        "recipe": {
            "name": recipe.name,
            "degradation": recipe.degradation,
            "optimiser": recipe.optimiser,
            "phases": _phases(recipe),
        },
        "began_as": trainer.began_as,
        "plans": trainer.plans,
        "done": round(done, 3),
        "losses": sorted({name for phase in phases_until(recipe.phases, done) for name, _ in phase.losses}),
        "features": trainer.objective.features,
        "iterations": trainer.iteration,
        "seconds": round(trainer.seconds),
        "device": device_name(trainer.device),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "torch": torch.__version__,
        "curves": _curves(trainer.curves),
        "scores": _scores(trainer.as_upscaler(network, final=True), trainer, recipe, test_sets),
    }
    text = json.dumps(card, indent=1) + "\n"
    write_atomically(path.with_suffix(".json"), lambda target: target.write_text(text))
    return card


def device_name(device: torch.device) -> str:
    """Return the name of the training device for the card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU ({platform.machine()}, {threads} thread{'' if threads == 1 else 's'})"


def _phases(recipe: Recipe) -> list[dict[str, Any]]:
    return [
        {"share": p.share, "losses": dict(p.losses), "rate": list(p.rate), "patch": p.patch, "batch": p.batch}
        for p in recipe.phases
    ]


def _curves(curves: dict[str, list[float | None]]) -> dict[str, list[float | None]]:
    digits = {"iteration": 0, "loss": 6, "psnr_y": 3, "ssim_y": 5, "train_psnr_y": 3, "train_ssim_y": 5}
    return {
        key: [None if v is None else int(v) if places == 0 else round(v, places) for v in curves[key]]
        for key, places in digits.items()
    }


def _scores(network: nn.Module, trainer: Trainer, recipe: Recipe, test_sets: Mapping[str, Pairs]) -> dict[str, Any]:
    held = {**test_sets, "val": trainer.validation.pairs}
    return {name: score_pairs(network, pairs, recipe.scale) for name, pairs in held.items()}
