"""The Stable Diffusion x4 upscaler (Rombach et al. 2022, arXiv 2112.10752) in diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sr_demo.backends.torch_backend import DTYPES, choose_precision, to_tensor
from sr_demo.image import Image
from sr_demo.pipelines.diffusers_upscaler import OnStep, PipelineUpscaler, placed
from sr_demo.pipelines.options import X4Options
from sr_demo.spec import Request, Upscaler

_WHOLE_BYTES = 8 * 10**9


def call(pipeline: Any, image: Image, options: X4Options, generator: torch.Generator, on_step: OnStep) -> Image:
    """Run the pipeline, which supports only the older form of callback."""

    def callback(step: int, timestep: int, latents: torch.Tensor) -> None:
        on_step(step + 1)

    output = pipeline(
        prompt=options.prompt,
        negative_prompt=options.negative,
        image=to_tensor(image),
        num_inference_steps=options.steps,
        guidance_scale=options.guidance,
        noise_level=options.noise,
        generator=generator,
        output_type="np",
        callback=callback,
        callback_steps=1,
    )
    return output.images[0]


def load(request: Request) -> Upscaler:
    """Load the upscaler from the folder of the repository."""
    from diffusers import StableDiffusionUpscalePipeline

    precision = choose_precision(request.precision)
    return PipelineUpscaler(
        placed(_opened(StableDiffusionUpscalePipeline, request.files[0], precision), _WHOLE_BYTES), call, precision
    )


def _opened(kind: Any, folder: Path, precision: str) -> Any:
    variant = "fp16" if any(folder.glob("unet/*.fp16.safetensors")) else None
    return kind.from_pretrained(
        folder, dtype=DTYPES[precision], variant=variant, use_safetensors=True, local_files_only=True
    )
