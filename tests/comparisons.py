"""Results and comparisons made by hand, and a parser for what is made of them."""

from __future__ import annotations

from html.parser import HTMLParser
from math import inf
from pathlib import Path

from sr_demo.checkpoint import Checkpoint
from sr_demo.image import Size, encode_png
from sr_demo.inference.jobs import Job, Result
from sr_demo.metrics.scores import Scores
from sr_demo.reports.bundle import Comparison
from sr_demo.reports.saved_image import SavedImage
from sr_demo.spec import Approach
from tests import fakes
from tests.conftest import image_of, noise

NASTY = """<script>alert("1")</script> & 'sons'"""
GOOD = Scores(30.0, 0.9, 29.0, 40.0)


def result(
    name: str = "fake", scores: Scores = GOOD, *, approach: Approach | None = None, checkpoint: Checkpoint | None = None,
    seconds: float = 1.0, peak_memory_mb: float = 50.0,
) -> Result:  # fmt: skip
    made = approach or fakes.good(name)
    return Result(
        job=Job(made, checkpoint or made.checkpoints[0], made.options()),
        size=(8, 12),
        scores=scores,
        seconds=seconds,
        load_seconds=0.0,
        peak_memory_mb=peak_memory_mb,
        precision="bf16",
        tile=64,
        tiles=6,
        halo=24,
    )


class Page(HTMLParser):
    """Tags with their attributes, and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def comparison_in(folder: Path) -> Comparison:
    """A comparison of two methods whose images lie in `folder`, with hostile names."""
    images: list[SavedImage] = []
    for seed, name in enumerate(("truth", "rdn", "real-esrgan-compact")):
        file = folder / f"{name}.png"
        file.write_bytes(encode_png(image_of(noise(16, 16, seed))))
        images.append(SavedImage(file, Size(16, 16), name, "30 dB", f"Result of {name}"))
    return Comparison(
        name=NASTY,
        input_size=Size(4, 4),
        how="Made by hand.",
        results=[result("rdn"), result("real-esrgan", Scores(inf, 1.0, inf, inf))],
        images=images,
        failures=[("HAT", f"could not read {NASTY}")],
    )
