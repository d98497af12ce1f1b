"""The patch mosaic: an image rebuilt from other photos, as a visible mosaic or as residuals over bicubic."""

from __future__ import annotations

from dataclasses import replace

from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.checkpoint import Checkpoint, Tiling, embedded
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.timing import Timing


def load(request: Request) -> Upscaler:
    """Return the upscaler of the checkpoint's variant. The default database is built at first use."""
    from sr_demo.approaches.mosaic import upscalers

    return upscalers.load(request)


# Peak memory and seconds were measured at 256 x 256 and 1024 x 1024 on two cores. Operations per pixel are chosen to give
# the measured time at the default rate of time estimates, since search is not arithmetic alone. Seconds are those of
# `python -m sr_demo bench costs show`; the time of variants without them is estimated from their operations.
_TILES = Timing("", 0, (96, 192, 384), first=(0.0455, 0.164, 0.583), again=(0.0455, 0.164, 0.583))
_IN_TILES = Tiling("own")
CHECKPOINTS = (
    Checkpoint(
        "tiles",
        "tile mosaic, any patch size",
        bytes_per_pixel=500,
        flops_per_pixel=1.2e6,
        timings=(_TILES,),
        variant="tiles",
        note="Visibly made of other photos; your own photo is left out.",
    ),
    replace(
        embedded("refined", "mosaic-memory-x4", "refined retrieval, learned memory", bytes_per_pixel=800),
        flops_per_pixel=2.5e6,
        variant="refined",
        tiling=_IN_TILES,
        invents=False,
        note="Adds only the detail that bicubic misses, learned from many photos.",
    ),
    Checkpoint(
        "refined-photos",
        "refined retrieval, from the memory's photos",
        bytes_per_pixel=800,
        flops_per_pixel=1e7,
        variant="refined-photos",
        tiling=_IN_TILES,
        invents=False,
        note="Adds fine detail from similar spots in the memory's photos; the first run takes some seconds more.",
    ),
    Checkpoint(
        "tiles-8",
        "tile mosaic, 8 px",
        bytes_per_pixel=500,
        flops_per_pixel=1.2e6,
        variant="tiles-8",
        note="Follows the picture closely.",
    ),
    Checkpoint(
        "tiles-64",
        "tile mosaic, 64 px",
        bytes_per_pixel=500,
        flops_per_pixel=3e5,
        variant="tiles-64",
        note="Large patches of other photos.",
    ),
)

APPROACH = Approach(
    id="mosaic",
    title="Patch mosaic",
    summary="rebuilds the picture from patches of other photos",
    about=(
        "Photos are made smaller, cut into patches and indexed with FAISS; for every patch of your picture the most similar "
        "one is found. The tile mosaic pastes the large version of that patch, and shows it. Refined retrieval only adds "
        "the fine detail that similar spots had over bicubic (Freeman et al. 2002; A+, Timofte et al. 2014)."
    ),
    family="retrieval",
    load=load,
    checkpoints=CHECKPOINTS,
    options=MosaicOptions,
    load_options=("memory",),
    tiling=Tiling("own", bytes_per_result_pixel=8),
    invents=True,
    preselected=False,
)
