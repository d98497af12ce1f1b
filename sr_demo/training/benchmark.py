"""Training speed of the recipes and their share of the device's peak: `python -m sr_demo train --benchmark`.

The reference is a square matrix product on the same device in the precision of the training. It is measured alternately with
training steps of the same run, so that other load on the machine affects both alike.
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

_FRACTION = 0.999
"""Fraction of the run at which steps are measured, which is the last phase with all its losses."""
_SIDE = {"cpu": 2048, "cuda": 8192, "mps": 4096}
"""Side of the matrices, by device."""
_STEP_SECONDS, _PRODUCT_SECONDS = 0.5, 0.25
"""Minimum duration of the training steps and of each series of products in one round."""
_ROUNDS = 5

Make = Callable[[Recipe, Pairs, Pairs, torch.device, int], Trainer]


@dataclass(frozen=True)
class Speed:
    """Speed of one recipe's training step, medians over the rounds."""

    recipe: str
    batch: int
    patch: int
    losses: str
    iterations_per_second: float
    flops_per_iteration: float
    """FLOPs of one iteration, with 2 per multiply-add: forward and backward of all networks in the step."""
    tflops: float
    product_tflops: float
    """TFLOP/s of the matrix product in the same rounds."""
    share: float
    """`tflops / product_tflops`, median of the rounds' ratios."""
    precision: str


def benchmark(
    recipes: Sequence[Recipe], device: torch.device, make: Make, rounds: int,
    report: Callable[[Speed], None] | None = None,
) -> list[Speed]:  # fmt: skip
    """Measure each recipe.

    Args:
        recipes: The recipes.
        device: Device to train on.
        make: Builds the trainer of a recipe.
        rounds: Rounds of products and steps for each recipe.
        report: Called with each result as soon as it is measured.
    """
    speeds: list[Speed] = []
    for recipe in recipes:
        speed = measure(recipe, device, make, rounds)
        speeds.append(speed)
        if report is not None:
            report(speed)
    return speeds


def measure(recipe: Recipe, device: torch.device, make: Make, rounds: int) -> Speed:
    """Measure one recipe on random images, since the content does not change the duration of a step."""
    phase = recipe.phases[-1]
    pairs = _random_pairs(recipe.scale, max(max(p.patch for p in recipe.phases), 16))
    trainer = make(recipe, pairs, pairs, device, 0)
    trainer.step(_FRACTION)
    # With AdamW, which multiplies no matrices, only the FLOPs of the networks are counted.
    counted = make(replace(recipe, optimiser="adamw"), pairs, pairs, device, 0)
    with FlopCounterMode(display=False) as counter:
        counted.step(_FRACTION)
    flops = float(counter.get_total_flops())
    product = _product(device, trainer.reduced)
    product()
    rates: list[float] = []
    products: list[float] = []
    for _ in range(rounds):
        products.append(product())
        start = time.perf_counter()
        steps = 0
        while steps == 0 or time.perf_counter() - start < _STEP_SECONDS:
            trainer.step(_FRACTION)
            _wait(device)
            steps += 1
        seconds = time.perf_counter() - start
        rates.append(steps / seconds)
        # The mean of a product before and one after the steps, since other load rarely changes within one round.
        products[-1] = (products[-1] + product()) / 2
    shares = [rate * flops / flops_of_product for rate, flops_of_product in zip(rates, products, strict=True)]
    return Speed(
        recipe=recipe.name,
        batch=phase.batch,
        patch=phase.patch,
        losses="+".join(name for name, _ in phase.losses),
        iterations_per_second=round(float(np.median(rates)), 3),
        flops_per_iteration=flops,
        tflops=round(float(np.median(rates)) * flops / 1e12, 4),
        product_tflops=round(float(np.median(products)) / 1e12, 4),
        share=round(float(np.median(shares)), 4),
        precision="bf16" if trainer.reduced else "fp32",
    )


def run_benchmark(args: argparse.Namespace, recipes: Sequence[Recipe], device: torch.device, make: Make) -> int:
    """Print a table, or JSON with --json; return 0."""
    import json

    from sr_demo.training.cards import device_name

    if args.json:
        speeds = benchmark(recipes, device, make, _ROUNDS)
        print(json.dumps(as_json(speeds, device_name(device)), indent=2))
        return 0
    print(f"{device_name(device)}; TFLOP/s of a training step against a matrix product in the same run")
    print(f"{'recipe':<20}{'batch':>6}{'patch':>6}{'it/s':>9}{'GFLOP/it':>10}{'TFLOP/s':>9}{'product':>9}{'share':>7}")
    benchmark(recipes, device, make, _ROUNDS, lambda speed: print(_line(speed), flush=True))
    return 0


def as_json(speeds: Sequence[Speed], device: str) -> dict[str, Any]:
    """Return the results as a JSON-compatible dict."""
    return {"device": device, "torch": torch.__version__, "recipes": [asdict(speed) for speed in speeds]}


def _line(s: Speed) -> str:
    return (
        f"{s.recipe:<20}{s.batch:>6}{s.patch:>6}{s.iterations_per_second:>9.2f}{s.flops_per_iteration / 1e9:>10.0f}"
        f"{s.tflops:>9.3f}{s.product_tflops:>9.3f}{s.share:>7.0%}  {s.precision}, {s.losses}"
    )


def _product(device: torch.device, reduced: bool) -> Callable[[], float]:
    """Return a function that multiplies two matrices repeatedly and returns FLOP/s."""
    side = _SIDE[device.type]
    kind = torch.bfloat16 if reduced else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))

    def run() -> float:
        start, done = time.perf_counter(), 0
        while done == 0 or time.perf_counter() - start < _PRODUCT_SECONDS:
            torch.matmul(a, b)
            _wait(device)
            done += 1
        return done * 2.0 * side**3 / (time.perf_counter() - start)

    return run


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _random_pairs(scale: int, patch: int) -> Pairs:
    side = patch * scale * 2
    hr = tuple(np.random.default_rng(i).integers(0, 256, (side, side, 3), dtype=np.uint8) for i in range(4))
    return Pairs(tuple(str(i) for i in range(4)), hr, tuple(downscale_8bit(p, scale) for p in hr), ())
