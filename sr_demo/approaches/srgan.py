"""SRGAN: the residual network taught against a critic."""

from __future__ import annotations

from sr_demo.backends.embedded import load
from sr_demo.spec import Approach, Tiling, embedded

APPROACH = Approach(
    id="srgan",
    title="SRGAN",
    summary="crisp texture, partly its own",
    about="EDSR's network taught against a critic that tells drawn pictures from real ones (Ledig et al. 2017, arXiv "
    "1609.04802), with a perceptual loss. Sharper than what closeness alone can give, and less true.",
    family="adversarial",
    load=load,
    checkpoints=(embedded("clean", "srgan-x4", "ours, on clean photos", bytes_per_pixel=2200),),
    # 3x3 convolutions in a row could reach 1 + 16 blocks x 2 + 1 + 1 = 35 pixels; `bench halos` finds 14.
    tiling=Tiling("tiles", halo=14, max_aspect=2),
    invents=True,
    preselected=False,
)
