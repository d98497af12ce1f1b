"""`python -m sr_demo quantize`: quantization of the networks that ship with this app to int8."""

from __future__ import annotations

import argparse
from pathlib import Path

from sr_demo.cli.console import folder, print_error, terminal


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    command.description = (
        "For maintainers: quantize networks to int8, score them on Set5 and Set14, and write a graph file and a card for "
        "each into weights/int8/. Networks that have them run in int8 by default, wherever that is faster, and without "
        "nncf. A network is refused where it loses more than 0.02 dB of PSNR-Y on one of the test sets; an adversarial "
        "one where it changes by more than 0.05 dB, or the results agree with fp32 to less than 45 dB. The same command "
        "writes the same bytes."
    )
    command.add_argument("approach", nargs="+", metavar="ID[:CHECKPOINT]", help="which networks (see `list`)")
    command.add_argument("--test-sets", required=True, type=Path, metavar="DIR", help="folder with Set5 and Set14")
    command.add_argument("--val", type=Path, metavar="HR_DIR", help="folder of validation images, scored as well")
    command.add_argument(
        "--skip", type=int, default=0, metavar="N",
        help="leave out the N fastest choices of convolutions, where they are known to cost too much (default: 0)",
    )  # fmt: skip
    command.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: weights/int8)")


def run(args: argparse.Namespace) -> int:
    """Quantize each network; return 2 when one of them is refused."""
    from sr_demo.backends import shipped_int8
    from sr_demo.catalogue import APPROACHES
    from sr_demo.errors import SRError
    from sr_demo.export import int8_forms
    from sr_demo.inference.jobs import job_for

    jobs = [job_for(APPROACHES, name) for name in args.approach]
    out, failed = folder(args.out or shipped_int8.FOLDER), False
    for job in jobs:
        try:
            test_sets = int8_forms.test_pairs(args.test_sets, args.val, job.default_scale)
            form = int8_forms.make(job, test_sets, out, terminal(job.key), args.skip)
        except SRError as exc:
            print_error(f"{job.key}: {exc}")
            failed = True
            continue
        print(
            f"{job.key}  {form.file}, {(out / form.file).stat().st_size / 1000:.0f} kB: {int8_forms.described(form)}",
            flush=True,
        )
    return 2 if failed else 0
