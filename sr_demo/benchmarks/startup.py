"""Seconds after `python app.py` until the page is served, and of the first results through its HTTP API.

The server is started twice with the same cache folder. At the first start the folder is empty. Before the second start, the
network of the method was converted and timed in the background, which happens once on every machine. The request is sent as
soon as the page is served, while the server is still warming up; this is the worst case.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sr_demo.backends.selection import synthetic_image
from sr_demo.benchmarks.server import start
from sr_demo.image import ImageData, write_png

_METHOD = "real-esrgan"
_SIDE = 256
_SETTLED_SECONDS = 120.0
"""Longest wait until the network is converted and timed in the background."""


@dataclass(frozen=True)
class Result:
    """One result of the HTTP API."""

    seconds: float
    """Time from sending the request to the response: upload, waiting, upscaling, metrics and PNG included."""
    backend: str
    precision: str


@dataclass(frozen=True)
class Start:
    """One start of the server."""

    name: str
    page: float
    """Seconds from starting Python until `GET /` succeeds."""
    first: Result
    later: Result
    """The last of the later results, with the median seconds of all later results."""


def starts(cache: Path | None, rounds: int) -> Iterator[Start]:
    """Start the server twice.

    Args:
        cache: Cache folder that is kept; None for an empty one that is removed.
        rounds: Requests after the first one of each start.

    Raises:
        SRError: The server did not start.
    """
    with tempfile.TemporaryDirectory(prefix="sr_demo-startup-") as scratch:
        image = Path(scratch) / "image.png"
        write_png(ImageData(synthetic_image(_SIDE)), image)
        folder = cache or Path(scratch) / "cache"
        yield _start("the first time on this machine", folder, image, rounds, settle=True)
        yield _start("with the converted network", folder, image, rounds)


def _start(name: str, cache: Path, image: Path, rounds: int, *, settle: bool = False) -> Start:
    with start(cache, image.parent, image.parent / "log") as server:
        from gradio_client import Client

        client = Client(server.url, verbose=False, download_files=False)
        first = _request(client, image)
        later = [_request(client, image) for _ in range(rounds)]
        if settle:
            _wait_until_prepared(client, image)
    return Start(
        name, server.seconds, first, Result(median(r.seconds for r in later), later[-1].backend, later[-1].precision)
    )


def _request(client: Any, image: Path) -> Result:
    from gradio_client import handle_file

    begun = time.perf_counter()
    _, report = client.predict(handle_file(str(image)), _METHOD, {}, api_name="/upscale")
    return Result(time.perf_counter() - begun, report["engine"], report["precision"])  # words: ok


def _wait_until_prepared(client: Any, image: Path) -> None:
    """Wait until the converted network is used; at most two minutes, since torch may be faster or the only backend."""
    deadline = time.monotonic() + _SETTLED_SECONDS
    while time.monotonic() < deadline and _request(client, image).backend in ("", "torch"):
        time.sleep(2)
