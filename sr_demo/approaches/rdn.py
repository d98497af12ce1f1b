"""RDN: residual dense network."""

from __future__ import annotations

from sr_demo.backends.embedded import load
from sr_demo.spec import Approach, Tiling, embedded

APPROACH = Approach(
    id="rdn",
    title="RDN",
    summary="faithful, never invents",
    about="A residual dense network (Zhang et al. 2018, arXiv 1802.08797): every convolution sees the outputs of all "
    "before it. Trained to be right on average, so it stays calm where the input does not say enough.",
    family="convolutional",
    load=load,
    checkpoints=(
        embedded("mse", "rdn-mse-x4", "ours, small, trained for MSE", bytes_per_pixel=9000),
        embedded("ssim", "rdn-ssim-x4", "ours, the same start, trained for SSIM", bytes_per_pixel=9000),
    ),
    # 3x3 convolutions in a row could reach 2 + 5 blocks x 3 + 1 + 1 = 19 pixels; `bench halos` finds 12.
    tiling=Tiling("tiles", halo=12, max_aspect=2),
)
