"""Speed of Compact, RRDB, HAT and HAT-S on a GPU: megapixels per second and share of the peak (`make bench-gpu`).

Each network runs as on the page, from array to array, in tiles whose size follows from the memory. For comparison, the same
runs with one choice undone: nothing computed ahead, one tile at a time, large tiles. The peak is torch's bf16 product of two
8192 x 8192 matrices in the same run. Weights are random, which does not change the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

from sr_demo.backends import selection
from sr_demo.benchmarks.speed_cases import CASES, SCALE, Case, hat
from sr_demo.checkpoint import Checkpoint
from sr_demo.image import ImageData
from sr_demo.imaging import tiling
from sr_demo.inference.jobs import Job, LoadedModel
from sr_demo.inference.upscale import upscale_image
from sr_demo.options import Options
from sr_demo.progress import SILENT
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.system.memory import PeakMemory

SIDES = (512, 2048)
"""Sides of the input in pixels."""
_ROUNDS = 3
_MATRIX = 8192
_LARGE = 1024
PATHS = ("ours", "nothing-ahead", "one-by-one", f"tiles-{_LARGE}")
HEADING = (
    f"{'case':<14}{'path':<16}{'tiles':>6}{'at once':>9}{'seconds':>9}{'Mpx/s':>9}{'GFLOP/s':>9}{'share':>7}{'MB':>8}"
    f"{'bytes/px':>10}{'as used':>9}"
)


def cases() -> list[Case]:
    """Return the cases that are measured: Compact, RRDB, HAT-S and HAT."""
    small = {case.name: case for case in CASES}
    hat_s = small["hat-s-96"]
    large = Case("hat-512", "HAT", 512, partial(hat, 180, 3, 30), hat_s.tiling, 53_000, attention=True)
    return [small["compact-256"], small["rrdb-96"], hat_s, large]


def _synchronize() -> None:
    """Wait until the device has finished all queued work."""
    import torch

    from sr_demo.backends.torch_backend import device

    torch.get_device_module(device()).synchronize()


def _seconds(run: Callable[[], object]) -> float:
    """Return the median time of three runs in seconds, the device's work included."""
    taken: list[float] = []
    for _ in range(_ROUNDS):
        _synchronize()
        begun = time.perf_counter()
        run()
        _synchronize()
        taken.append(time.perf_counter() - begun)
    return median(taken)


def _memory(run: Callable[[], object]) -> int:
    """Return the peak device memory of `run` in bytes, beyond what was allocated before. It is also the warm-up."""
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
    """Return the FLOP/s of the bf16 product of two matrices of `side` x `side`."""
    import torch

    from sr_demo.backends.torch_backend import device

    a = torch.rand(side, side, device=device(), dtype=torch.bfloat16)
    torch.mm(a, a)
    return 2.0 * side**3 / _seconds(lambda: torch.mm(a, a))


def _flops(network: Any) -> float:
    """Return the floating point operations per LR pixel, counted on a small image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.rand(1, 3, 64, 64))
    return counter.get_total_flops() / 64**2


def _never(request: Request) -> Upscaler:
    raise AssertionError("the benchmark loads its networks itself")


def _method(case: Case, upscaler: Any, path: str, side: int) -> tuple[LoadedModel, tiling.TilePlan]:
    """Return the method to run, and its tile plan."""
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
    return LoadedModel(Job(approach, checkpoint, Options()), upscaler), plan


def measure(chosen: Sequence[Case], sides: Sequence[int] = SIDES, matrix: int = _MATRIX) -> Iterator[dict[str, Any]]:
    """Measure each network at each size on each path.

    Args:
        chosen: The networks.
        sides: Height and width of the inputs in pixels.
        matrix: Side of the matrices whose product is the peak.

    Yields:
        One JSON-able row for each; every row has the device's name.
    """
    import torch

    from sr_demo.backends.torch_backend import NetworkUpscaler, choose_precision, device
    from sr_demo.networks.fused_attention import fuse_attention

    name, peak = torch.cuda.get_device_name() if device().type == "cuda" else "cpu", _peak(matrix)
    for case in chosen:
        network = case.build().eval()
        flops = _flops(network)
        fuse_attention(network)
        precision = choose_precision("auto", ("fp32", "bf16"))
        for side in sides:
            image = ImageData(selection.synthetic_image(side))
            for path in PATHS:
                upscaler = NetworkUpscaler(network, precision, mode="convert" if case.attention else "autocast")
                model, plan = _method(case, upscaler, path, side)
                run = partial(upscale_image, model, image, SILENT)
                used = _memory(run)
                done = run()
                sizes = [(len(batch), batch[0].input_size) for batch in plan.batches]
                pixels = max(count * size.height * size.width for count, size in sizes)
                seconds = _seconds(run)
                yield {
                    "case": f"{case.name.rpartition('-')[0]}-{side}",
                    "path": path,
                    "device": name,
                    "precision": precision,
                    "tiles": done.tiles,
                    "at_once": max(map(len, plan.batches)),
                    "seconds": round(seconds, 4),
                    "megapixels_per_second": round(side**2 * SCALE**2 / seconds / 1e6, 2),
                    "gflops": round(flops * side**2 / seconds / 1e9, 1),
                    "ceiling_share": round(flops * side**2 / seconds / peak, 4),
                    "peak_memory_mb": round(used / 1e6, 1),
                    "bytes_per_pixel": round(used / pixels),
                    "declared_bytes_per_pixel": case.bytes_per_pixel,
                }


def line(row: dict[str, Any]) -> str:
    """Return one row of the table below `HEADING`."""
    return (
        f"{row['case']:<14}{row['path']:<16}{row['tiles']:>6}{row['at_once']:>9}{row['seconds']:>9.4f}"
        f"{row['megapixels_per_second']:>9.2f}{row['gflops']:>9.0f}{row['ceiling_share']:>7.0%}{row['peak_memory_mb']:>8.0f}"
        f"{row['bytes_per_pixel']:>10}{row['declared_bytes_per_pixel']:>9}"
    )
