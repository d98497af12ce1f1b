"""Seconds per step and GPU memory of the large diffusion models, at full size with random weights.

Weights do not change the cost of a step, so none are downloaded. The x4 upscaler runs as a whole, through diffusers. For
FaithDiff and SUPIR, only SDXL's network is timed, with and without the prompt in each step; the encoder and the control
network that they add are not included.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sr_demo.errors import CannotRunHere, MissingDependency
from sr_demo.image import Image, readonly
from sr_demo.system.hardware import REQUIREMENTS, gpu_bytes

SIDES = (512, 1024)
"""Sides of the result in pixels."""
HEADING = "| model, random weights | result | seconds a step | whole run | GPU memory |\n|---|---|---|---|---|"
_STEPS = 6
_X4_UNET: dict[str, Any] = {
    "sample_size": 128, "in_channels": 7, "out_channels": 4, "block_out_channels": (256, 512, 512, 1024),
    "layers_per_block": 2, "attention_head_dim": 8, "cross_attention_dim": 1024, "use_linear_projection": True,
    "down_block_types": ("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
    "up_block_types": (*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
    "only_cross_attention": (True, True, True, False), "num_class_embeds": 1000,
}  # fmt: skip
"""The published configuration of stabilityai/stable-diffusion-x4-upscaler."""
_X4_VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512), "layers_per_block": 2, "latent_channels": 4, "scaling_factor": 0.08333,
    "down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3,
}  # fmt: skip
_SDXL_UNET: dict[str, Any] = {
    "sample_size": 128, "in_channels": 4, "out_channels": 4, "block_out_channels": (320, 640, 1280),
    "layers_per_block": 2, "attention_head_dim": (5, 10, 20), "cross_attention_dim": 2048,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10), "use_linear_projection": True, "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
"""The published configuration of SDXL 1.0, with 2.57 billion weights."""


@dataclass(frozen=True)
class Cost:
    """Time and memory of one model for a result of `side` x `side` pixels."""

    model: str
    side: int
    seconds_per_step: float
    """Median time of all steps but the first."""
    seconds: float
    """Time of the whole run, `steps` steps and decoding; nan if only steps were run."""
    steps: int
    memory_gb: float
    """Peak GPU memory, weights included, in 10^9 bytes; nan without a GPU."""


def timed(model: str, side: int, run: Callable[[Callable[[], None]], bool], steps: int = _STEPS) -> Cost:
    """Time the steps of one run.

    Args:
        model: Name for the table.
        side: Side of the result in pixels.
        run: Calls its argument after each step; returns whether the run was complete, with decoding.
        steps: Number of steps.
    """
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    moments: list[float] = []

    def stepped() -> None:
        if on_gpu:
            torch.cuda.synchronize()
        moments.append(time.perf_counter())

    begun = time.perf_counter()
    with torch.no_grad():
        whole = run(stepped)
    if on_gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - begun if whole else float("nan")
    most = torch.cuda.max_memory_allocated() / 1e9 if on_gpu else float("nan")
    return Cost(model, side, statistics.median(np.diff(moments)), seconds, steps, most)


def x4_run(pipeline: Any, side: int, width: int, steps: int = _STEPS) -> Cost:
    """Time the x4 upscaler as the page calls it.

    Args:
        pipeline: A diffusers `StableDiffusionUpscalePipeline`.
        side: Side of the result in pixels.
        width: Length of the random vectors that replace the encoded prompt.
        steps: Number of steps.
    """
    words = torch.randn(1, 77, width, dtype=pipeline.unet.dtype, device=pipeline.unet.device)
    image: Image = readonly(np.random.default_rng(0).random((side // 4, side // 4, 3), np.float32))

    def run(stepped: Callable[[], None]) -> bool:
        def callback(step: int, timestep: int, latents: torch.Tensor) -> None:
            stepped()

        pipeline(
            image=torch.from_numpy(image.copy()).permute(2, 0, 1)[None], prompt_embeds=words,
            negative_prompt_embeds=words, num_inference_steps=steps, guidance_scale=7.0, output_type="np",
            callback=callback, callback_steps=1,
        )  # fmt: skip
        return True

    return timed("sd-x4-upscaler", side, run, steps)


def sdxl_run(network: Any, side: int, steps: int = _STEPS) -> Cost:
    """Time SDXL's network on a batch of two: with and without the prompt.

    Args:
        network: A diffusers `UNet2DConditionModel`.
        side: Side of the result in pixels, eight times that of the latents.
        steps: Number of steps.
    """
    kind: dict[str, Any] = {"dtype": network.dtype, "device": network.device}
    text, pooled = network.config.cross_attention_dim, network.config.projection_class_embeddings_input_dim
    added = {
        "text_embeds": torch.randn(2, pooled - 6 * network.config.addition_time_embed_dim, **kind),
        "time_ids": torch.zeros(2, 6, **kind),
    }
    state, words = torch.randn(2, 4, side // 8, side // 8, **kind), torch.randn(2, 77, text, **kind)

    def run(stepped: Callable[[], None]) -> bool:
        for step in range(steps):
            network(state, torch.tensor(999 - step), words, added_cond_kwargs=added)
            stepped()
        return False

    return timed("SDXL's network (FaithDiff, SUPIR)", side, run, steps)


def line(cost: Cost) -> str:
    """Return one row of the Markdown table below `HEADING`."""
    whole = "–" if cost.seconds != cost.seconds else f"{cost.seconds:.1f} s for {cost.steps} steps"
    return f"| {cost.model} | {cost.side} x {cost.side} | {cost.seconds_per_step:.3f} | {whole} | {cost.memory_gb:.1f} GB |"


def measured() -> Iterator[Cost]:
    """Measure all models on the GPU, in fp16.

    Raises:
        CannotRunHere: There is no GPU.
        MissingDependency: diffusers is not installed.
    """
    if not gpu_bytes():
        raise CannotRunHere("This measures GPUs, and there is none here.")
    try:
        from diffusers import (
            AutoencoderKL,
            DDIMScheduler,
            DDPMScheduler,
            StableDiffusionUpscalePipeline,
            UNet2DConditionModel,
        )
    except ImportError as exc:
        raise MissingDependency(f"diffusers is not installed: `{REQUIREMENTS}`.") from exc
    made: Any
    with torch.device("cuda"):
        made = UNet2DConditionModel(**_X4_UNET).half().eval(), AutoencoderKL(**_X4_VAE).half().eval()
    kind: Any = StableDiffusionUpscalePipeline  # its types require parts that it works without
    pipeline = kind(
        unet=made[0], vae=made[1], text_encoder=None, tokenizer=None, low_res_scheduler=DDPMScheduler(),
        scheduler=DDIMScheduler(prediction_type="v_prediction"), max_noise_level=350,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.enable_tiling()
    x4_run(pipeline, SIDES[0], 1024)  # warm-up
    for side in SIDES:
        yield x4_run(pipeline, side, 1024)
    del pipeline, made
    with torch.device("cuda"):
        network: Any = UNet2DConditionModel(**_SDXL_UNET).half().eval()
    sdxl_run(network, SIDES[0])  # warm-up
    for side in SIDES:
        yield sdxl_run(network, side)
