"""One measurement in a fresh process, so that its memory and time do not depend on what ran before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from sr_demo.errors import SRError


def bench_in_subprocess(what: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Any:
    """Run `python -m sr_demo bench ARGUMENTS` in a separate process.

    Args:
        what: Name of the measurement, for the error message.
        arguments: Subcommand and arguments, with which it prints one line of JSON at the end.
        environment: Environment variables to set in addition to those of this process.

    Returns:
        The parsed value of the last line.

    Raises:
        SRError: The process failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "sr_demo", "bench", *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    if done.returncode:
        printed = done.stderr.strip().splitlines()
        reason = printed[-1].removeprefix("sr_demo: ") if printed else f"its process ended with {done.returncode}"
        raise SRError(f"{what} could not be measured: {reason}")
    return json.loads(done.stdout.splitlines()[-1])
