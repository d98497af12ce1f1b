"""SUPIR: restoration on SDXL from a person's own checkout and weights, on a GPU."""

from __future__ import annotations

from sr_demo.pipelines.options import SupirOptions
from sr_demo.spec import OWN, Approach, Checkpoint, Needs, Request, Upscaler


def _load(request: Request) -> Upscaler:
    from sr_demo.pipelines import supir

    return supir.load(request)


APPROACH = Approach(
    id="supir",
    title="SUPIR",
    summary="restores damaged photos, guided by words, from your own copy",
    about="SDXL with a large control network (Yu et al. 2024, arXiv 2401.13627). Its licence forbids commercial use and "
    "passing its weights on, so it runs from your own checkout, in a process of its own. The typed prompt is used.",
    family="diffusion",
    load=_load,
    checkpoints=(
        Checkpoint(
            name="own",
            title="your own copy",
            licence="SUPIR, non-commercial",
            parameters=3_900_000_000,
            # 50 steps with and without the words; half as much again as SDXL for the control network: an estimate.
            flops_per_pixel=1.6e10,
            needs=Needs(
                vram_bytes=12 * 10**9,
                ram_bytes=32 * 10**9,
                time="by its operations a minute or more, not measured",
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
