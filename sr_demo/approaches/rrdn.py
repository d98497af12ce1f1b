"""RRDN: residual-in-residual dense blocks, the body of ESRGAN, trained to be faithful."""

from __future__ import annotations

from sr_demo.backends.embedded import load
from sr_demo.spec import Approach, Tiling, embedded

APPROACH = Approach(
    id="rrdn",
    title="RRDN",
    summary="dense blocks within residual blocks",
    about="The body of ESRGAN (Wang et al. 2018, arXiv 1809.00219), trained for closeness instead of against a critic: "
    "dense blocks inside residual blocks, so that a deep network still learns.",
    family="convolutional",
    load=load,
    checkpoints=(embedded("small", "rrdn-x4", "ours, 4 blocks", bytes_per_pixel=3600),),
    # 4 x 3 x 5 convolutions in a row could reach 63 pixels; `bench halos` finds 12.
    tiling=Tiling("tiles", halo=14, max_aspect=2),
    preselected=False,
)
