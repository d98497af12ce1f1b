"""FaithDiff: SDXL adapted to image restoration, with a prompt, through diffusers, on a GPU."""

from __future__ import annotations

from sr_demo.checkpoint import OWN, Checkpoint, Repository
from sr_demo.pipelines.options import FaithDiffOptions
from sr_demo.progress import Progress
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.system.hardware import HardwareRequirements


def _load(request: Request) -> Upscaler:
    from sr_demo.pipelines import faithdiff

    return faithdiff.load(request)


def _fetch(progress: Progress) -> object:
    from sr_demo.pipelines import faithdiff

    return faithdiff.fetched_program(progress)


_BASE = ("model_index.json", "*/*.json", "tokenizer/*", "tokenizer_2/*", "text_encoder/model.fp16.safetensors",
         "text_encoder_2/model.fp16.safetensors", "unet/*.fp16.safetensors")  # fmt: skip

APPROACH = Approach(
    id="faithdiff",
    title="FaithDiff",
    summary="restores degraded photos, guided by a prompt",
    about="SDXL with an encoder and an alignment module for degraded photos (Chen et al. 2025, arXiv 2411.18824): similar "
    "to SUPIR, with a free licence. It runs code from one fixed commit of the diffusers repository.",
    family="diffusion",
    load=_load,
    fetch=_fetch,
    checkpoints=(
        Checkpoint(
            name="published",
            title="by its authors, on RealVisXL 4",
            licence="MIT and OpenRAIL++-M",
            parameters=2_700_000_000,
            # Counted: 20 steps with and without the prompt; SDXL takes 103 M operations per LR pixel at 1024 x 1024.
            flops_per_pixel=5.0e9,
            repositories=(
                Repository("SG161222/RealVisXL_V4.0", _BASE, 6_800_000_000),
                Repository("madebyollin/sdxl-vae-fp16-fix", ("config.json", "diffusion_pytorch_model.safetensors"),
                           340_000_000),
                # Its size is not published; SDXL in fp32 is the upper bound.
                Repository("jychen9811/FaithDiff", ("FaithDiff.bin",), 10_600_000_000),
            ),
            needs=HardwareRequirements(
                vram_bytes=8 * 10**9,  # with 8-bit weights; its authors state 5 GB
                ram_bytes=24 * 10**9,
                packages=("diffusers", "transformers", "accelerate"),
                time="a few seconds to a minute (estimate)",
            ),
        ),
    ),
    options=FaithDiffOptions,
    tiling=OWN,
    invents=True,
    preselected=False,
)  # fmt: skip
