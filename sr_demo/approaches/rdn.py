"""RDN: the residual dense network."""

from __future__ import annotations

from dataclasses import replace

from sr_demo.backends.embedded import load
from sr_demo.checkpoint import Tiling, embedded
from sr_demo.spec import Approach

APPROACH = Approach(
    id="rdn",
    title="RDN",
    summary="faithful: trained for PSNR",
    about="A residual dense network (Zhang et al. 2018, arXiv 1802.08797): within a block, every convolution reads the "
    "outputs of all earlier ones, and the outputs of all blocks are fused. It is trained to be right on average, so it stays "
    "smooth where the input holds too little detail.",
    family="convolutional",
    load=load,
    checkpoints=(
        embedded("mse", "rdn-mse-x4", "ours, small, trained for MSE", bytes_per_pixel=9000),
        replace(
            embedded("ssim", "rdn-ssim-x4", "ours, fine-tuned for SSIM", bytes_per_pixel=9000),
            note="Faithful; trained to match local structure.",
        ),
    ),
    # The 3x3 convolutions could reach 2 + 5 blocks x 3 + 1 + 1 = 19 pixels; `bench halos` measures 12.
    tiling=Tiling("tiles", halo=12, max_aspect=2),
)
