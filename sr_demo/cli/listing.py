"""`python -m sr_demo list`: approaches with their options, checkpoints and licences."""

from __future__ import annotations

import argparse
import json
from typing import Any

from sr_demo.system.file_sizes import file_size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    from sr_demo.cli.models import with_files
    from sr_demo.reports.catalogue_listing import describe

    records = describe(with_files())
    if args.json:
        print(json.dumps(records, indent=2))
        return 0
    names = max(len(checkpoint["name"]) for record in records for checkpoint in record["checkpoints"]) + 1
    for record in records:
        print(f"{record['id']:<15} {record['summary']}")
        for option in record["options"]:
            print(f"    --set {option['name']}={option['default']}: {option['label']}. {option['help']}")
        for checkpoint in record["checkpoints"]:
            known = (_size(checkpoint), checkpoint["licence"], checkpoint["needs"], _availability(checkpoint))
            facts = ", ".join(fact for fact in known if fact)
            print(f"    :{checkpoint['name']:<{names}}{checkpoint['title']} ({facts})")
    return 0


def _size(checkpoint: dict[str, Any]) -> str:
    count = checkpoint["bytes"]
    return f"{'about ' if count >= 1e9 else ''}{file_size(count)}" if count else "no file"


def _availability(checkpoint: dict[str, Any]) -> str:
    if checkpoint["cannot_run_here"]:
        return f"not on this machine: {checkpoint['cannot_run_here']}"
    if checkpoint["kind"] == "own" and not any(checkpoint["sources"]):
        return "your own copy"
    if checkpoint["available_offline"]:
        origin = ", ".join(dict.fromkeys(filter(None, checkpoint["came_from"])))
        return f"here, from {origin}" if origin else "here"
    return "downloaded with --download" if checkpoint["asks_before_download"] else "downloaded on first use"
