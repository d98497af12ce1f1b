"""How fast recipes train here, and how much of the device that uses: `python -m sr_demo train --benchmark`.

The yardstick is a square matrix product on the same device, in the precision that training computes in, taken in turns
with the training steps of the same run: on a machine that others use too, both are slowed down alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from sr_demo.training.data import Pairs, downscale_8bit
from sr_demo.training.loop import Trainer
from sr_demo.training.recipes import Recipe

_LAST = 0.999
"""Part of the run at which a step is taken: the last phase, with everything that belongs to it."""
_SIDE = {"cpu": 2048, "cuda": 8192, "mps": 4096}
"""Of the matrices."""
_STEPS, _PRODUCTS = 0.5, 0.25
"""Seconds, at least, of training steps and of each run of products in one round."""
_ROUNDS = 5

Make = Callable[[Recipe, Pairs, Pairs, torch.device, int], Trainer]


@dataclass(frozen=True)
class Speed:
    """One recipe's training step, as measured: medians over the rounds."""

    recipe: str
    batch: int
    patch: int
    losses: str
    iterations_per_second: float
    flops_per_iteration: float
    """Multiply-adds count twice; forward and backward of all networks that take part in the step."""
    tflops: float
    product_tflops: float
    """What the matrix product reached in the same rounds."""
    share: float
    """`tflops / product_tflops`, the median of the rounds' own shares."""
    precision: str


def benchmark(
    recipes: Sequence[Recipe], device: torch.device, make: Make, rounds: int,
    report: Callable[[Speed], None] | None = None,
) -> list[Speed]:  # fmt: skip
    """Measure each recipe in `rounds` rounds of matrix products and steps; `report` hears of each when it is done."""
    found: list[Speed] = []
    for recipe in recipes:
        speed = measure(recipe, device, make, rounds)
        found.append(speed)
        if report is not None:
            report(speed)
    return found


def measure(recipe: Recipe, device: torch.device, make: Make, rounds: int) -> Speed:
    """One recipe, on random pictures: what they show does not change how long a step takes."""
    phase = recipe.phases[-1]
    pairs = _pictures(recipe.scale, max(max(p.patch for p in recipe.phases), 16))
    trainer = make(recipe, pairs, pairs, device, 0)
    trainer.step(_LAST)
    # AdamW multiplies no matrices: what is counted is the networks' own work.
    counted = make(replace(recipe, optimiser="adamw"), pairs, pairs, device, 0)
    with FlopCounterMode(display=False) as counter:
        counted.step(_LAST)
    flops = float(counter.get_total_flops())
    product = _product(device, trainer.reduced)
    product()
    rates: list[float] = []
    yards: list[float] = []
    for _ in range(rounds):
        yards.append(product())
        begun = time.perf_counter()
        steps = 0
        while steps == 0 or time.perf_counter() - begun < _STEPS:
            trainer.step(_LAST)
            _wait(device)
            steps += 1
        seconds = time.perf_counter() - begun
        rates.append(steps / seconds)
        # Half before, half after: what else the machine does rarely changes within one round.
        yards[-1] = (yards[-1] + product()) / 2
    shares = [rate * flops / yard for rate, yard in zip(rates, yards, strict=True)]
    return Speed(
        recipe=recipe.name,
        batch=phase.batch,
        patch=phase.patch,
        losses="+".join(name for name, _ in phase.losses),
        iterations_per_second=round(float(np.median(rates)), 3),
        flops_per_iteration=flops,
        tflops=round(float(np.median(rates)) * flops / 1e12, 4),
        product_tflops=round(float(np.median(yards)) / 1e12, 4),
        share=round(float(np.median(shares)), 4),
        precision="bf16" if trainer.reduced else "fp32",
    )


def run_benchmark(args: argparse.Namespace, recipes: Sequence[Recipe], device: torch.device, make: Make) -> int:
    """Print a table, or JSON with --json."""
    import json

    from sr_demo.training.cards import device_name

    if args.json:
        speeds = benchmark(recipes, device, make, _ROUNDS)
        print(json.dumps(as_data(speeds, device_name(device)), indent=2))
        return 0
    print(f"{device_name(device)}; TFLOP/s of a training step against a matrix product in the same run")
    print(f"{'recipe':<20}{'batch':>6}{'patch':>6}{'it/s':>9}{'GFLOP/it':>10}{'TFLOP/s':>9}{'product':>9}{'share':>7}")
    benchmark(recipes, device, make, _ROUNDS, lambda speed: print(_line(speed), flush=True))
    return 0


def as_data(speeds: Sequence[Speed], device: str) -> dict[str, Any]:
    """For programs."""
    return {"device": device, "torch": torch.__version__, "recipes": [asdict(speed) for speed in speeds]}


def _line(s: Speed) -> str:
    return (
        f"{s.recipe:<20}{s.batch:>6}{s.patch:>6}{s.iterations_per_second:>9.2f}{s.flops_per_iteration / 1e9:>10.0f}"
        f"{s.tflops:>9.3f}{s.product_tflops:>9.3f}{s.share:>7.0%}  {s.precision}, {s.losses}"
    )


def _product(device: torch.device, reduced: bool) -> Callable[[], float]:
    """A function that multiplies two matrices over and over and returns FLOP/s."""
    side = _SIDE[device.type]
    kind = torch.bfloat16 if reduced else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))

    def run() -> float:
        begun, done = time.perf_counter(), 0
        while done == 0 or time.perf_counter() - begun < _PRODUCTS:
            torch.matmul(a, b)
            _wait(device)
            done += 1
        return done * 2.0 * side**3 / (time.perf_counter() - begun)

    return run


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _pictures(scale: int, patch: int) -> Pairs:
    side = patch * scale * 2
    hr = tuple(np.random.default_rng(i).integers(0, 256, (side, side, 3), dtype=np.uint8) for i in range(4))
    return Pairs(tuple(str(i) for i in range(4)), hr, tuple(downscale_8bit(p, scale) for p in hr), ())
