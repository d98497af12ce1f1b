"""The real classes of diffusers and transformers at tiny size, with random weights; nothing is fetched."""

# diffusers annotates tuples of one value where it takes several.
# pyright: reportArgumentType=false
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    StableDiffusionUpscalePipeline,
    StableDiffusionXLImg2ImgPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def tokenizer(folder: Path) -> CLIPTokenizer:
    """One token for each letter."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [*_LETTERS, *(f"{letter}</w>" for letter in _LETTERS), *_SPECIAL]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16)


def _text(width: int, projection: bool = False) -> Any:
    config = CLIPTextConfig(
        bos_token_id=52, eos_token_id=53, pad_token_id=53, hidden_size=width, intermediate_size=32,
        num_attention_heads=4, num_hidden_layers=3, vocab_size=64, projection_dim=width,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()


def _vae(scaling_factor: float) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 8), in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, sample_size=64,
        scaling_factor=scaling_factor,
    ).eval()  # fmt: skip


def x4(folder: Path) -> StableDiffusionUpscalePipeline:
    """As stabilityai/stable-diffusion-x4-upscaler is put together."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=32, in_channels=7, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32, attention_head_dim=4, use_linear_projection=True, only_cross_attention=(True, False),
        num_class_embeds=400, norm_num_groups=8,
    ).eval()  # fmt: skip
    return StableDiffusionUpscalePipeline(
        unet=unet, vae=_vae(0.08333), text_encoder=_text(32), tokenizer=tokenizer(folder / "tokens"),
        low_res_scheduler=DDPMScheduler(), scheduler=DDIMScheduler(prediction_type="v_prediction"),
        max_noise_level=350,
    )  # fmt: skip


def sdxl(folder: Path) -> StableDiffusionXLImg2ImgPipeline:
    """Parts of SDXL in their right places, small."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=32, in_channels=4, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=64, attention_head_dim=(2, 4), use_linear_projection=True, norm_num_groups=8,
        transformer_layers_per_block=(1, 1), addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=8 * 6 + 32,
    ).eval()  # fmt: skip
    tokens = tokenizer(folder / "tokens")
    return StableDiffusionXLImg2ImgPipeline(
        unet=unet, vae=_vae(0.13025), text_encoder=_text(32), text_encoder_2=_text(32, projection=True), tokenizer=tokens,
        tokenizer_2=tokens, scheduler=DDIMScheduler(), requires_aesthetics_score=False,
    )  # fmt: skip
