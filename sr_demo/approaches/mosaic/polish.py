"""HAT over a finished mosaic: the embedded checkpoint, through the same loader that the HAT approach uses.

The mosaic is shrunk to the size of the input and enlarged again by the network, in tiles.
"""

from __future__ import annotations

from functools import lru_cache

from sr_demo.approaches.mosaic.patch_database import SCALE
from sr_demo.backends import spandrel_loader
from sr_demo.backends.torch_backend import NetworkUpscaler
from sr_demo.hub.checkpoints import fetch
from sr_demo.image import Image
from sr_demo.imaging import tiling
from sr_demo.imaging.resize import resize
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Tiling, embedded

_RULE = Tiling("tiles", halo=8, multiple_of=16, blend=8)
"""As the tiny HAT needs it."""
_NETWORK = embedded("tiny", "hat-tiny-x4", "polish", bytes_per_pixel=12_000)


def polish(mosaic: Image, progress: Progress) -> Image:
    """(4 H, 4 W, 3) -> the same size, redrawn by HAT from its shrunken self."""
    small = resize(mosaic, (mosaic.shape[0] // SCALE, mosaic.shape[1] // SCALE))
    network = _network()
    plan = tiling.plan_tiles(_RULE, _NETWORK.bytes_per_pixel, network.budget(), small.shape[:2])
    return tiling.run(small, plan, SCALE, lambda tile, part: network.upscale(tile, Options(), part), progress)


@lru_cache(1)
def _network() -> NetworkUpscaler:
    return NetworkUpscaler(spandrel_loader.load(fetch(_NETWORK)[0], "HAT", SCALE), "fp32", mode="convert")
