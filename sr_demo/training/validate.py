"""Scores of networks: on crops during training, on whole images for the card."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from sr_demo.backends.torch_backend import NetworkUpscaler
from sr_demo.metrics.full_reference import psnr_y, ssim_y
from sr_demo.options import Options
from sr_demo.progress import SILENT
from sr_demo.training.data import Pairs, as_float, centre_crops
from sr_demo.training.recipes import Recipe

CROP = 48
"""Side of a validation crop, LR pixels."""


class Validation:
    """Mean PSNR-Y and SSIM-Y over the central crops of the validation images, degraded as in the recipe."""

    def __init__(self, recipe: Recipe, pairs: Pairs, device: torch.device, reduced: bool) -> None:
        self.pairs = pairs
        side = min(CROP, *(min(lr.shape[:2]) for lr in pairs.lr))
        lr, hr = centre_crops(pairs, side, recipe.scale)
        self._scale, self._device, self._reduced = recipe.scale, device, reduced
        self._hr = [as_float(image) for image in hr]
        self._lr = _batch(lr)
        if recipe.degradation == "high-order":
            from sr_demo.training.degradation import degrade

            rng, noise = np.random.default_rng(0), torch.Generator().manual_seed(0)
            # One image at a time, since sizes and filters are drawn once per batch.
            self._lr = torch.cat([degrade(one, recipe.scale, rng, noise) for one in _batch(hr).split(1)])

    @torch.no_grad()
    def score(self, network: nn.Module) -> tuple[float, float]:
        """Return PSNR-Y in dB and SSIM-Y of `network`: (N, 3, H, W) -> (N, 3, s*H, s*W)."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._reduced):
            results = [network(part.to(self._device)).float().cpu() for part in self._lr.split(4)]
        images = torch.cat(results).clamp(0, 1).permute(0, 2, 3, 1).contiguous().numpy()
        values = [
            (psnr_y(sr, hr, self._scale), ssim_y(sr, hr, self._scale)) for sr, hr in zip(images, self._hr, strict=True)
        ]
        psnr, ssim = np.mean(values, axis=0)
        return float(psnr), float(ssim)


def score_pairs(network: nn.Module, pairs: Pairs, scale: int) -> dict[str, float]:
    """Score a network on whole images, in fp32 and untiled.

    Args:
        network: (1, 3, h, w) -> (1, 3, s*h, s*w).
        pairs: LR images are used as they are.
        scale: Scale factor, s; also the width of the cropped border.

    Returns:
        Means {"psnr_y", "ssim_y"}, rounded to 4 digits.
    """
    upscaler = NetworkUpscaler(network, "fp32")
    values: list[tuple[float, float]] = []
    for lr, hr in zip(pairs.lr, pairs.hr, strict=True):
        sr = upscaler.upscale(as_float(lr), Options(), SILENT)
        reference = as_float(hr[: sr.shape[0], : sr.shape[1]])
        values.append((psnr_y(sr, reference, scale), ssim_y(sr, reference, scale)))
    psnr, ssim = np.mean(values, axis=0)
    return {"psnr_y": round(float(psnr), 4), "ssim_y": round(float(ssim), 4)}


def _batch(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255.0
