"""`python -m sr_demo train digits-...`: training of the networks of the digits lab."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from sr_demo.backends.torch_backend import load_safetensors
from sr_demo.cli.console import stoppable
from sr_demo.digits.data import Digits, default_file, downloaded, load
from sr_demo.errors import BadInput
from sr_demo.system.file_sizes import file_size
from sr_demo.system.outputs import refuse_existing, refuse_other_suffix
from sr_demo.system.storage import disk_errors_translated, ensure_folder, unfinished_folder
from sr_demo.training import run_state as files
from sr_demo.training.cards import LICENCE, device_name, write_weights
from sr_demo.training.digit_recipes import RECIPES, find, settings_of
from sr_demo.training.digits import DigitTrainer, run
from sr_demo.training.schedule import Budget

NAMES = tuple(recipe.name for recipe in RECIPES)


def train_digits(args: argparse.Namespace, device: torch.device) -> int:
    """Train one recipe of the lab.

    Args:
        args: The arguments that `train.add_train_arguments` declares; `--data` names an mnist.npz or a folder with
            MNIST's four files.
        device: Device to train on.

    Returns:
        The exit status 0.
    """
    if not args.out:
        raise BadInput(f"train {args.recipe} needs --out.")
    recipe = find(args.recipe)
    refuse_other_suffix(args.out, ".safetensors")
    state_file = args.state or args.out.with_suffix(".state.pt")
    names = (args.out, state_file, args.out.with_suffix(".json"))
    owned = args.overwrite or args.resume or args.snapshot
    refuse_existing(names, overwrite=owned, advice="Go on from an earlier run with --resume, choose another --out")
    values = files.load(state_file, recipe.name) if args.resume or args.snapshot else None
    budget = Budget.chosen(args.iterations, args.minutes, (values or {}).get("plans", []), recipe.minutes)
    digits, test = load(args.data or mnist())
    trainer = DigitTrainer(recipe, digits, device, args.seed)
    if values is not None:
        trainer.restore(values)
    elif args.start:
        trainer.begin_with(files.load(args.start))
    if not args.snapshot:
        signal.signal(signal.SIGTERM, _interrupt)
        with stoppable(signal.SIGINT, signal.SIGTERM) as stop:
            run(trainer, budget, state_file, _Line(trainer), stop)
        if stop.is_set():
            raise KeyboardInterrupt
    write_weights(trainer.finish(), args.out)
    card = write_card(trainer, args.out, test, args.licence)
    print(f"\n{args.out}: {file_size(card['bytes'])}, {card['parameters']} parameters, {card['scores']}")
    return 0


def mnist() -> Path:
    """Return the file or folder of MNIST on this machine; torchvision downloads it if it is missing.

    Raises:
        BadInput: The download failed. Nothing of it is kept.
        StorageError: The cache folder cannot be written.
    """
    found = default_file()
    if found.exists():
        return found
    from torchvision.datasets import MNIST

    target = downloaded()
    print(f"MNIST is not at {found}: downloading it to {target}")
    with disk_errors_translated(ensure_folder(target.parent)), unfinished_folder(target.parent) as part:
        try:
            MNIST(str(part), download=True)
        except (OSError, RuntimeError) as problem:
            raise BadInput(
                f"MNIST could not be downloaded ({problem}). Name a file or folder with --data."
            ) from problem
        shutil.rmtree(target, ignore_errors=True)  # without its files
        os.replace(part, target)
    return target


def write_card(trainer: DigitTrainer, path: Path, test: Digits, licence: str) -> dict[str, Any]:
    """Write the card of the weights at `path` beside them, with scores measured with the written file.

    Args:
        trainer: The finished run.
        path: The .safetensors file.
        test: Test digits.
        licence: Licence of the data, for the card.

    Returns:
        The content of the card.
    """
    recipe = trainer.recipe
    network = load_safetensors(path, recipe.build()).eval().to(trainer.device)
    content = path.read_bytes()
    what = "accuracy_percent" if recipe.name == "digits-reader" else "psnr"
    card: dict[str, Any] = {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "parameters": sum(p.numel() for p in network.parameters()),
        "architecture": {"name": type(network).__name__, "settings": recipe.settings},
        "licence": LICENCE,
        "data": {"what": "MNIST, training digits", "count": len(trainer.hr), "licence": licence},
        "recipe": settings_of(recipe) | ({"start": trainer.began_with} if trainer.began_with else {}),
        "iterations": trainer.iteration,
        "seconds": round(trainer.seconds),
        "device": device_name(trainer.device),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "torch": torch.__version__,
        "curves": {
            "iteration": [int(value) for value in trainer.curves["iteration"]],
            "loss": [round(value, 6) for value in trainer.curves["loss"]],
            what: [round(value, 3) for value in trainer.curves["psnr"]],
        },
        "scores": {
            name: {what: round(trainer.score(network, held), 3)}
            for name, held in (("val", trainer.validation), ("test", test))
        },
    }
    text = json.dumps(card, indent=1) + "\n"
    files.write_atomically(path.with_suffix(".json"), lambda target: target.write_text(text))
    return card


class _Line:
    """Prints a progress line: rewritten in place on a terminal, otherwise a new line every half minute."""

    def __init__(self, trainer: DigitTrainer) -> None:
        self._trainer, self._shown, self._live = trainer, 0.0, sys.stdout.isatty()

    def __call__(self, fraction: float, loss: float, score: float | None) -> None:
        now = time.monotonic()
        if now - self._shown < (0.5 if self._live else 30.0) and fraction < 1.0:
            return
        self._shown = now
        shown = "" if score is None else f"  score {score:.2f}"
        line = f"{fraction:6.1%}  iteration {self._trainer.iteration}  loss {loss:.5f}{shown}"
        print(f"\r{line}\033[K" if self._live else line, end="" if self._live else "\n", flush=True)


def _interrupt(number: int, frame: FrameType | None) -> Any:
    raise KeyboardInterrupt
