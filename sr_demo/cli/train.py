"""`python -m sr_demo train RECIPE --data DIR --out FILE`: from a folder of photos to weights and a card."""

from __future__ import annotations

import argparse
import csv
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from sr_demo.cli import train_digits as digits
from sr_demo.cli.console import stoppable
from sr_demo.errors import BadInput, SRError, quoted
from sr_demo.system.file_sizes import file_size
from sr_demo.system.folders import short_name
from sr_demo.system.outputs import refuse_existing, refuse_other_suffix
from sr_demo.training import run_state, sources
from sr_demo.training.cards import write_card, write_weights
from sr_demo.training.data import Pairs
from sr_demo.training.loop import CURVE, Status, Trainer, run
from sr_demo.training.recipes import RECIPES, Recipe, find
from sr_demo.training.schedule import Budget
from sr_demo.training.synthetic import with_synthetic

MINUTES = 30.0
"""Default length of a new run; the digits' recipes have their own."""
_LIMITS = (
    ("seed", 0, 2**32 - 1),
    ("pictures", 1, 10**9),
    ("synthetic", 0, 10**6),
    ("crops", 1, 10**6),
)
"""Arguments with their smallest and largest numbers."""


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run_train`."""
    parser.add_argument(
        "recipe", nargs="?", metavar="RECIPE", help=", ".join([r.name for r in RECIPES] + [*digits.NAMES])
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="a folder of pictures, DIV2K as unpacked, or paired .npz files; MNIST for digits-…",
    )
    parser.add_argument("--out", type=Path, help="the .safetensors file to write; its card lies beside")
    parser.add_argument(
        "--val", type=Path, help="validation pictures (default: DIV2K's own, or DIR/../val, else part of --data)"
    )
    parser.add_argument(
        "--track", choices=("bicubic", "unknown"), default="bicubic", help="which of DIV2K's LR pictures"
    )
    parser.add_argument("--pictures", type=int, metavar="N", help="only so many of them, evenly spread")
    parser.add_argument(
        "--synthetic", type=int, default=0, metavar="N", help="draw N pictures more: text, lines, facades"
    )
    parser.add_argument(
        "--teacher", metavar="ID[:CHECKPOINT]",
        help="imitate this checkpoint instead of the photos (default: the recipe's teacher)",
    )  # fmt: skip
    parser.add_argument(
        "--precompute", type=Path, metavar="DIR", help="where the teacher's results are kept (default: beside --out)"
    )
    parser.add_argument("--crops", type=int, default=1024, metavar="N", help="crops that the teacher upscales")
    parser.add_argument(
        "--minutes",
        type=float,
        help="length of the whole run (default: 30; digits-…: 1.3 to 15, as the recipe says; of a saved run: as planned)",
    )
    parser.add_argument("--iterations", type=int, help="length of the whole run in iterations, instead of --minutes")
    parser.add_argument("--resume", action="store_true", help="go on from the saved state")
    parser.add_argument(
        "--start",
        type=Path,
        metavar="FILE",
        help="begin with the state of another recipe's run, if both have the same network (digits-…: the same encoder)",
    )
    parser.add_argument("--state", type=Path, help="where the state is saved (default: beside --out, .state.pt)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run, and begin anew")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--licence", default="", help="licence of the pictures, for the card")
    parser.add_argument("--test-sets", type=Path, help="folder with Set5 and Set14, to be scored for the card")
    parser.add_argument("--snapshot", action="store_true", help="only write weights and card from the saved state")
    parser.add_argument(
        "--benchmark", action="store_true", help="only measure how fast RECIPE (default: each) trains on this device"
    )
    parser.add_argument("--json", action="store_true", help="print the benchmark as JSON")


def run_train(args: argparse.Namespace) -> int:
    """Train from the command line.

    Args:
        args: The arguments that `add_train_arguments` declares.

    Returns:
        The exit status: 0 on success, 2 after an error message, 130 when interrupted (the state so far is saved).
    """
    try:
        return _train(args)
    except SRError as problem:
        print(problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        state = args.out and (args.state or args.out.with_suffix(".state.pt"))
        saved = state is not None and state.is_file()
        goes_on = "The state is saved: the same command with --resume goes on." if saved else "No state was saved yet."
        print(f"\nStopped. {goes_on}", file=sys.stderr)
        return 130


def _train(args: argparse.Namespace) -> int:
    if args.benchmark:
        from sr_demo.training.benchmark import run_benchmark

        if args.recipe in digits.NAMES:
            raise BadInput(f"--benchmark measures recipes for photos, and {args.recipe} is one for digits.")
        recipes = [find(args.recipe)] if args.recipe else RECIPES
        return run_benchmark(args, recipes, choose_device(args.device), make_trainer)
    for name, low, high in _LIMITS:
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise BadInput(f"--{name} takes a number from {low} to {high}, not {value}.")
    if args.recipe in digits.NAMES:
        return digits.train_digits(args, choose_device(args.device))
    if not (args.recipe and args.data and args.out):
        raise BadInput("train needs RECIPE, --data and --out; or --benchmark, which needs none of them.")
    recipe = find(args.recipe)
    if recipe.degradation == "unknown" and (args.teacher or args.synthetic):
        raise BadInput(
            f"{recipe.name} learns from unpaired photos: leave out {'--teacher' if args.teacher else '--synthetic'}."
        )
    refuse_other_suffix(args.out, ".safetensors")
    device = choose_device(args.device)
    state_file = args.state or args.out.with_suffix(".state.pt")
    refuse_earlier_run(args, state_file)
    values = run_state.load(state_file, recipe.name) if args.resume or args.snapshot else None
    budget = Budget.chosen(args.iterations, args.minutes, (values or {}).get("plans", []), MINUTES)
    if values is None and args.start:
        values = run_state.load(args.start)
        refuse_spent(budget, values, args.start)
    test_sets = sources.load_test_sets(args.test_sets or default_test_sets(), recipe.scale)
    pairs, validation = _load_pairs(args, recipe.scale, max(phase.patch for phase in recipe.phases))
    photos = len(pairs.hr)
    recipe = replace(recipe, teacher=args.teacher, degradation="teacher") if args.teacher else recipe
    teacher, licence = "", ""
    if recipe.teacher:
        from sr_demo.training.distillation import load_teacher, teacher_pairs

        refuse_other_scale(recipe)
        loaded = load_teacher(recipe.teacher)
        teacher, licence = loaded.name, loaded.licence
        folder = args.precompute or args.out.with_suffix(".teacher")
        owned = args.overwrite and not args.precompute
        pairs = teacher_pairs(folder / "train", loaded, pairs, args.crops, recipe.scale, args.seed, overwrite=owned)
        validation = teacher_pairs(
            folder / "val", loaded, validation, max(1, args.crops // 16), recipe.scale, args.seed + 1, overwrite=owned
        )
    if args.synthetic:
        pairs = with_synthetic(pairs, args.synthetic, recipe.scale, args.seed)
    recipe = _with_fitting_patches(recipe, pairs)
    trainer = make_trainer(recipe, pairs, validation, device, args.seed)
    if values is not None:
        trainer.restore(values)
    if not args.snapshot:
        signal.signal(signal.SIGTERM, _interrupt)
        with stoppable(signal.SIGINT, signal.SIGTERM) as stop:
            run(trainer, budget, state_file, ProgressLine(trainer, args.out.with_suffix(".csv")), stop)
        if stop.is_set():
            raise KeyboardInterrupt
    write_weights(recipe.ship(trainer.ema.module), args.out)
    done = budget.fraction(trainer.iteration, trainer.seconds)
    data = {
        "what": short_name(args.data), "kind": pairs.kind, "count": photos, "synthetic": args.synthetic,
        "licence": args.licence, "teacher": teacher, "teacher_licence": licence,
    }  # fmt: skip
    card = write_card(trainer, args.out, data, done, test_sets)
    print(f"\n{args.out}: {file_size(card['bytes'])}, {card['parameters']} parameters, {card['scores']}")
    if pairs.skipped:
        print(f"{len(pairs.skipped)} pictures were skipped.")
    return 0


def refuse_earlier_run(args: argparse.Namespace, state_file: Path) -> None:
    """Raise BadInput if a new run would replace files; `--resume` and `--snapshot` may replace those of their run."""
    names = (args.out, state_file, args.out.with_suffix(".json"), args.out.with_suffix(".csv"))
    owned = args.overwrite or args.resume or args.snapshot
    refuse_existing(names, overwrite=owned, advice="Go on from an earlier run with --resume, choose another --out")


def refuse_other_scale(recipe: Recipe) -> None:
    """Raise BadInput where the teacher's scale is not that of the recipe."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.inference.jobs import job_for

    if (scale := job_for(APPROACHES, recipe.teacher).scale) != recipe.scale:
        raise BadInput(
            f"{recipe.teacher} upscales {scale:g} times and {recipe.name} {recipe.scale} times: "
            f"choose a teacher that upscales {recipe.scale} times."
        )


def refuse_spent(budget: Budget, values: dict[str, Any], start: Path) -> None:
    """Raise BadInput where the run that `--start` names, with the state `values`, leaves nothing of `budget`."""
    if budget.fraction(values["iteration"], values["seconds"]) < 1.0:
        return
    kind, done, length = "minutes", round(values["seconds"] / 60, 1), (budget.seconds or 0.0) / 60
    if budget.iterations:
        kind, done, length = "iterations", values["iteration"], budget.iterations
    raise BadInput(
        f"{start} has {done:g} {kind} of training, which count, and the whole run has {length:g}: "
        f"give more than {done:g} with --{kind}."
    )


def _load_pairs(args: argparse.Namespace, scale: int, patch: int) -> tuple[Pairs, Pairs]:
    pairs = sources.load(args.data, scale, patch, print, args.track, args.pictures)  # words: ok
    if args.val and sources.is_div2k(args.val):
        return pairs, sources.load_div2k(args.val, "valid", scale, sources.VALIDATION_SIDE, print, args.track)
    if args.val:
        return pairs, sources.load(args.val, scale, sources.VALIDATION_SIDE)
    validation = sources.load_validation(args.data, scale, print, args.track)
    return sources.split(pairs) if validation is None else (pairs, validation)


def _with_fitting_patches(recipe: Recipe, pairs: Pairs) -> Recipe:
    """Return the recipe with patches no larger than the smallest image; print a line if that changes them.

    Their sides are multiples of 2, since the discriminator takes HR patches with multiples of 8 pixels only; and of 8 for
    unpaired training, whose second network takes LR patches.

    Raises:
        BadInput: The smallest image is too small for a patch.
    """
    step = 8 if recipe.degradation == "unknown" else 2
    largest, side = max(phase.patch for phase in recipe.phases), pairs.smallest // step * step
    if side >= largest:
        return recipe
    if not side:
        raise BadInput(
            f"The smallest picture has {pairs.smallest} pixels a side, and {recipe.name} needs {step}. Remove it."
        )
    print(f"patches of {largest} pixels are cut to {side}: the smallest picture's side is {pairs.smallest}")
    phases = tuple(replace(phase, patch=min(phase.patch, side)) for phase in recipe.phases)
    return replace(recipe, phases=phases)


def make_trainer(recipe: Recipe, pairs: Pairs, validation: Pairs, device: torch.device, seed: int) -> Trainer:
    """Return the trainer for a recipe: paired, at any scale, diffusion, or unpaired.

    Args:
        recipe: What to train.
        pairs: Training images.
        validation: Validation images.
        device: Device to train on.
        seed: Seed of weights, patches and noise.
    """
    if recipe.name == "liif":
        from sr_demo.training.liif import LiifTrainer

        return LiifTrainer(recipe, pairs, validation, device, seed)
    if recipe.name == "diffusion":
        from sr_demo.training.diffusion import DiffusionTrainer

        return DiffusionTrainer(recipe, pairs, validation, device, seed)
    if recipe.degradation != "unknown":
        return Trainer(recipe, pairs, validation, device, seed)
    from sr_demo.training.cycle import CycleTrainer

    return CycleTrainer(recipe, pairs, validation, device, seed)


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is the fastest available one.

    Raises:
        BadInput: There is no such device.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    if not there.get(name, False):
        raise BadInput(
            f"There is no device {quoted(name)} here. There are: {', '.join(k for k, v in there.items() if v)}."
        )
    return torch.device(name)


def default_test_sets() -> Path | None:
    """Return the folder with Set5 and Set14: `testsets` in $SR_DEMO_SHARED_DATA or in ../shared/data; None if missing."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("SR_DEMO_SHARED_DATA", beside)) / "testsets"
    return folder if any((folder / name / "HR").is_dir() for name in sources.TEST_SETS) else None


class ProgressLine:
    """Prints a progress line and writes the training curves as CSV.

    On a terminal the line is rewritten in place; otherwise a new line is printed every half minute.
    """

    def __init__(self, trainer: Trainer, log: Path) -> None:
        self._trainer, self._log = trainer, log
        self._shown, self._points = 0.0, 0
        self._live = sys.stdout.isatty()

    def __call__(self, status: Status) -> None:
        """Print `status` if a new line is due; write the CSV file after each validation."""
        points = len(self._trainer.curves["iteration"])
        if points != self._points:
            self._points = points
            run_state.write_atomically(self._log, self._write_csv)
        now = time.monotonic()
        if now - self._shown < (0.5 if self._live else 30.0) and status.fraction < 1.0:
            return
        self._shown = now
        left = status.seconds / max(status.fraction, 1e-6) - status.seconds
        psnr = "" if status.psnr_y is None else f"  PSNR-Y {status.psnr_y:.2f}"
        line = (
            f"{status.fraction:6.1%}  iteration {status.iteration}  loss {status.loss:.5f}{psnr}"
            f"  rate {status.rate:.1e}  {left / 60:.1f} min left"
        )
        print(f"\r{line}\033[K" if self._live else line, end="" if self._live else "\n", flush=True)

    def _write_csv(self, target: Path) -> None:
        with target.open("w", newline="") as handle:
            table = csv.writer(handle)
            table.writerow(CURVE)
            table.writerows(zip(*(self._trainer.curves[key] for key in CURVE), strict=True))


def _interrupt(number: int, frame: FrameType | None) -> Any:
    raise KeyboardInterrupt
