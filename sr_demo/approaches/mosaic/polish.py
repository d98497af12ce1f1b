"""HAT over a finished mosaic: the embedded checkpoint, loaded as the HAT approach loads it.

The mosaic is downscaled to the size of the input and upscaled by the network, in tiles.
"""

from __future__ import annotations

from functools import lru_cache

from sr_demo.approaches.mosaic.patch_database import SCALE
from sr_demo.backends import spandrel_loader
from sr_demo.backends.torch_backend import NetworkUpscaler
from sr_demo.checkpoint import Tiling, embedded
from sr_demo.hub.checkpoints import fetch
from sr_demo.image import Image
from sr_demo.imaging import tiling
from sr_demo.imaging.resize import resize
from sr_demo.options import Options
from sr_demo.progress import Progress

_RULE = Tiling("tiles", halo=8, multiple_of=16, blend=8)
"""Tiling of the tiny HAT checkpoint; a test compares the two."""
_NETWORK = embedded("tiny", "hat-tiny-x4", "polish", bytes_per_pixel=12_000)


def polish(mosaic: Image, progress: Progress) -> Image:
    """Downscale a mosaic by 4 and upscale it with HAT: (4 H, 4 W, 3) float32 in [0, 1] -> the same size."""
    lr = resize(mosaic, (mosaic.shape[0] // SCALE, mosaic.shape[1] // SCALE))
    network = _network()
    plan = tiling.plan_tiles(_RULE, _NETWORK.bytes_per_pixel, network.budget(), lr.shape[:2])
    return tiling.run(lr, plan, SCALE, lambda tile, part: network.upscale(tile, Options(), part), progress)


@lru_cache(1)
def _network() -> NetworkUpscaler:
    return NetworkUpscaler(spandrel_loader.load(fetch(_NETWORK)[0], "HAT", SCALE), "fp32", mode="convert")
