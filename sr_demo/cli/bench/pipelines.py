"""`python -m sr_demo bench pipelines`: seconds per step and GPU memory of the large diffusion models."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = "Full size, random weights: nothing is downloaded. Needs a GPU and requirements-diffusion.txt."
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Print a Markdown table line by line, or JSON."""
    import torch

    from sr_demo.benchmarks.pipelines import HEADING, Cost, line, measured

    costs: list[Cost] = []
    for cost in measured():
        if not args.json:
            if not costs:
                print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}, fp16\n\n{HEADING}", flush=True)
            print(line(cost), flush=True)
        costs.append(cost)
    if args.json:
        gpu = torch.cuda.get_device_name(0)
        print(json.dumps({"gpu": gpu, "costs": [asdict(cost) for cost in costs]}, indent=2))
    return 0
