"""The command line: the same core as the page.

Exit status: 0 on success, 2 with one clear line on bad arguments or input, 130 on Ctrl-C. Progress goes to a terminal only.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from sr_demo.cli import batch, bench, data, deploy, evaluate_digits, export, memory
from sr_demo.cli.console import (
    add_download,
    add_precision,
    add_set,
    assignments,
    complain,
    folder,
    terminal,
    write_text,
)
from sr_demo.errors import BadInput, SRError, unexpected

_EXAMPLES = """examples:
  python -m sr_demo list
  python -m sr_demo upscale photo.jpg --approach rdn --out big/
  python -m sr_demo upscale *.png --approach mosaic:tiles-8 --set overlap=50 --out big/
  python -m sr_demo evaluate --hr photos/ --approach bicubic --approach hat --json scores.json
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help explains)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    args = _parser(sys.argv[1:] if argv is None else argv).parse_args(argv)
    try:
        return args.run(args)
    except SRError as exc:
        complain(str(exc))
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Exception as exc:
        complain(unexpected(exc, "running a command"))
        return 1


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m sr_demo",
        description="Enlarge pictures with very different methods, and measure what each one costs.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_list(commands)
    _add_upscale(commands)
    _add_evaluate(commands)
    batch.add(commands)
    export.add(commands)
    deploy.add(commands)
    bench.add(commands)
    evaluate_digits.add(commands)
    data.add(commands)
    _add_memory(commands, argv)
    _add_train(commands, wanted="train" in argv[:1])
    return parser


def _add_list(commands: Any) -> None:
    command = commands.add_parser("list", help="what there is: approaches, options, checkpoints, licences")
    command.add_argument("--json", action="store_true", help="print JSON for programs")
    command.set_defaults(run=_list)


def _add_upscale(commands: Any) -> None:
    command = commands.add_parser("upscale", help="enlarge pictures with one approach")
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="pictures to enlarge")
    command.add_argument(
        "--approach",
        required=True,
        metavar="ID[:CHECKPOINT]",
        help="which approach (see `list`); first checkpoint if none",
    )
    add_set(command)
    command.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results (PNG)")
    add_precision(command)
    add_download(command)
    command.set_defaults(run=_upscale)


def _add_evaluate(commands: Any) -> None:
    command = commands.add_parser(
        "evaluate",
        help="score approaches against the truth",
        description="PSNR and SSIM on BT.601 Y after rounding to 8 bit, border of 4 px cut: as in published tables. LR: the "
        "result shrunk again against what went in, dB. NIQE (own fit): lower looks more natural to it; needs no truth.",
    )
    command.add_argument("--hr", required=True, type=Path, metavar="DIR", help="the true pictures")
    command.add_argument(
        "--lr",
        type=Path,
        metavar="DIR",
        help="their small versions, same file names; without it they are made from --hr",
    )
    command.add_argument(
        "--degradation", choices=("bicubic", "realistic"), default="bicubic",
        help="how they are made: plain shrinking, or blur, noise and JPEG",
    )  # fmt: skip
    command.add_argument(
        "--approach", action="append", required=True, metavar="ID[:CHECKPOINT]", help="may be repeated: one row each"
    )
    add_set(command)
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    add_precision(command)
    add_download(command)
    command.set_defaults(run=_evaluate)


def _add_train(commands: Any, wanted: bool) -> None:
    """The trainer knows its own arguments; it imports torch, so it is asked for them only when it is wanted."""
    command = commands.add_parser("train", help="train an embedded network from a folder of photos")
    if wanted:
        from sr_demo.cli.train import add_train_arguments, run_train

        add_train_arguments(command)
        command.set_defaults(run=run_train)


def _add_memory(commands: Any, argv: Sequence[str]) -> None:
    """Like `train`: learning the embedded memory belongs to the training room."""
    train = memory.add(commands).add_parser("train", help="learn the embedded memory from a folder of photos")
    if list(argv[:2]) == ["memory", "train"]:
        from sr_demo.training.mosaic_anchors import add_memory_arguments, run_memory

        add_memory_arguments(train)
        train.set_defaults(run=run_memory)


def _list(args: argparse.Namespace) -> int:
    from sr_demo.catalogue import APPROACHES
    from sr_demo.reports.catalogue_listing import describe

    records = describe(APPROACHES)
    if args.json:
        print(json.dumps(records, indent=2))
        return 0
    for record in records:
        print(f"{record['id']:<15}{record['summary']}")
        for option in record["options"]:
            print(f"    --set {option['name']}={option['default']}: {option['label']}. {option['help']}")
        for checkpoint in record["checkpoints"]:
            known = (_size(checkpoint), checkpoint["licence"], checkpoint["needs"], _here(checkpoint))
            facts = ", ".join(fact for fact in known if fact)
            print(f"    :{checkpoint['name']:<14}{checkpoint['title']} ({facts})")
    return 0


def _size(checkpoint: dict[str, Any]) -> str:
    count = checkpoint["bytes"]
    if count >= 1e9:
        return f"about {count / 1e9:.1f} GB"
    return f"{count / 1e6:.1f} MB" if count else "no file"


def _here(checkpoint: dict[str, Any]) -> str:
    if checkpoint["cannot_run_here"]:
        return f"not on this machine: {checkpoint['cannot_run_here']}"
    if checkpoint["kind"] == "own":
        return "your own copy"
    if checkpoint["available_offline"]:
        return "here"
    return "downloaded with --download" if checkpoint["asks_before_download"] else "downloaded on first use"


def _upscale(args: argparse.Namespace) -> int:
    from sr_demo.catalogue import APPROACHES
    from sr_demo.image import read, write_png
    from sr_demo.inference.jobs import job_for
    from sr_demo.inference.runner import Runner
    from sr_demo.reports.formatting import precision

    job = job_for(APPROACHES, args.approach, assignments(args.set), args.precision, args.download)
    out = folder(args.out)
    runner, taken, failed = Runner(), set[Path](), False
    runner.warm(job, terminal(job.key))  # what fails here fails for every file: said once
    for path in args.files:
        try:
            result = runner.run(job, read(path), progress=terminal(path.name))
            target = _free_name(out, f"{path.stem}_{job.key.replace(':', '-')}", taken)
            write_png(result.picture, target)
        except SRError as exc:
            complain(f"{path.name}: {exc}")
            failed = True
            continue
        except Exception as exc:
            complain(f"{path.name}: {unexpected(exc, f'enlarging {path}')}")
            failed = True
            continue
        height, width = result.picture.rgb.shape[:2]
        print(f"{target}  {width} x {height}  {result.seconds:.2f} s  {precision(result.precision, result.loss_db)}")
    return 2 if failed else 0


def _evaluate(args: argparse.Namespace) -> int:
    from sr_demo.catalogue import APPROACHES
    from sr_demo.imaging.degradation import Realistic
    from sr_demo.inference.jobs import Failed, job_for
    from sr_demo.inference.runner import Runner
    from sr_demo.reports.evaluation import evaluate, pairs

    values = assignments(args.set)
    jobs = [job_for(APPROACHES, name, values, args.precision, args.download) for name in args.approach]
    if args.lr is not None and args.degradation == "realistic":
        raise BadInput("--lr gives the small pictures, --degradation realistic makes them: choose one of the two.")
    found = pairs(args.hr, args.lr, jobs[0].approach.scale)
    realistic = Realistic() if args.degradation == "realistic" else None
    rows: list[dict[str, Any]] = []
    failed = False
    if args.json is not None:
        write_text(args.json, "[]\n")  # a place that cannot be written is found out before the work
    for row in evaluate(Runner(), jobs, found, realistic, terminal("evaluate")):
        if isinstance(row, Failed):
            complain(f"{row.job.key}: {row.message}")
            failed = True
            continue
        if not rows:
            scores = f"{'PSNR-Y':>8}{'SSIM-Y':>9}{'PSNR-RGB':>10}{'LR':>7}{'NIQE':>7}"
            print(f"{'approach':<24}{scores}{'s/image':>9}{'MB':>8}  precision")
        print(_row_text(row), flush=True)
        rows.append(row)
        if args.json is not None:
            write_text(args.json, json.dumps(rows, indent=2) + "\n")
    return 2 if failed else 0


def _row_text(row: dict[str, Any]) -> str:
    from sr_demo.reports.formatting import precision

    def number(key: str, width: int, digits: int, none: str = "identical") -> str:
        value = row[key]
        return f"{none:>{width}}" if value is None else f"{value:>{width}.{digits}f}"

    return (
        f"{row['approach'] + ':' + row['checkpoint']:<24}{number('psnr_y', 8, 2)}{number('ssim_y', 9, 4)}"
        f"{number('psnr_rgb', 10, 2)}{number('lr_consistency', 7, 2, 'same')}{number('niqe', 7, 2, '–')}"
        f"{row['seconds_per_image']:>9.3f}{row['peak_memory_mb']:>8.0f}  "
        f"{precision(row['precision'], row['precision_loss_db'])}"
    )


def _free_name(folder: Path, stem: str, taken: set[Path]) -> Path:
    """A PNG name that no earlier file of this call has."""
    number, target = 1, folder / f"{stem}.png"
    while target in taken:
        number += 1
        target = folder / f"{stem}_{number}.png"
    taken.add(target)
    return target
