"""Load test with concurrent visitors: checks that each gets the result of its own image and that light requests stay quick.

Each visitor has its own address and image, uploads it, calls `/upscale`, reads the stream of events and fetches the PNG
(`python -m sr_demo bench load`). A result is right if, downscaled, it is closest to the image of its visitor. One more
visitor repeatedly uploads an image and opens it on the page; these are the light requests.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx2
import numpy as np

from sr_demo.benchmarks.server import page_event
from sr_demo.image import Image, ImageData, read, readonly, write_png
from sr_demo.imaging.resize import downscale, resize

_SIDE, _SCALE = 128, 4
_PATIENCE_SECONDS = 600.0
_BETWEEN_SECONDS = 0.2
_P95 = 95.0


@dataclass(frozen=True)
class Visit:
    """The outcome of one visit."""

    number: int
    seconds: float
    """Time from the upload to the PNG."""
    result: Image | None = None
    message: str = ""
    """The error message; empty if the visit had a result."""


@dataclass
class Load:
    """All visits, and the light requests during them."""

    visits: list[Visit] = field(default_factory=list)
    light: list[float] = field(default_factory=list)
    """Seconds of each light request."""
    failed: list[str] = field(default_factory=list)
    """Error messages of light requests."""


def image_of(number: int) -> Image:
    """Return the image of a visitor: (128, 128, 3) float32 in [0, 1], smooth and different from all others."""
    coarse = np.random.default_rng(number).random((_SIDE // 8, _SIDE // 8, 3), np.float32)
    return resize(readonly(coarse), (_SIDE, _SIDE))


def wrong(visits: Sequence[Visit]) -> list[int]:
    """Return the numbers of the visitors whose result belongs to another visitor's image, or to none."""
    sources = np.stack([image_of(visit.number) for visit in visits])
    found: list[int] = []
    for at, visit in enumerate(visits):
        if visit.result is None:
            continue
        small = downscale(visit.result, _SCALE)
        fits = small.shape == sources[at].shape
        if not fits or int(np.argmin(((sources - small) ** 2).mean(axis=(1, 2, 3)))) != at:
            found.append(visit.number)
    return found


def load(url: str, visitors: int, method: str, folder: Path, report: Callable[[Visit], None]) -> Load:
    """Let visitors request `method` concurrently, while one more visitor uses the page.

    Args:
        url: Address of the server.
        visitors: Number of visitors.
        method: `ID` or `ID:CHECKPOINT`.
        folder: An empty folder for images.
        report: Called with each visit when it ends, in any thread.
    """

    def visit(number: int) -> Visit:
        made = _visit(url, number, method, folder)
        report(made)
        return made

    found, ended = Load(), Event()
    light = Thread(target=_use_page, args=(url, found, ended, folder), name="light")
    light.start()
    try:
        with ThreadPoolExecutor(visitors) as pool:
            found.visits = list(pool.map(visit, range(visitors)))
    finally:
        ended.set()
        light.join()
    return found


def _client(url: str, number: int) -> httpx2.Client:
    headers = {"x-forwarded-for": f"10.0.{number // 250}.{number % 250 + 1}"}
    return httpx2.Client(base_url=f"{url}/gradio_api", headers=headers, timeout=_PATIENCE_SECONDS)


def _uploaded(client: httpx2.Client, number: int, folder: Path) -> dict[str, Any]:
    file = folder / f"{number}.png"
    write_png(ImageData(image_of(number)), file)
    sent = client.post("/upload", files={"files": (file.name, file.read_bytes(), "image/png")}).raise_for_status()
    return {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}}


def _visit(url: str, number: int, method: str, folder: Path) -> Visit:
    with _client(url, number) as client:
        begun = time.perf_counter()
        try:
            asked = client.post("/call/upscale", json={"data": [_uploaded(client, number, folder), method, {}]})
            event = asked.raise_for_status().json()["event_id"]
            said = client.get(f"/call/upscale/{event}").raise_for_status().text
            kind, _, data = said.rpartition("event: ")[2].partition("\ndata: ")
            if kind != "complete":
                return Visit(number, time.perf_counter() - begun, message=data.strip())
            png = folder / f"{number}_result.png"
            png.write_bytes(client.get(f"/file={json.loads(data)[0]['path']}").raise_for_status().content)
        except httpx2.HTTPError as exc:
            return Visit(number, time.perf_counter() - begun, message=str(exc))
        seconds = time.perf_counter() - begun
    return Visit(number, seconds, read(png).rgb)


def _use_page(url: str, made: Load, ended: Event, folder: Path) -> None:
    """Upload an image and open it on the page repeatedly, until `ended`."""
    number = 10_000
    with _client(url, number) as client:
        config = httpx2.get(f"{url}/config", timeout=_PATIENCE_SECONDS).json()
        while not ended.wait(_BETWEEN_SECONDS):
            begun = time.perf_counter()
            try:
                photo = _uploaded(client, number, folder)
                take, data = page_event(config, "take", {"photo": photo, "methods": ["bicubic"]})
                body = {"data": data, "fn_index": take, "session_hash": "load"}
                client.post("/run/predict", json=body).raise_for_status()
            except httpx2.HTTPError as exc:
                made.failed.append(str(exc))
            made.light.append(time.perf_counter() - begun)


def summary(made: Load) -> str:
    """Return the lines that are printed at the end."""
    answered = [visit.seconds for visit in made.visits if visit.result is not None]
    lines = [
        f"answered: {len(answered)} of {len(made.visits)} visitors, wrong images: {len(wrong(made.visits))}",
        *(f"visitor {visit.number}: {visit.message}" for visit in made.visits if visit.result is None),
    ]
    if answered:
        lines.append(f"seconds until the result: median {np.median(answered):.2f}, longest {max(answered):.2f}")
    lines.append(
        f"light requests: {len(made.light)}, p50 {np.median(made.light or [0]):.2f} s, "
        f"p95 {np.percentile(made.light or [0], _P95):.2f} s, longest {max(made.light, default=0):.2f} s, "
        f"failed {len(made.failed)}"
    )
    return "\n".join(lines)
