"""SUPIR: restoration with SDXL from the user's own checkout and weights, on a GPU."""

from __future__ import annotations

from sr_demo.checkpoint import OWN, Checkpoint
from sr_demo.pipelines.options import SupirOptions
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.system.hardware import HardwareRequirements


def _load(request: Request) -> Upscaler:
    from sr_demo.pipelines import supir

    return supir.load(request)


APPROACH = Approach(
    id="supir",
    title="SUPIR",
    summary="restores degraded photos, guided by a prompt, from your own copy",
    about="SDXL with a large control network (Yu et al. 2024, arXiv 2401.13627). Its licence forbids commercial use and "
    "redistribution of the weights, so it runs from your own checkout, in a separate process. It uses your prompt.",
    family="diffusion",
    load=_load,
    checkpoints=(
        Checkpoint(
            name="own",
            title="your own copy",
            licence="SUPIR, non-commercial",
            parameters=3_900_000_000,
            # Estimate: 50 steps with and without the prompt; the control network adds half of SDXL.
            flops_per_pixel=1.6e10,
            needs=HardwareRequirements(
                vram_bytes=12 * 10**9,
                ram_bytes=32 * 10**9,
                time="a minute or more (estimate)",
                variables=("SR_DEMO_SUPIR_HOME",),
            ),
        ),
    ),
    options=SupirOptions,
    load_options=("preset", "tiled"),
    tiling=OWN,
    invents=True,
    preselected=False,
)
