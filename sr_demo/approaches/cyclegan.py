"""CycleGAN: taught on pictures that were never paired."""

from __future__ import annotations

from sr_demo.backends.embedded import load
from sr_demo.spec import Approach, Tiling, embedded

APPROACH = Approach(
    id="cyclegan",
    title="CycleGAN",
    summary="learned without pairs, for one unknown damage",
    about="Two networks that undo each other (Zhu et al. 2017, arXiv 1703.10593; across sizes: Yuan et al. 2018, arXiv "
    "1809.00437). It saw clean large photos and damaged small ones of other scenes, never the two sides of one picture: "
    "the way to learn a camera's own blur and noise when no true picture exists. Pictures without that damage "
    "it sharpens too much.",
    family="adversarial",
    load=load,
    checkpoints=(embedded("unknown", "cyclegan-x4", "ours, one unknown damage", bytes_per_pixel=2200),),
    # 3x3 convolutions in a row could reach 1 + 16 blocks x 2 + 1 + 1 = 35 pixels; `bench halos` finds 14.
    tiling=Tiling("tiles", halo=14, max_aspect=2),
    invents=True,
    preselected=False,
)
