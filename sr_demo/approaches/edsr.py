"""EDSR: residual blocks without batch normalization."""

from __future__ import annotations

from sr_demo.backends.embedded import load
from sr_demo.checkpoint import Tiling, embedded
from sr_demo.spec import Approach

APPROACH = Approach(
    id="edsr",
    title="EDSR",
    summary="faithful and quick",
    about="Residual blocks without batch normalization (Lim et al. 2017, arXiv 1707.02921), all computed at the size "
    "of the input. The workhorse that others are measured against: faithful to the original, no invented detail, fast.",
    family="convolutional",
    load=load,
    checkpoints=(embedded("baseline", "edsr-x4", "ours, 16 blocks", bytes_per_pixel=2200),),
    # The 3x3 convolutions could reach 1 + 16 blocks x 2 + 1 + 1 = 35 pixels; `bench halos` measures 14.
    tiling=Tiling("tiles", halo=14, max_aspect=2),
)
