"""Seconds a step and GPU memory of the large diffusion models, at full size with random weights.

    python -m sr_demo.benchmarks.pipelines

Weights do not change what a step costs, so none are fetched; the pictures that come out are noise. The x4 upscaler runs
whole, through diffusers. Of FaithDiff and SUPIR it is SDXL's network that is timed, with and without the words in each
step: what both add to it (an encoder, a control network) comes on top.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from sr_demo.errors import CannotRunHere, MissingDependency, SRError
from sr_demo.image import Image, readonly
from sr_demo.system.hardware import REQUIREMENTS, gpu_bytes

SIDES = (512, 1024)
"""Of the result."""
_STEPS = 6
_X4_UNET: dict[str, Any] = {
    "sample_size": 128, "in_channels": 7, "out_channels": 4, "block_out_channels": (256, 512, 512, 1024),
    "layers_per_block": 2, "attention_head_dim": 8, "cross_attention_dim": 1024, "use_linear_projection": True,
    "down_block_types": ("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
    "up_block_types": (*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
    "only_cross_attention": (True, True, True, False), "num_class_embeds": 1000,
}  # fmt: skip
"""As the published configuration of stabilityai/stable-diffusion-x4-upscaler has it."""
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
"""As the published configuration of SDXL 1.0 has it: 2.57 billion weights."""


@dataclass(frozen=True)
class Cost:
    """What one model took for a result of `side` x `side`."""

    model: str
    side: int
    seconds_per_step: float
    """Median of all steps but the first."""
    seconds: float
    """Of the whole run, `steps` steps and decoding where there is any; nan where only steps were run."""
    steps: int
    memory_gb: float
    """Most GPU memory that was in use, weights included, 10^9 bytes; nan without a GPU."""


def timed(model: str, side: int, run: Callable[[Callable[[], None]], bool], steps: int = _STEPS) -> Cost:
    """`run` calls its argument after each step, and returns whether it was a whole run."""
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
    """The x4 upscaler as the page calls it, with vectors of `width` in place of the encoded words."""
    words = torch.randn(1, 77, width, dtype=pipeline.unet.dtype, device=pipeline.unet.device)
    picture: Image = readonly(np.random.default_rng(0).random((side // 4, side // 4, 3), np.float32))

    def run(stepped: Callable[[], None]) -> bool:
        def callback(step: int, timestep: int, latents: torch.Tensor) -> None:
            stepped()

        pipeline(
            image=torch.from_numpy(picture.copy()).permute(2, 0, 1)[None], prompt_embeds=words,
            negative_prompt_embeds=words, num_inference_steps=steps, guidance_scale=7.0, output_type="np",
            callback=callback, callback_steps=1,
        )  # fmt: skip
        return True

    return timed("sd-x4-upscaler", side, run, steps)


def sdxl_run(network: Any, side: int, steps: int = _STEPS) -> Cost:
    """SDXL's network at the latent size of a result of this side, a batch of two: with and without the words."""
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


def table(costs: list[Cost]) -> str:
    """As Markdown."""
    rows = ["| model, random weights | result | seconds a step | whole run | GPU memory |", "|---|---|---|---|---|"]
    for c in costs:
        whole = "–" if c.seconds != c.seconds else f"{c.seconds:.1f} s for {c.steps} steps"
        rows.append(f"| {c.model} | {c.side} x {c.side} | {c.seconds_per_step:.3f} | {whole} | {c.memory_gb:.1f} GB |")
    return "\n".join(rows)


def measured() -> list[Cost]:
    """All of them on the GPU, in fp16. Raises CannotRunHere without one."""
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
    kind: Any = StableDiffusionUpscalePipeline  # its types ask for parts that it does without
    pipeline = kind(
        unet=made[0], vae=made[1], text_encoder=None, tokenizer=None, low_res_scheduler=DDPMScheduler(),
        scheduler=DDIMScheduler(prediction_type="v_prediction"), max_noise_level=350,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.enable_tiling()
    costs = [x4_run(pipeline, side, 1024) for side in (SIDES[0], *SIDES)][1:]  # the first run warms up
    del pipeline, made
    with torch.device("cuda"):
        network: Any = UNet2DConditionModel(**_SDXL_UNET).half().eval()
    return costs + [sdxl_run(network, side) for side in (SIDES[0], *SIDES)][1:]


def main() -> int:
    """Print the table, or JSON with --json; 2 with a sentence where it cannot be done."""
    parser = argparse.ArgumentParser(description="Seconds a step and GPU memory, full size, random weights.")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        costs = measured()
    except SRError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    name = torch.cuda.get_device_name(0)
    shown = json.dumps({"gpu": name, "costs": [asdict(cost) for cost in costs]}, indent=2)
    sys.stdout.write((shown if args.json else f"{name}, torch {torch.__version__}, fp16\n\n{table(costs)}") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
