"""How long people wait at first: for the page after `python app.py`, and for the first results through its HTTP API.

The server is started twice with the same cache folder. The first time nothing has been prepared there; before the second,
the network of the method was converted and measured in the background, as happens on every machine once. The request is
sent as soon as the page is there, while the server is still warming up: the hardest case.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sr_demo.backends.selection import known_picture
from sr_demo.errors import SRError
from sr_demo.image import ImageData, write_png

_APP = Path(__file__).resolve().parents[2] / "app.py"
_METHOD = "real-esrgan"
_SIDE = 256
_PATIENCE_SECONDS = 300.0
_SETTLED_SECONDS = 120.0
"""How long the background may take to convert and time the network."""


@dataclass(frozen=True)
class Answer:
    """One result of the HTTP API."""

    seconds: float
    """From sending the request to having the answer: upload, waiting, enlarging, metrics and PNG included."""
    engine: str
    precision: str


@dataclass(frozen=True)
class Start:
    """One start of the server."""

    name: str
    page: float
    """Seconds from starting Python until `GET /` is answered."""
    first: Answer
    later: Answer
    """Seconds are the median of all that followed."""


def starts(cache: Path | None, rounds: int) -> Iterator[Start]:
    """Both starts, with `rounds` requests after the first of each. Raises SRError when the server does not come up."""
    with tempfile.TemporaryDirectory(prefix="sr_demo-startup-") as scratch:
        small = Path(scratch) / "small.png"
        write_png(ImageData(known_picture(_SIDE)), small)
        folder = cache or Path(scratch) / "cache"
        yield _start("the first time on this machine", folder, small, rounds, settle=True)
        yield _start("with what was prepared then", folder, small, rounds)


def _start(name: str, cache: Path, small: Path, rounds: int, *, settle: bool = False) -> Start:
    with server(cache) as (url, page):
        from gradio_client import Client

        client = Client(url, verbose=False, download_files=False)
        first = _ask(client, small)
        later = [_ask(client, small) for _ in range(rounds)]
        if settle:
            _wait_until_prepared(client, small)
    return Start(name, page, first, Answer(median(a.seconds for a in later), later[-1].engine, later[-1].precision))


def _ask(client: Any, small: Path) -> Answer:
    from gradio_client import handle_file

    begun = time.perf_counter()
    _, report = client.predict(handle_file(str(small)), _METHOD, {}, api_name="/upscale")
    return Answer(time.perf_counter() - begun, report["engine"], report["precision"])


def _wait_until_prepared(client: Any, small: Path) -> None:
    """Until the converted network answers; or for two minutes, where torch is the faster one or the only one."""
    deadline = time.monotonic() + _SETTLED_SECONDS
    while time.monotonic() < deadline and _ask(client, small).engine in ("", "torch"):
        time.sleep(2)


@contextmanager
def server(cache: Path, **settings: str) -> Generator[tuple[str, float]]:
    """The address of a running server, and the seconds until it answered; it is ended afterwards.

    settings: further environment variables
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    environ = {
        **os.environ,
        "SR_DEMO_PORT": str(port),
        "SR_DEMO_HOST": "127.0.0.1",
        "SR_DEMO_CACHE": str(cache),
        **settings,
    }
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, str(_APP)], cwd=_APP.parent, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            while not _answers(url):
                if process.poll() is not None or time.perf_counter() - begun > _PATIENCE_SECONDS:
                    raise SRError("The server did not come up. Run `python app.py` to see what it says.")
                time.sleep(0.02)
            yield url, time.perf_counter() - begun
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False
