"""CycleGAN: trained on unpaired images."""

from __future__ import annotations

from sr_demo.backends.embedded import load
from sr_demo.checkpoint import Tiling, embedded
from sr_demo.options import GenerativeOptions
from sr_demo.spec import Approach

APPROACH = Approach(
    id="cyclegan",
    title="CycleGAN",
    summary="for one kind of blur and noise, learned without originals",
    about="Two networks that undo each other (Zhu et al. 2017, arXiv 1703.10593; for super-resolution: Yuan et al. 2018, "
    "arXiv 1809.00437). It was trained on clean large photos and on degraded small photos of other scenes, never on two "
    "versions of one photo. That is how to learn the blur and noise of a camera when no clean originals exist. Photos "
    "without that degradation come out too sharp.",
    family="adversarial",
    load=load,
    checkpoints=(embedded("unknown", "cyclegan-x4", "ours, one unknown degradation", bytes_per_pixel=2200),),
    # The 3x3 convolutions could reach 1 + 16 blocks x 2 + 1 + 1 = 35 pixels; `bench halos` measures 14.
    tiling=Tiling("tiles", halo=14, max_aspect=2),
    options=GenerativeOptions,
    invents=True,
    preselected=False,
)
