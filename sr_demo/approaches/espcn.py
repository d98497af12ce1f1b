"""ESPCN: three convolutions and a PixelShuffle."""

from __future__ import annotations

from sr_demo.backends.embedded import load
from sr_demo.checkpoint import Tiling, embedded
from sr_demo.spec import Approach

APPROACH = Approach(
    id="espcn",
    title="ESPCN",
    summary="tiny and instant",
    about="Three convolutions and the first PixelShuffle (Shi et al. 2016, arXiv 1609.05158). It shows how far very "
    "little computation can go: a fourteenth of what EDSR needs.",
    family="convolutional",
    load=load,
    checkpoints=(embedded("rgb", "espcn-x4", "ours, on colour", bytes_per_pixel=950),),
    # Receptive field: 2 + 1 + 1 pixels to each side.
    tiling=Tiling("tiles", halo=4),
    preselected=False,
)
