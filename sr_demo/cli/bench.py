"""`python -m sr_demo bench`: how fast is it here, beside what people run today?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

from sr_demo.cli.console import complain, terminal, write_text


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "bench",
        help="seconds, GFLOP/s and memory beside plain torch, ONNX Runtime and OpenVINO",
        description="Same weights, same picture, same threads, medians of runs that take turns. Leave the machine alone "
        "meanwhile: ratios hold on a busy machine, seconds do not. The comparison with ONNX Runtime needs "
        "requirements-export.txt.",
    )
    command.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="rows for programs, to FILE or standard output"
    )
    command.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="NAME",
        help="only this case (with --precision-from, --costs, --halos or --tiles: this method); may be repeated",
    )
    command.add_argument("--path", action="append", default=[], metavar="NAME", help="only this path; may be repeated")
    command.add_argument("--rounds", type=int, default=5, metavar="N", help="turns that the medians are taken of (5)")
    command.add_argument("--page", type=Path, metavar="FILE", help="also write the table into this page of docs/")
    command.add_argument(
        "--precision-from",
        type=Path,
        metavar="DIR",
        help="instead: how far PSNR-Y moves from fp32 on the true pictures in DIR, for every embedded network; also in int8",
    )
    command.add_argument(
        "--startup",
        action="store_true",
        help="instead: seconds until the page is served, and of the first results of real-esrgan through its HTTP API",
    )
    command.add_argument(
        "--startup-cache", type=Path, metavar="DIR",
        help="cache folder for --startup, kept; without it an empty one that is removed again",
    )  # fmt: skip
    command.add_argument(
        "--around", action="store_true",
        help="instead: seconds per megapixel of everything around a network: reading, tiles, metrics, writing",
    )  # fmt: skip
    command.add_argument(
        "--halos", action="store_true",
        help="instead: how much context around its tiles every embedded network needs, or those of --case",
    )  # fmt: skip
    command.add_argument(
        "--tiles", action="store_true",
        help="instead: seconds per megapixel in pieces of several sizes, of every embedded method or those of --case",
    )  # fmt: skip
    command.add_argument(
        "--growth", action="append", metavar="ID[:CHECKPOINT]",
        help="instead: time, memory and the truth of the estimate for this method, from 1 to 64 megapixels; may be repeated",
    )  # fmt: skip
    command.add_argument(
        "--costs", choices=("show", "bytes", "all"),
        help="instead: memory and seconds of every method that is here; bytes, all: also write them into the cards",
    )  # fmt: skip
    command.add_argument(
        "--megapixels", type=float, action="append", metavar="N", help="sizes of the results for --around and --growth"
    )
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print; 2 when a path could not be run."""
    if args.precision_from is not None:
        return _precision(args)
    if args.startup:
        return _startup(args)
    if args.costs:
        return _costs(args.costs, args.case)
    if args.halos:
        return _halos(args.case)
    if args.tiles:
        return _tiles(args.case, max(args.rounds, 1))
    if args.around:
        return _around(args)
    if args.growth:
        return _growth(args)
    from sr_demo.benchmarks.performance_page import write_page
    from sr_demo.benchmarks.speed import bench, records, text

    rows, notes = bench(args.case, args.path, max(args.rounds, 1), terminal("bench"))
    listed = json.dumps(records(rows), indent=2)
    if args.json == "-":
        print(listed)
    else:
        print(text(rows))
        if args.json is not None:
            write_text(Path(args.json), listed + "\n")
    if args.page is not None:
        write_page(args.page, rows)
    for note in notes:
        complain(note)
    return 2 if notes else 0


def _precision(args: argparse.Namespace) -> int:
    from sr_demo.benchmarks.precision import moves

    failed = False
    print(f"{'network':<26}{'runs as':<28}{'fp32 dB':>9}{'moves by':>10}")
    for move in moves(args.precision_from, args.case, terminal("precision")):
        failed = failed or move.too_far
        by = "–" if isnan(move.by) else f"{move.by:+.4f}"
        print(
            f"{move.key:<26}{move.how:<28}{move.exact:>9.3f}{by:>10}{'  too far' if move.too_far else ''}", flush=True
        )
    return 2 if failed else 0


def _startup(args: argparse.Namespace) -> int:
    from sr_demo.benchmarks.startup import starts

    for start in starts(args.startup_cache, max(args.rounds, 1)):
        print(f"{start.name}: page served after {start.page:.2f} s", flush=True)
        for name, result in (("first result", start.first), ("median of those after it", start.later)):
            print(f"    {name:<26}{result.seconds:>7.2f} s  {result.engine or 'no engine'}, {result.precision}")
    return 0


def _around(args: argparse.Namespace) -> int:
    from sr_demo.benchmarks.overhead import TARGET, steps

    print(f"{'seconds per megapixel':<36}{'wall':>8}{'processor':>11}")
    for size in args.megapixels or [16]:
        for step in steps(size, max(args.rounds, 1)):
            print(f"{step.name:<36}{step.seconds:>8.4f}{step.processor_seconds:>11.4f}", flush=True)
        print(f"{'(to be at most)':<36}{TARGET:>8.4f}   at {size} megapixels")
    return 0


def _halos(names: Sequence[str]) -> int:
    from sr_demo.benchmarks.halos import Trace, reaches

    print("largest difference to the whole picture, in 8-bit steps, by halo; of blended tiles the PSNR to it, in dB")
    print(f"{'method':<24}{'halo':>6}{'needed':>8}")
    short = False
    for found in reaches(names, terminal("halos")):
        if isinstance(found, Trace):
            decibels = "  ".join(f"{halo}: {psnr:.1f} dB" for halo, psnr in found.decibels)
            print(f"{found.key:<24}{found.declared:>6}{'blended':>8}   {decibels}", flush=True)
            continue
        short = short or found.needed > found.declared
        errors = "  ".join(f"{halo}: {error * 255:.3f}" for halo, error in found.errors)
        print(f"{found.key:<24}{found.declared:>6}{found.needed:>8}   {errors}", flush=True)
    return 2 if short else 0


def _tiles(names: Sequence[str], rounds: int) -> int:
    from sr_demo.benchmarks.tiles import SIDES, rates

    print(
        "seconds per megapixel of a piece by its side in LR pixels; below it, of a result made of tiles that see so much"
    )
    print(f"{'method':<24}" + "".join(f"{side:>8}" for side in SIDES))
    found = rates(names, rounds, terminal("tiles"))
    for row in zip(*[found] * len(SIDES), strict=True):
        print(f"{row[0].key:<24}" + "".join(f"{rate.per_megapixel:>8.4f}" for rate in row))
        how = f"  in {row[0].engine or 'no engine'}, {row[0].precision}"
        print(f"{how:<24}" + "".join(f"{rate.in_tiles:>8.4f}" for rate in row), flush=True)
    return 0


def _growth(args: argparse.Namespace) -> int:
    from sr_demo.benchmarks.growth import MEGAPIXELS, grown
    from sr_demo.catalogue import APPROACHES
    from sr_demo.inference.jobs import job_for

    jobs = [job_for(APPROACHES, name) for name in args.growth]
    print(
        "estimate: for the first run of a size after the warm-up at 96 x 96, by the clock and in processor time; for later "
        "ones as the page has learned by then"
    )
    print(
        f"{'method':<20}{'Mpx':>6}{'seconds':>9}{'s/Mpx':>8}{'CPU s/Mpx':>11}{'first':>7}{'CPU':>6}{'again':>7}"
        f"{'MB':>7}{'budget':>8}  how"
    )
    for row in grown(jobs, args.megapixels or MEGAPIXELS, max(args.rounds, 1)):
        print(
            f"{row.key:<20}{row.megapixels:>6.2f}{row.seconds:>9.3f}{row.per_megapixel:>8.4f}"
            f"{row.processor_seconds / row.megapixels:>11.4f}{_percent(row.off):>7}{_percent(row.off_processor):>6}"
            f"{_percent(row.off_again):>7}{row.peak_memory_mb:>7.0f}{row.budget_mb:>8.0f}  {row.how}",
            flush=True,
        )
    return 0


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:+.0%}"


def _costs(what: str, names: Sequence[str]) -> int:
    from sr_demo.benchmarks.costs import costs, write

    print(f"{'method':<24}{'bytes/px':>10}{'as used':>10}   seconds for the first and for later runs at each side")
    for cost in costs(names, terminal("costs")):
        most = "–" if cost.bytes_per_pixel is None else str(cost.bytes_per_pixel)
        print(f"{cost.key:<24}{most:>10}{cost.declared:>10}")
        for timing in cost.timings:
            points = zip(timing.sides, timing.first, timing.again, strict=True)
            print(
                f"    {timing.backend or 'no engine':<12}{timing.threads or 'any':>4} threads   "
                + "   ".join(f"{side}: {first:.4f} {again:.4f}" for side, first, again in points),
                flush=True,
            )
        if what == "bytes":
            write(cost, "bytes")
        elif what == "all":
            write(cost, "all")
    return 0
