"""RRDN: residual-in-residual dense blocks, the generator of ESRGAN, trained for fidelity."""

from __future__ import annotations

from sr_demo.backends.embedded import load
from sr_demo.checkpoint import Tiling, embedded
from sr_demo.spec import Approach

APPROACH = Approach(
    id="rrdn",
    title="RRDN",
    summary="faithful; the network of ESRGAN, not trained as a GAN",
    about="The generator of ESRGAN (Wang et al. 2018, arXiv 1809.00219), trained for fidelity instead of as a GAN: dense "
    "blocks inside residual blocks, which keep a deep network trainable.",
    family="convolutional",
    load=load,
    checkpoints=(embedded("small", "rrdn-x4", "ours, 4 blocks", bytes_per_pixel=3600),),
    # The 4 x 3 x 5 convolutions could reach 63 pixels; `bench halos` measures 16.
    tiling=Tiling("tiles", halo=18, max_aspect=2),
    preselected=False,
)
