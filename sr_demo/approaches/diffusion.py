"""Our own small diffusion model: starts from EDSR's calm result and guesses, in steps, what detail there may have been."""

from __future__ import annotations

from dataclasses import replace

from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.upscaler import load
from sr_demo.spec import Approach, Checkpoint, Tiling, embedded

_BYTES_PER_PIXEL = 4500


def _checkpoint() -> Checkpoint:
    """Two files: the network that walks, and EDSR for the start picture."""
    calm = embedded("calm", "edsr-x4", "", bytes_per_pixel=2200)
    steps = embedded("small", "diffusion-x4", "ours, small", bytes_per_pixel=_BYTES_PER_PIXEL)
    return replace(
        steps,
        files=(*steps.files, *calm.files),
        parameters=calm.parameters + steps.parameters,
        # Most weights of the walking network work on coarser grids: 0.51 million multiply-adds per LR pixel and step of
        # 2.01 million weights; measured, a step takes 0.59 of EDSR's time in fp32.
        flops_per_pixel=calm.flops_per_pixel + DiffusionOptions().steps * 0.3 * 2 * steps.parameters,
    )


APPROACH = Approach(
    id="diffusion",
    title="Diffusion",
    summary="guesses detail from noise, in steps",
    about="Residual-shift diffusion (Yue et al. 2023, arXiv 2307.12348) in pixel space, with a small convolutional "
    "network of our own. It begins with EDSR's calm result plus noise and walks, in a few steps, to a picture that "
    "could have been the original. Another seed gives another guess: what differs between them is invented.",
    family="diffusion",
    load=load,
    checkpoints=(_checkpoint(),),
    options=DiffusionOptions,
    tiling=Tiling("own", held=140),
    invents=True,
    preselected=False,
)
