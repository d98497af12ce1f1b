"""The Stable Diffusion x4 upscaler: latent diffusion with a prompt, through diffusers, on a GPU."""

from __future__ import annotations

from sr_demo.checkpoint import Checkpoint, Repository, Tiling
from sr_demo.pipelines.options import X4Options
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.system.hardware import HardwareRequirements


def _load(request: Request) -> Upscaler:
    from sr_demo.pipelines import sd_x4

    return sd_x4.load(request)


_FILES = ("model_index.json", "*/*.json", "tokenizer/*", "text_encoder/model.fp16.safetensors",
          "unet/*.fp16.safetensors", "vae/*.fp16.safetensors")  # fmt: skip

APPROACH = Approach(
    id="sd-x4-upscaler",
    title="Stable Diffusion x4",
    summary="invents detail that your prompt describes",
    about="Latent diffusion (Rombach et al. 2022, arXiv 2112.10752): a U-Net with attention turns noise into a "
    "compressed picture, guided by your photo and a prompt; a decoder turns it into pixels. Large photos are split into "
    "tiles, which are guessed independently and blended.",
    family="diffusion",
    load=_load,
    checkpoints=(
        Checkpoint(
            name="published",
            title="Stability AI, 2022",
            licence="OpenRAIL++-M",
            parameters=869_111_785,
            # Counted: 30 steps with and without the prompt, 69 M operations each per LR pixel, and the decoder.
            flops_per_pixel=4.3e9,
            bytes_per_pixel=30_000,
            repositories=(
                Repository(
                    "stabilityai/stable-diffusion-x4-upscaler",
                    _FILES,
                    1_740_000_000,
                    # Its owner removed the first from the Hub in November 2025.
                    mirrors=("sd2-community/stable-diffusion-x4-upscaler",),
                ),
            ),
            needs=HardwareRequirements(
                vram_bytes=6 * 10**9,
                ram_bytes=8 * 10**9,
                packages=("diffusers", "transformers", "accelerate"),
                time="a few seconds to a minute (estimate)",
            ),
        ),
    ),
    options=X4Options,
    tiling=Tiling("tiles", halo=32, multiple_of=16, blend=16, largest=256, max_input_width=320),
    invents=True,
    preselected=False,
)
