"""Our small diffusion model: starts from RDN's result and adds plausible detail in steps."""

from __future__ import annotations

from dataclasses import replace

from sr_demo.checkpoint import Checkpoint, Tiling, embedded
from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.upscaler import load
from sr_demo.spec import Approach

_BYTES_PER_PIXEL = 5000


def _checkpoint() -> Checkpoint:
    """Return the checkpoint of two files: the denoising network, and RDN (trained for SSIM) for the start image."""
    start = embedded("calm", "rdn-ssim-x4", "", bytes_per_pixel=9000)
    steps = embedded("small", "diffusion-x4", "ours, small", bytes_per_pixel=_BYTES_PER_PIXEL)
    return replace(
        steps,
        files=(*steps.files, *start.files),
        parameters=start.parameters + steps.parameters,
        # Most weights of the denoising network act on coarser grids: 0.51 million multiply-adds per LR pixel and step for
        # 2.01 million weights. A step was measured to take 0.59 of EDSR's time in fp32.
        flops_per_pixel=start.flops_per_pixel + DiffusionOptions().steps * 0.3 * 2 * steps.parameters,
    )


APPROACH = Approach(
    id="diffusion",
    title="Diffusion",
    summary="guesses detail from noise, step by step",
    about="Residual-shift diffusion (Yue et al. 2023, arXiv 2307.12348) in pixel space, with a small convolutional "
    "network of our own. It starts from RDN's smooth result plus noise and moves, in a few steps, to a picture that "
    "could have been the original. Another seed gives another guess; whatever differs between guesses is invented.",
    family="diffusion",
    load=load,
    checkpoints=(_checkpoint(),),
    options=DiffusionOptions,
    tiling=Tiling("own", bytes_per_result_pixel=140),
    invents=True,
    preselected=False,
)
