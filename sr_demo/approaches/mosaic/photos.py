"""The photos that a memory is made from."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from sr_demo.errors import BadInput, MissingDependency

BUNDLED = (
    "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "color.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png",
    "retina.jpg", "rocket.jpg", "text.png",
)  # fmt: skip
"""Photos in the wheel of scikit-image (`skimage/data`); drawings, masks and doubles are left out."""


@dataclass(frozen=True)
class Source:
    """A photo that was read: what it is called, and its pixels."""

    name: str
    pixels: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB."""


def bundled() -> tuple[Path, ...]:
    """The bundled photos that are really there, in the order of `BUNDLED`. Raises MissingDependency without any."""
    # find_spec does not import skimage: only the place of its folder is wanted.
    package = find_spec("skimage")
    places = package.submodule_search_locations if package else None
    folder = Path(next(iter(places))) / "data" if places else None
    found = tuple(folder / name for name in BUNDLED if (folder / name).is_file()) if folder else ()
    if not found:
        raise MissingDependency(
            "The mosaic's default memory is made from the photos that scikit-image bundles, and they are not here. "
            "Install them with: pip install scikit-image"
        )
    return found


def read(path: Path) -> Source:
    """One photo as RGB. Raises BadInput in one sentence when the file is no readable picture."""
    try:
        with Pillow.open(path) as opened:
            return Source(path.name, np.asarray(opened.convert("RGB"), np.uint8))
    except (OSError, ValueError, Pillow.DecompressionBombError) as problem:
        raise BadInput(f"{path.name} could not be read as a picture, so it cannot go into a memory.") from problem
