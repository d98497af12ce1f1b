"""The photos that a patch database is built from."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import BadInput, MissingDependency, SRError
from sr_demo.image import quantize, read

BUNDLED = (
    "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "color.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png",
    "retina.jpg", "rocket.jpg", "text.png",
)  # fmt: skip
"""Photos in the wheel of scikit-image (`skimage/data`); drawings, masks and duplicates are left out."""


@dataclass(frozen=True)
class SourcePhoto:
    """A photo that was read: its file name and its pixels."""

    name: str
    pixels: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB."""


def bundled() -> tuple[Path, ...]:
    """Return the bundled photos that are installed, in the order of `BUNDLED`. Raises MissingDependency when none is."""
    # find_spec finds the folder without importing skimage.
    package = find_spec("skimage")
    places = package.submodule_search_locations if package else None
    folder = Path(next(iter(places))) / "data" if places else None
    found = tuple(folder / name for name in BUNDLED if (folder / name).is_file()) if folder else ()
    if not found:
        raise MissingDependency(
            "The mosaic's default memory is built from the photos that come with scikit-image, and they are not installed. "
            "Install them with: pip install scikit-image"
        )
    return found


def read_photo(path: Path) -> SourcePhoto:
    """Read one photo as RGB. Raises BadInput when the file is not a readable image."""
    try:
        return SourcePhoto(path.name, quantize(read(path).rgb))
    except SRError as problem:
        raise BadInput(f"{path.name} cannot go into a memory: {problem}") from problem
