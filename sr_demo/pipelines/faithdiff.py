"""FaithDiff (Chen et al. 2025, arXiv 2411.18824) through the community pipeline of diffusers.

The pipeline is a Python file in the diffusers repository, but not part of its package. It is downloaded from the commit below
and executed, so that using FaithDiff means trusting this commit. The weights are a pickle, which is read as plain tensors, so
that no code in it runs.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from sr_demo.backends.torch_backend import DTYPES, choose_precision
from sr_demo.checkpoint import WeightFile
from sr_demo.errors import WeightsUnavailable
from sr_demo.hub.download import SourceFailed, transfer
from sr_demo.image import Image, Size
from sr_demo.imaging.resize import resize
from sr_demo.pipelines.diffusers_upscaler import SCALE, OnStep, PipelineUpscaler, placed
from sr_demo.pipelines.options import FaithDiffOptions
from sr_demo.progress import Progress
from sr_demo.spec import Request, Upscaler
from sr_demo.system import hardware
from sr_demo.system.storage import cache_folder, disk_errors_translated, ensure_folder, unfinished_folder

COMMIT = "076104a975f173264fc7f21ddd6cd628ce874721"
"""Commit of huggingface/diffusers. Review the program at another commit before changing this."""
NAME = "pipeline_faithdiff_stable_diffusion_xl.py"
_ADDRESS = f"https://raw.githubusercontent.com/huggingface/diffusers/{COMMIT}/examples/community/{NAME}"
_MOST_BYTES = 200_000
_WHOLE_BYTES = 20 * 10**9
_EIGHT_BIT_BELOW = 11 * 10**9
"""GPU memory in bytes below which the weights of the UNet are kept in 8 bit, which takes 2.5 GB instead of 5 GB."""
_OWN_PARTS = (
    "denoise_encoder", "information_transformer_layes", "condition_embedding", "agg_net", "spatial_ch_projs",
)  # fmt: skip
"""Modules that FaithDiff adds to SDXL's UNet, with the names (and spellings) of its pipeline."""
_TILE = 1024
"""Side of the tiles of each step, in pixels of the result; neighbours overlap by half and are blended."""


def call(pipeline: Any, image: Image, options: FaithDiffOptions, generator: torch.Generator, on_step: OnStep) -> Image:
    """Run the pipeline on the bicubically upscaled image. `on_step` is called after each tile of each step."""
    from PIL import Image as Pillow

    size = Size(image.shape[0] * SCALE, image.shape[1] * SCALE)
    upscaled = Pillow.fromarray((resize(image, size).clip(0, 1) * 255 + 0.5).astype("uint8"))

    def callback(_: Any, step: int, timestep: int, values: dict[str, Any]) -> dict[str, Any]:
        on_step(step + 1)
        return values

    output = pipeline(
        lr_img=upscaled,
        prompt=options.prompt,
        negative_prompt=options.negative or None,
        num_inference_steps=options.steps,
        guidance_scale=options.guidance,
        generator=generator,
        start_point="lr" if options.begin == "picture" else "noise",
        height=size.height,
        width=size.width,
        overlap=0.5,
        target_size=(_TILE, _TILE),
        output_type="np",
        callback_on_step_end=callback,
    )
    return output.images[0]


def load(request: Request) -> Upscaler:
    """Load the upscaler from the folders of base model, fp16-safe autoencoder and FaithDiff's weights, in this order."""
    base, autoencoder, own = request.files
    precision = choose_precision(request.precision, ("fp32", "fp16"))  # as its authors run it
    program = imported(fetched_program(request.progress))
    pipeline = assembled(program.FaithDiffStableDiffusionXLPipeline, base, autoencoder, own, precision)
    reported = precision
    if precision == "fp16" and hardware.gpu_bytes() < _EIGHT_BIT_BELOW:
        eight_bit(pipeline, precision)
        reported = "fp16, weights fp8"
    return PipelineUpscaler(placed(pipeline, _WHOLE_BYTES), call, reported, seconds_per_megapixel_step=0.6)


def eight_bit(pipeline: Any, precision: str) -> None:
    """Keep the weights of SDXL's UNet in 8 bit (e4m3); each layer is cast to `precision` when it computes.

    Norms stay in `precision`, and so do FaithDiff's modules, since torch's attention reads weights without calling layers.
    """
    pipeline.unet.enable_layerwise_casting(
        storage_dtype=torch.float8_e4m3fn,
        compute_dtype=DTYPES[precision],
        skip_modules_pattern=("norm", *_OWN_PARTS),
    )


def assembled(kind: Any, base: Path, autoencoder: Path, own: Path, precision: str) -> Any:
    """Assemble the pipeline from its parts.

    Args:
        kind: Class of the community pipeline.
        base: Folder of the base model.
        autoencoder: Folder of the autoencoder.
        own: Folder of FaithDiff's weights.
        precision: "fp32" or "fp16".
    """
    from diffusers import AutoencoderKL, UniPCMultistepScheduler

    dtype = DTYPES[precision]
    local: dict[str, Any] = {"use_safetensors": True, "local_files_only": True}
    variant = "fp16" if any(base.glob("unet/*.fp16.safetensors")) else None
    vae: Any = AutoencoderKL.from_pretrained(autoencoder, dtype=dtype, **local)
    pipeline = kind.from_pretrained(base, vae=vae, unet=None, dtype=dtype, variant=variant, **local)
    unet = kind.unet_model.from_pretrained(base, subfolder="unet", variant=variant, dtype=dtype, **local)
    # FaithDiff's loader would unpickle any object in the file; this one reads tensors only.
    unet.load_additional_layers(dtype=dtype, weight_path=None)
    unet.load_state_dict(torch.load(own / "FaithDiff.bin", map_location="cpu", weights_only=True), strict=True)
    pipeline.register_modules(unet=unet)
    pipeline.scheduler = UniPCMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_encoder_tile_settings()
    unet.denoise_encoder.enable_tiling()
    return pipeline


def program_path() -> Path:
    """Return the path of the community pipeline, which may not exist yet."""
    return cache_folder() / "programs" / COMMIT / NAME


def fetched_program(progress: Progress) -> Path:
    """Return the path of the community pipeline; download it if it is missing.

    Raises WeightsUnavailable, StorageError or Cancelled.
    """
    place = program_path()
    if place.is_file():
        return place
    ensure_folder(place.parent, need=_MOST_BYTES)
    with disk_errors_translated(place.parent), unfinished_folder(place.parent) as part:
        try:
            transfer(_ADDRESS, part / NAME, WeightFile(NAME, "", _MOST_BYTES), progress)
            (part / NAME).replace(place)
        except SourceFailed as failed:
            raise WeightsUnavailable(
                f"FaithDiff's pipeline could not be fetched from {_ADDRESS} ({failed.code}). Try again with a network, "
                f"or put the file at {place}."
            ) from failed
    return place


def imported(path: Path) -> ModuleType:
    """Import the module in the file `path`."""
    name = f"sr_demo_program_{path.stem}"
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # needed by dataclasses, which look up their module
    found.loader.exec_module(module)
    return module
