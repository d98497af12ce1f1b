"""`python -m sr_demo bench load`: many concurrent visitors on a real server."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from sr_demo.cli.bench.arguments import count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Starts the real server on a free port. Each visitor has an address and an image of its own, uploads it, calls "
        "/upscale, waits for the result and fetches the PNG, which must be that of its own image. One more visitor uses the "
        "page meanwhile: the light requests."
    )
    parser.add_argument("--visitors", type=count, default=50, metavar="N", help="how many at once (50)")
    parser.add_argument("--method", default="espcn", metavar="ID[:CHECKPOINT]", help="what they request (espcn)")


def run(args: argparse.Namespace) -> int:
    """Print each visit and a summary; return 1 when a visitor got no result or a wrong one."""
    from sr_demo.benchmarks.load import Visit, load, summary, wrong
    from sr_demo.benchmarks.server import start

    def report(visit: Visit) -> None:
        print(f"visitor {visit.number}: {visit.message or 'result'} after {visit.seconds:.2f} s", flush=True)

    with tempfile.TemporaryDirectory(prefix="sr_demo-load-") as scratch:
        folder = Path(scratch)
        with start(folder / "cache", folder, folder / "log", {"SR_DEMO_PROXY": "1"}) as server:
            print(f"server up after {server.seconds:.1f} s; {args.visitors} visitors, {args.method}", flush=True)
            found = load(server.url, args.visitors, args.method, folder, report)
    print(summary(found))
    return 1 if found.failed or wrong(found.visits) or any(visit.result is None for visit in found.visits) else 0
