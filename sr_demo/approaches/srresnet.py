"""SRResNet: a plain residual network, and what a few improvements make of it."""

from __future__ import annotations

from sr_demo.backends.embedded import load
from sr_demo.spec import Approach, Tiling, embedded

APPROACH = Approach(
    id="srresnet",
    title="SRResNet",
    summary="the honest baseline, and its better half",
    about="Residual blocks (Ledig et al. 2017, arXiv 1609.04802) without batch normalisation. The baseline draws the whole "
    "picture itself; the enhanced one is deeper, draws only what bicubic lacks, and is taught with a perceptual loss.",
    family="convolutional",
    load=load,
    checkpoints=(
        embedded("baseline", "srresnet-baseline-x4", "ours, baseline", bytes_per_pixel=2200),
        embedded("enhanced", "srresnet-enhanced-x4", "ours, enhanced, perceptual", bytes_per_pixel=2200),
    ),
    # 3x3 convolutions in a row could reach 1 + 20 blocks x 2 + 1 + 1 = 43 pixels in the deeper one; `bench halos` finds 14.
    tiling=Tiling("tiles", halo=14, max_aspect=2),
    preselected=False,
)
