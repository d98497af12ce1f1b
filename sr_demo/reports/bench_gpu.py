"""On a GPU: megapixels a second and share of the peak, for Compact, RRDB, HAT and HAT-S (`make bench-gpu`).

    python -m sr_demo.reports.bench_gpu [--json FILE]

Each network as the page runs it: the whole way from an array to an array, tiles by what memory allows. The peak is torch's
own bf16 product of two 8192 x 8192 matrices in the same run. Random weights: they take the same time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from sr_demo import engines
from sr_demo.enlarging import Method, enlarge
from sr_demo.image import Picture
from sr_demo.options import Options
from sr_demo.progress import SILENT
from sr_demo.reports.bench_cases import CASES, SCALE, Case, hat
from sr_demo.spec import Approach, Checkpoint, Request, Upscaler

_SIDES = (512, 2048)
_ROUNDS = 3
_MATRIX = 8192


def _cases() -> list[Case]:
    small = {case.name: case for case in CASES}
    hat_s = small["hat-s-96"]
    large = Case("hat", "HAT", 512, partial(hat, 180, 3, 30), hat_s.tiling, 53_000, attention=True)
    return [small["compact-256"], small["rrdb-96"], hat_s, large]


def _seconds(run: Callable[[], object]) -> float:
    """Median of three after one to warm up, the GPU's work included."""
    import torch

    run()
    taken: list[float] = []
    for _ in range(_ROUNDS):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        run()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - begun)
    return median(taken)


def _peak() -> float:
    """FLOP/s of the bf16 matrix product."""
    import torch

    a = torch.rand(_MATRIX, _MATRIX, device="cuda", dtype=torch.bfloat16)
    return 2.0 * _MATRIX**3 / _seconds(lambda: torch.mm(a, a))


def _flops(network: Any) -> float:
    """Per LR pixel, counted on a small picture."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.rand(1, 3, 64, 64))
    return counter.get_total_flops() / 64**2


def _never(request: Request) -> Upscaler:
    raise AssertionError("the benchmark loads its networks itself")


def measure() -> list[dict[str, Any]]:
    """One row per network and size; the GPU's name and peak are in each."""
    import torch

    from sr_demo.networks.fused_attention import fuse_attention
    from sr_demo.torch_runtime import NetworkUpscaler, choose_precision

    name, peak = torch.cuda.get_device_name(), _peak()
    rows: list[dict[str, Any]] = []
    for case in _cases():
        network = case.build().eval()
        flops = _flops(network)
        fuse_attention(network)
        precision = choose_precision("auto", ("fp32", "bf16"))
        upscaler = NetworkUpscaler(network, precision, mode="convert" if case.attention else "autocast")
        checkpoint = Checkpoint("bench", "", bytes_per_pixel=case.bytes_per_pixel)
        approach = Approach(
            id="bench", title="", summary="", about="", family="convolutional", load=_never,
            checkpoints=(checkpoint,), tiling=case.tiling, scale=SCALE,
        )  # fmt: skip
        for side in _SIDES:
            torch.cuda.reset_peak_memory_stats()
            picture = Picture(engines.known_picture(side))
            method = Method(approach, checkpoint, Options(), upscaler)
            seconds = _seconds(lambda method=method, picture=picture: enlarge(method, picture, SILENT))
            rows.append(
                {
                    "case": f"{case.name.rsplit('-', 1)[0]}-{side}",
                    "path": "ours",
                    "device": name,
                    "precision": precision,
                    "seconds": round(seconds, 4),
                    "megapixels_per_second": round(side**2 * SCALE**2 / seconds / 1e6, 2),
                    "gflops": round(flops * side**2 / seconds / 1e9, 1),
                    "ceiling_share": round(flops * side**2 / seconds / peak, 4),
                    "peak_memory_mb": round(torch.cuda.max_memory_allocated() / 1e6, 1),
                }
            )
    return rows


def main() -> int:
    """Print the rows; 2 without a GPU."""
    parser = argparse.ArgumentParser(prog="python -m sr_demo.reports.bench_gpu", description="Speed on a GPU.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        sys.stderr.write("sr_demo: there is no GPU that torch can use here.\n")
        return 2
    rows = measure()
    listed = json.dumps(rows, indent=2)
    sys.stdout.write(listed + "\n")
    if arguments.json is not None:
        arguments.json.write_text(listed + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
