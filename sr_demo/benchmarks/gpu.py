"""On a GPU: megapixels a second and share of the peak, for Compact, RRDB, HAT and HAT-S (`make bench-gpu`).

    python -m sr_demo.benchmarks.gpu [--json FILE]

Each network as the page runs it: the whole way from an array to an array, tiles by what memory allows. Beside it the same
with one of the choices undone: nothing computed ahead, one tile at a time, large tiles. The peak is torch's own bf16 product
of two 8192 x 8192 matrices in the same run. Random weights: they take the same time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from sr_demo.backends import selection
from sr_demo.benchmarks.speed_cases import CASES, SCALE, Case, hat
from sr_demo.image import ImageData
from sr_demo.imaging import tiling
from sr_demo.inference.jobs import Job, LoadedModel
from sr_demo.inference.upscale import upscale_image
from sr_demo.options import Options
from sr_demo.progress import SILENT
from sr_demo.spec import Approach, Checkpoint, Request, Upscaler
from sr_demo.system.memory import PeakMemory

SIDES = (512, 2048)
_ROUNDS = 3
_MATRIX = 8192
_LARGE = 1024
PATHS = ("ours", "nothing-ahead", "one-by-one", f"tiles-{_LARGE}")


def cases() -> list[Case]:
    """Compact, RRDB, HAT-S and HAT."""
    small = {case.name: case for case in CASES}
    hat_s = small["hat-s-96"]
    large = Case("hat-512", "HAT", 512, partial(hat, 180, 3, 30), hat_s.tiling, 53_000, attention=True)
    return [small["compact-256"], small["rrdb-96"], hat_s, large]


def _synchronize() -> None:
    """Wait for all that the device was told to do."""
    import torch

    from sr_demo.backends.torch_backend import device

    torch.get_device_module(device()).synchronize()


def _seconds(run: Callable[[], object]) -> float:
    """Median of three, the device's work included."""
    taken: list[float] = []
    for _ in range(_ROUNDS):
        _synchronize()
        begun = time.perf_counter()
        run()
        _synchronize()
        taken.append(time.perf_counter() - begun)
    return median(taken)


def _memory(run: Callable[[], object]) -> int:
    """Bytes of the device that `run` took at most, beyond what lay there; it is the run that warms up, too."""
    import torch

    from sr_demo.backends.torch_backend import device

    if device().type == "cpu":
        with PeakMemory() as peak:
            run()
        return peak.bytes
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    _synchronize()
    return torch.cuda.max_memory_allocated() - before


def _peak(side: int) -> float:
    """FLOP/s of the bf16 product of two matrices."""
    import torch

    from sr_demo.backends.torch_backend import device

    a = torch.rand(side, side, device=device(), dtype=torch.bfloat16)
    torch.mm(a, a)
    return 2.0 * side**3 / _seconds(lambda: torch.mm(a, a))


def _flops(network: Any) -> float:
    """Per LR pixel, counted on a small picture."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.rand(1, 3, 64, 64))
    return counter.get_total_flops() / 64**2


def _never(request: Request) -> Upscaler:
    raise AssertionError("the benchmark loads its networks itself")


def _method(case: Case, upscaler: Any, path: str, side: int) -> tuple[LoadedModel, int]:
    """What is run, and how many tiles it takes at once, at most."""
    rule = case.tiling
    if path == PATHS[3]:
        rule = replace(rule, largest=_LARGE, max_input_width=_LARGE + 2 * rule.halo, max_aspect=1)
    checkpoint = Checkpoint("bench", "", bytes_per_pixel=case.bytes_per_pixel)
    approach = Approach(
        id="bench", title="", summary="", about="", family="convolutional", load=_never, checkpoints=(checkpoint,),
        tiling=rule, scale=SCALE,
    )  # fmt: skip
    if path == "nothing-ahead":
        upscaler.ahead = 0
    if path == "one-by-one":
        upscaler.at_once = 1
    plan = tiling.plan_tiles(rule, case.bytes_per_pixel, upscaler.budget(), (side, side), upscaler.at_once)
    return LoadedModel(Job(approach, checkpoint, Options()), upscaler), plan.max_batch


def measure(chosen: Sequence[Case], sides: Sequence[int] = SIDES, matrix: int = _MATRIX) -> list[dict[str, Any]]:
    """One row per network, size and path; the device's name is in each."""
    import torch

    from sr_demo.backends.torch_backend import NetworkUpscaler, choose_precision, device
    from sr_demo.networks.fused_attention import fuse_attention

    name, peak = torch.cuda.get_device_name() if device().type == "cuda" else "cpu", _peak(matrix)
    rows: list[dict[str, Any]] = []
    for case in chosen:
        network = case.build().eval()
        flops = _flops(network)
        fuse_attention(network)
        precision = choose_precision("auto", ("fp32", "bf16"))
        for side in sides:
            picture = ImageData(selection.known_picture(side))
            for path in PATHS:
                upscaler = NetworkUpscaler(network, precision, mode="convert" if case.attention else "autocast")
                model, most = _method(case, upscaler, path, side)
                run = partial(upscale_image, model, picture, SILENT)
                used = _memory(run)
                done = run()
                groups = tiling.TilePlan((side, side), model.job.approach.tiling, done.tile, most).batches
                seen = max(len(group) * group[0].input_size.height * group[0].input_size.width for group in groups)
                seconds = _seconds(run)
                rows.append(
                    {
                        "case": f"{case.name.rpartition('-')[0]}-{side}",
                        "path": path,
                        "device": name,
                        "precision": precision,
                        "tiles": done.tiles,
                        "at_once": max(map(len, groups)),
                        "seconds": round(seconds, 4),
                        "megapixels_per_second": round(side**2 * SCALE**2 / seconds / 1e6, 2),
                        "gflops": round(flops * side**2 / seconds / 1e9, 1),
                        "ceiling_share": round(flops * side**2 / seconds / peak, 4),
                        "peak_memory_mb": round(used / 1e6, 1),
                        "bytes_per_pixel": round(used / seen),
                        "declared_bytes_per_pixel": case.bytes_per_pixel,
                    }
                )
    return rows


def main() -> int:
    """Print the rows; 2 without a GPU."""
    parser = argparse.ArgumentParser(prog="python -m sr_demo.benchmarks.gpu", description="Speed on a GPU.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        sys.stderr.write("sr_demo: there is no GPU that torch can use here.\n")
        return 2
    rows = measure(cases())
    listed = json.dumps(rows, indent=2)
    sys.stdout.write(listed + "\n")
    if arguments.json is not None:
        arguments.json.write_text(listed + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
