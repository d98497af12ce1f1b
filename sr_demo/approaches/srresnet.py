"""SRResNet: a plain residual network, and an enhanced version of it."""

from __future__ import annotations

from dataclasses import replace

from sr_demo.backends.embedded import load
from sr_demo.checkpoint import Tiling, embedded
from sr_demo.spec import Approach

APPROACH = Approach(
    id="srresnet",
    title="SRResNet",
    summary="a plain network, for comparison",
    about="Residual blocks (Ledig et al. 2017, arXiv 1609.04802) without batch normalization. The baseline predicts the "
    "whole picture; the enhanced network is deeper, predicts only what bicubic misses, and uses a perceptual loss.",
    family="convolutional",
    load=load,
    checkpoints=(
        embedded("baseline", "srresnet-baseline-x4", "ours, baseline", bytes_per_pixel=2200),
        replace(
            embedded("enhanced", "srresnet-enhanced-x4", "ours, enhanced, perceptual", bytes_per_pixel=2200),
            note="Deeper, trained with a perceptual loss.",
        ),
    ),
    # The 3x3 convolutions of the deeper one could reach 1 + 20 blocks x 2 + 1 + 1 = 43 pixels; `bench halos` measures 14.
    tiling=Tiling("tiles", halo=14, max_aspect=2),
    preselected=False,
)
