"""SRGAN: a residual network trained with a discriminator."""

from __future__ import annotations

from sr_demo.backends.embedded import load
from sr_demo.checkpoint import Tiling, embedded
from sr_demo.options import GenerativeOptions
from sr_demo.spec import Approach

APPROACH = Approach(
    id="srgan",
    title="SRGAN",
    summary="crisp texture, partly invented",
    about="EDSR's network, trained with a perceptual loss and a discriminator that learns to distinguish its results from "
    "real photos (Ledig et al. 2017, arXiv 1609.04802). Sharper than training for fidelity alone can be, and less faithful.",
    family="adversarial",
    load=load,
    checkpoints=(embedded("clean", "srgan-x4", "ours, on clean photos", bytes_per_pixel=2200),),
    # The 3x3 convolutions could reach 1 + 16 blocks x 2 + 1 + 1 = 35 pixels; `bench halos` measures 14.
    tiling=Tiling("tiles", halo=14, max_aspect=2),
    options=GenerativeOptions,
    invents=True,
    preselected=False,
)
