"""The example results that the tabs Compare and Diffusion show before the first run.

`python -m sr_demo.ui.welcome` computes them with the embedded networks and writes them to `assets/welcome/`. Run it after
each change of these networks' weights.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from sr_demo.ui.viewer.viewer import ViewerImage, file_url

if TYPE_CHECKING:
    from sr_demo.image import Image, ImageData, Pixels

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "welcome"
Tab = Literal["compare", "diffusion"]
_REGIONS: Mapping[Tab, tuple[str, int, int, int]] = {
    "compare": ("cat", 60, 150, 96),
    "diffusion": ("astronaut", 72, 178, 96),
}
"""Bundled photo, top, left and side of the crop that is the input. The crop is not downscaled."""
_METHODS = ("bicubic", "rdn:mse", "hat:tiny", "real-esrgan:compact")
"""Methods with their checkpoints, so that published checkpoints in the local cache do not replace the embedded ones."""
_GUESSES = 2


class ExampleResult(NamedTuple):
    """A result in memory."""

    name: str
    """Name, unique in its tab."""
    label: str
    alt: str
    note: str
    pixels: Pixels
    """(H, W, 3) uint8."""


def images(tab: Tab) -> list[ViewerImage]:
    """Return the images of a tab; empty if the files are missing."""
    try:
        listed = json.loads((FOLDER / f"{tab}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [
        ViewerImage(
            id=one["id"], label=one["label"], url=file_url(FOLDER / one["file"]), width=one["width"],
            height=one["height"], alt=one["alt"], note=one["note"],
        )
        for one in listed
    ]  # fmt: skip


def compute_results(tab: Tab) -> Iterator[ExampleResult]:
    """Compute the results of a tab."""
    return _comparison() if tab == "compare" else _guesses()


def write(folder: Path = FOLDER) -> int:
    """Compute all results and write them as lossless WebP files, with a list for each tab; return the bytes of all files."""
    from PIL import Image as Pillow

    folder.mkdir(parents=True, exist_ok=True)
    tabs: tuple[Tab, ...] = ("compare", "diffusion")
    for tab in tabs:
        listed = []
        for one in compute_results(tab):
            file = f"{one.name}.webp"
            Pillow.fromarray(one.pixels).save(folder / file, lossless=True, method=6)
            height, width = one.pixels.shape[:2]
            listed.append({
                "id": f"welcome-{one.name}", "label": one.label, "file": file, "width": width, "height": height,
                "alt": f"{one.alt}, {width} by {height} pixels", "note": one.note,
            })  # fmt: skip
        (folder / f"{tab}.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    return sum(file.stat().st_size for file in folder.iterdir())


def _comparison() -> Iterator[ExampleResult]:
    from dataclasses import replace

    from sr_demo.catalogue import APPROACHES
    from sr_demo.inference.jobs import job_for
    from sr_demo.inference.runner import Runner

    runner, lr = Runner(), _region("compare")
    for name in _METHODS:
        job = replace(job_for(APPROACHES, name), precision="fp32")
        note = job.approach.summary + ("; may invent detail" if job.approach.invents_with(job.checkpoint) else "")
        pixels = _pixels(runner.run(job, lr).image.rgb)
        yield ExampleResult(job.file_name, job.title, f"Result of {job.title} on an example", note, pixels)


def _guesses() -> Iterator[ExampleResult]:
    from dataclasses import replace

    from sr_demo.catalogue import APPROACHES
    from sr_demo.diffusion.options import DiffusionOptions
    from sr_demo.diffusion.upscaler import DiffusionUpscaler
    from sr_demo.inference.jobs import job_for
    from sr_demo.inference.runner import Runner
    from sr_demo.progress import SILENT
    from sr_demo.ui.diffusion import view

    lr = _region("diffusion").rgb
    job = replace(job_for(APPROACHES, "diffusion"), precision="fp32")
    with Runner().loaded(job, SILENT) as model:
        assert isinstance(model.upscaler, DiffusionUpscaler)
        *_, samples = model.upscaler.draw_samples(lr, DiffusionOptions(), _GUESSES, SILENT)
    for name, image in (("input", lr), *view.named_images(samples), view.spread_of(samples)):
        label, note = view.title(name)
        yield ExampleResult(name, label, f"{label}, an example", note, _pixels(image))


def _region(tab: Tab) -> ImageData:
    from sr_demo.image import ImageData, crop
    from sr_demo.imaging.samples import SAMPLES

    sample, top, left, side = _REGIONS[tab]
    (of,) = (one for one in SAMPLES if one.id == sample)
    return crop(ImageData(of.make()), top, left, side, side)


def _pixels(image: Image) -> Pixels:
    import numpy as np

    from sr_demo.image import quantize

    return np.ascontiguousarray(quantize(image))


if __name__ == "__main__":
    sys.stdout.write(f"{write()} bytes in {FOLDER}\n")
