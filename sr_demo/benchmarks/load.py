"""Many visitors at once: is each of them answered with the right image, and do light requests stay quick meanwhile?

    python -m sr_demo.benchmarks.load --visitors 50 --method espcn

starts the real server on a free port. Each visitor has an address and an image of its own, uploads it, asks `/upscale`,
reads the stream of answers and fetches the PNG. A result is right where, scaled down again, it is closest to the image of
its own visitor. One more visitor uploads an image and opens it on the page again and again: the light requests.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx2
import numpy as np

from sr_demo.benchmarks.startup import server
from sr_demo.errors import SRError
from sr_demo.image import Image, ImageData, read, readonly, write_png
from sr_demo.imaging.resize import downscale, resize

_SIDE, _SCALE = 128, 4
_PATIENCE_SECONDS = 600.0
_BETWEEN_SECONDS = 0.2
_P95 = 95.0


@dataclass(frozen=True)
class Visit:
    """What one visitor got."""

    number: int
    seconds: float
    """From the upload to the PNG."""
    result: Image | None = None
    message: str = ""
    """The sentence that came instead of a result."""


@dataclass
class Load:
    """All visits, and the light requests made meanwhile."""

    visits: list[Visit] = field(default_factory=list)
    light: list[float] = field(default_factory=list)
    """Seconds of each."""
    failed: list[str] = field(default_factory=list)
    """Light requests that were not answered."""


def image_of(number: int) -> Image:
    """The image of a visitor: (128, 128, 3) float32 in [0, 1], smooth and unlike all others."""
    coarse = np.random.default_rng(number).random((_SIDE // 8, _SIDE // 8, 3), np.float32)
    return resize(readonly(coarse), (_SIDE, _SIDE))


def wrong(visits: Sequence[Visit]) -> list[int]:
    """Visitors whose result belongs to another one's image, or to none."""
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


def load(url: str, visitors: int, method: str, folder: Path) -> Load:
    """Let `visitors` ask for `method` at the same time, and a further one use the page meanwhile."""
    made, ended = Load(), Event()
    light = Thread(target=_use_page, args=(url, made, ended, folder), name="light")
    light.start()
    try:
        with ThreadPoolExecutor(visitors) as pool:
            asked = [pool.submit(_visit, url, number, method, folder) for number in range(visitors)]
            made.visits = [visit.result() for visit in asked]
    finally:
        ended.set()
        light.join()
    return made


def _client(url: str, number: int) -> httpx2.Client:
    headers = {"x-forwarded-for": f"10.0.{number // 250}.{number % 250 + 1}"}
    return httpx2.Client(base_url=f"{url}gradio_api", headers=headers, timeout=_PATIENCE_SECONDS)


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
    """Upload an image and open it on the page, until `ended`."""
    number = 10_000
    with _client(url, number) as client:
        config = httpx2.get(f"{url}config", timeout=_PATIENCE_SECONDS).json()
        take = next(entry["id"] for entry in config["dependencies"] if entry["api_name"] == "take")
        while not ended.wait(_BETWEEN_SECONDS):
            begun = time.perf_counter()
            try:
                data = [_uploaded(client, number, folder), "own", "enlarge", ["bicubic"], []]
                body = {"data": data, "fn_index": take, "session_hash": "load"}
                client.post("/run/predict", json=body).raise_for_status()
            except httpx2.HTTPError as exc:
                made.failed.append(str(exc))
            made.light.append(time.perf_counter() - begun)


def summary(made: Load) -> str:
    """Lines for people."""
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status is 1 where somebody was not answered, or wrongly."""
    parser = argparse.ArgumentParser(prog="python -m sr_demo.benchmarks.load", description="Many visitors at once.")
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--method", default="espcn", help="ID or ID:CHECKPOINT (default: espcn)")
    given = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="sr_demo-load-") as scratch:
            folder = Path(scratch)
            with server(folder / "cache", SR_DEMO_PROXY="1") as (url, seconds):
                sys.stdout.write(f"server up after {seconds:.1f} s; {given.visitors} visitors, {given.method}\n")
                made = load(url, given.visitors, given.method, folder)
    except SRError as exc:
        sys.stderr.write(f"load: {exc}\n")
        return 2
    sys.stdout.write(summary(made) + "\n")
    return 1 if made.failed or wrong(made.visits) or any(visit.result is None for visit in made.visits) else 0


if __name__ == "__main__":
    sys.exit(main())
