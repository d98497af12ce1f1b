"""Sample images that need no network: photos of the package scikit-image, a satellite image, and the resolution chart.

Some are degraded like the photos that users upload. Sources and licences are those that scikit-image states in the
docstrings of `skimage.data`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sr_demo.errors import MissingDependency, StorageError
from sr_demo.image import Image, ImageData, crop, read, readonly, write_png
from sr_demo.imaging.resolution_chart import resolution_chart
from sr_demo.options import build
from sr_demo.system import integrity
from sr_demo.system.storage import disk_errors_translated

_FOLDER = Path(__file__).parents[2] / "assets" / "examples"


@dataclass(frozen=True)
class Sample:
    """One sample image."""

    id: str
    """Lower-case slug, also its file name."""
    title: str
    """Short plain title, also used as alternative text."""
    credit: str
    """Source and licence, one line."""
    make: Callable[[], Image]
    """Reads or draws the image: (H, W, 3) in [0, 1]. Raises MissingDependency when scikit-image lacks the file."""


def write_sample(sample: Sample, folder: Path) -> Path:
    """Write a sample as a PNG file to `folder` unless it exists there undamaged, and return its path.

    Gray samples have one channel. Raises StorageError, and what `sample.make` raises.
    """
    path = folder / f"{sample.id}.png"
    if integrity.is_intact(path):
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StorageError(
            f"The folder {folder} for example pictures cannot be created: {exc.strerror or exc}."
        ) from exc
    image = sample.make()
    gray = bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())
    write_png(ImageData(image, gray=gray), path)
    with disk_errors_translated(folder):
        integrity.write_checksums(path)
    return path


def _bundled(file: str) -> Image:
    """Read a file in scikit-image's data folder without importing the package, which may access the network."""
    spec = find_spec("skimage")
    places = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(places[0], "data", file) if places else Path(file)
    if not path.exists():
        raise MissingDependency(
            f"The example picture {file} comes with the package scikit-image, where it is missing. "
            "Install it with: pip install scikit-image"
        )
    return read(path).rgb


def _degraded(file: str, **strength: float) -> Image:
    from sr_demo.imaging.degradation import Realistic, degrade  # imports OpenCV

    return degrade(_bundled(file), 2, build(Realistic, strength))


def _phone() -> Image:
    return _degraded("coffee.png", blur=0.8, noise=4, quality=55)


def _scan() -> Image:
    """Return a photo (256, 256, 3) that imitates an old print: soft, faded, yellowed, with two scratches and dust."""
    soft = _degraded("camera.png", blur=1.6, noise=7, quality=75)
    paper, ink = np.array([0.93, 0.88, 0.75], np.float32), np.array([0.17, 0.13, 0.1], np.float32)
    scan = ink + soft * (paper - ink)
    scan[:, 71:72] += np.float32(0.12)
    scan[30:210, 183:184] += np.float32(0.2)
    dust = np.random.default_rng(0).integers(0, 255, (40, 2))
    scan[dust[:, 0], dust[:, 1]] = paper
    return readonly(np.clip(scan, 0, 1, dtype=np.float32))


def _satellite() -> Image:
    return read(_FOLDER / "satellite.webp").rgb


def _face() -> Image:
    return crop(ImageData(_bundled("astronaut.png")), 16, 136, 176, 176).rgb


SAMPLES = (
    Sample("cat", "Chelsea the cat", "Photo by Stefan van der Walt, CC0", partial(_bundled, "chelsea.png")),
    Sample(
        "coffee", "A cup of coffee on a wooden table",
        "Photo by Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0", partial(_bundled, "coffee.png"),
    ),
    Sample(
        "astronaut", "Portrait of the astronaut Eileen Collins",
        "NASA Great Images database, public domain (no known copyright restrictions)",
        partial(_bundled, "astronaut.png"),
    ),
    Sample(
        "text", "Printed text, gray",
        "Wikipedia, File:Corner.png, public domain (no known copyright restrictions)", partial(_bundled, "text.png"),
    ),
    Sample(
        "cells", "Stained tissue under the microscope",
        "Center for Microscopy and Molecular Imaging (CMMI), no known copyright restrictions",
        partial(_bundled, "ihc.png"),
    ),
    Sample(
        "retina", "Human retina",
        "Mikael Häggström, Medical gallery 2014, Wikimedia Commons, CC0 1.0", partial(_bundled, "retina.jpg"),
    ),
    Sample("brick", "Brick wall, gray", "CC0Textures, Bricks25, CC0", partial(_bundled, "brick.png")),
    Sample(
        "rocket", "Falcon 9 lifting off with DSCOVR",
        "SpaceX Photos, released into the public domain", partial(_bundled, "rocket.jpg"),
    ),
    Sample(
        "hubble", "Hubble eXtreme Deep Field",
        "NASA, HubbleSite, may be freely used in the public domain", partial(_bundled, "hubble_deep_field.jpg"),
    ),
    Sample(
        "chart", "Resolution chart: star, line pairs, edge, text, grays and colours",
        "Drawn by this app, Apache-2.0", partial(resolution_chart, 1024),
    ),
)  # fmt: skip
"""Undegraded images. Quality is measured on some of them."""
_PHOTO_OF = {sample.id: sample for sample in SAMPLES}
EXAMPLES = (
    Sample(
        "phone", "A small JPEG, as from a phone", f"{_PHOTO_OF['coffee'].credit}; made smaller and worse here", _phone
    ),
    Sample("scan", "A photo, aged like an old scan", "Photo by Lav Varshney, CC0; aged here", _scan),
    Sample("face", "A small face", f"{_PHOTO_OF['astronaut'].credit}; a part of it", _face),
    *(_PHOTO_OF[name] for name in ("text", "cells")),
    Sample(
        "satellite",
        "Mountains and lakes from a satellite",
        "NASA Earth Observatory, Landsat 8, Rocky Mountain National Park in September 2014, public domain; a part of it",
        _satellite,
    ),
    *(_PHOTO_OF[name] for name in ("chart", "cat", "coffee", "astronaut")),
    *(_PHOTO_OF[name] for name in ("retina", "brick", "rocket", "hubble")),
)
"""The examples on the page, in this order: typical uploads come first."""
