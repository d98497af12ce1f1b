"""FaithDiff: SDXL adapted to restoring pictures, with a prompt, through diffusers, on a GPU."""

from __future__ import annotations

from sr_demo.pipelines.options import FaithDiffOptions
from sr_demo.progress import Progress
from sr_demo.spec import OWN, Approach, Checkpoint, Needs, Repository, Request, Upscaler


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
    summary="restores damaged photos, guided by words",
    about="SDXL with an encoder and an alignment module for damaged pictures (Chen et al. 2025, arXiv 2411.18824): of "
    "SUPIR's kind, with a free licence. Runs program code from one named commit of the diffusers repository.",
    family="diffusion",
    load=_load,
    fetch=_fetch,
    checkpoints=(
        Checkpoint(
            name="published",
            title="by its authors, on RealVisXL 4",
            licence="MIT and OpenRAIL++-M",
            parameters=2_700_000_000,
            # 20 steps with and without the words; SDXL takes 103 M operations per LR pixel at 1024 x 1024: counted.
            flops_per_pixel=5.0e9,
            repositories=(
                Repository("SG161222/RealVisXL_V4.0", _BASE, 6_800_000_000),
                Repository("madebyollin/sdxl-vae-fp16-fix", ("config.json", "diffusion_pytorch_model.safetensors"),
                           340_000_000),
                # Not known to us: at most SDXL in fp32.
                Repository("jychen9811/FaithDiff", ("FaithDiff.bin",), 10_600_000_000),
            ),
            needs=Needs(
                vram_bytes=8 * 10**9,  # with weights in 8 bit; its authors state 5 GB so
                ram_bytes=24 * 10**9,
                packages=("diffusers", "transformers", "accelerate"),
                time="by its operations seconds to a minute, not measured",
            ),
        ),
    ),
    options=FaithDiffOptions,
    tiling=OWN,
    invents=True,
    preselected=False,
)  # fmt: skip
