"""`python -m sr_demo export`: export of a network to a file for other programs."""

from __future__ import annotations

import argparse
from math import isinf
from pathlib import Path

from sr_demo.cli.console import add_overwrite, terminal
from sr_demo.cli.models import add_licence, add_model, one_job
from sr_demo.errors import BadInput
from sr_demo.system.file_sizes import file_size


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    command.description = (
        "The file is run in its own runtime and compared with the network: it is exported only if they "
        "agree to 60 dB (fp32) or 50 dB (fp16), or int8 loses less than 0.15 dB of PSNR-Y. A README and, for onnx and "
        "openvino, a small program lie beside it."
    )
    command.add_argument("approach", nargs="?", metavar="ID[:CHECKPOINT]", help="which network (see `list`)")
    add_model(command)
    add_licence(command)
    command.add_argument("--format", required=True, choices=("onnx", "openvino", "torchscript", "safetensors"))
    command.add_argument("--out", required=True, type=Path, metavar="FILE", help=".onnx, .xml, .pt or .safetensors")
    command.add_argument(
        "--precision", choices=("fp32", "fp16", "int8"), default="fp32", help="of the weights in the file"
    )
    command.add_argument(
        "--pairs", type=Path, metavar="HR_DIR",
        help="folder of originals that int8 is scored on, such as Set5 (default: four bundled photos)",
    )  # fmt: skip
    command.add_argument("--lr", type=Path, metavar="LR_DIR", help="their small versions (default: downscaled here)")
    add_overwrite(command)


def run(args: argparse.Namespace) -> int:
    """Export a network, and print how well the file agrees with it; return the exit status."""
    from sr_demo.export.exporter import export
    from sr_demo.reports.evaluation import pairs

    if args.lr is not None and args.pairs is None:
        raise BadInput("--lr needs --pairs: results are compared with the originals.")
    if args.pairs is not None and args.precision != "int8":
        raise BadInput("--pairs needs --precision int8: only its loss is scored.")
    job = one_job(argparse.Namespace(model=args.model, licence=args.licence), args.approach)
    found = pairs(args.pairs, args.lr, job.default_scale) if args.pairs else []
    name = "" if args.pairs is None else f"the {len(found)} pictures of {args.pairs}"
    done = export(job, args.format, args.out, args.precision, terminal("export"), found, name, overwrite=args.overwrite)
    found = done.agreement
    psnr = "identical" if isinf(found.psnr) else f"{found.psnr:.1f} dB"
    print(f"{done.path}  {file_size(done.bytes)}")
    print(f"agrees with the network: {psnr}, largest difference {found.largest:.2e}, mean {found.mean:.2e}")
    print(f"128 x 128 pixels: {found.seconds_here:.3f} s in torch, {found.seconds_there:.3f} s in this file")
    if done.loss is not None:
        loss = done.loss
        print(
            f"PSNR-Y on {loss.where}: {loss.before:.2f} dB in fp32, {loss.after:.2f} dB in int8, "
            f"loss {loss.decibels:.3f} dB; {loss.of - loss.kept} of {loss.of} layers in int8"
        )
    print("beside it: " + ", ".join(path.name for path in done.beside))
    return 0
