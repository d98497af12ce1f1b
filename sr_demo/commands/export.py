"""`python -m sr_demo export`: a network as a file for other programs."""

from __future__ import annotations

import argparse
from math import isinf
from pathlib import Path
from typing import Any

from sr_demo.commands.console import terminal


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "export",
        help="write a network for use without this program, checked",
        description="The file is run in its own runtime and compared with the network: it is handed out only if they "
        "agree to 60 dB (fp32) or 50 dB (fp16). A README and, for onnx and openvino, a small program lie beside it.",
    )
    command.add_argument("approach", metavar="ID[:CHECKPOINT]", help="which network (see `list`)")
    command.add_argument("--format", required=True, choices=("onnx", "openvino", "torchscript", "safetensors"))
    command.add_argument("--out", required=True, type=Path, metavar="FILE", help=".onnx, .xml, .pt or .safetensors")
    command.add_argument("--precision", choices=("fp32", "fp16"), default="fp32", help="of the weights in the file")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export, and say how well the file agrees."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.reports.export import export
    from sr_demo.runner import job_for

    job = job_for(APPROACHES, args.approach)
    done = export(job, args.format, args.out, args.precision, terminal("export"))
    found = done.agreement
    psnr = "identical" if isinf(found.psnr) else f"{found.psnr:.1f} dB"
    print(f"{done.path}  {done.bytes / 1e6:.2f} MB")
    print(f"agrees with the network: {psnr}, largest difference {found.largest:.2e}, mean {found.mean:.2e}")
    print(f"128 x 128 pixels: {found.seconds_here:.3f} s in torch, {found.seconds_there:.3f} s in this file")
    print("beside it: " + ", ".join(path.name for path in done.beside))
    return 0
