"""`--scale`, `--width`, `--height` and `--print`: the size of the result."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sr_demo.imaging.output_size import OutputSize


def add_size(command: argparse.ArgumentParser) -> None:
    """Add the mutually exclusive arguments for the size of the result; `size_of` reads them."""
    group = command.add_argument_group(
        "size of the result",
        "one of these; without any, that of the approach (4 times, for most). A network that has no such scale of its own "
        "runs at the next larger one, twice above it, and its result is resampled in linear light.",
    )
    sizes = group.add_mutually_exclusive_group()
    sizes.add_argument("--scale", type=float, metavar="FACTOR", help="times as large, from 1 to 8, such as 2 or 2.5")
    sizes.add_argument("--width", type=int, metavar="PIXELS", help="pixels wide")
    sizes.add_argument("--height", type=int, metavar="PIXELS", help="pixels high")
    sizes.add_argument(
        "--print", dest="print_size", metavar="WxHcm@DPI",
        help="as large as fits on paper, such as 30x20cm@300 (or mm, in); the file states the resolution",
    )  # fmt: skip


def size_of(args: argparse.Namespace) -> OutputSize | None:
    """Return the requested size; None if none is given, or if the command has no such argument. Raises BadInput."""
    from sr_demo.imaging import output_size

    for name, read in (
        ("scale", output_size.by_factor), ("width", output_size.by_width), ("height", output_size.by_height),
        ("print_size", output_size.parse_print),
    ):  # fmt: skip
        value = getattr(args, name, None)
        if value is not None:
            return read(value)
    return None
