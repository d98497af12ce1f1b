"""Photos that come with scikit-image."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from sr_demo.image import Image, read


@cache
def bundled(name: str) -> Image:
    """Return a file of scikit-image's data folder (H, W, 3), found without importing the package."""
    spec = find_spec("skimage")
    assert spec is not None and spec.submodule_search_locations
    return read(Path(spec.submodule_search_locations[0], "data", name)).rgb
