"""Scores: quick ones on crops while training, full ones on whole pictures for the card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from sr_demo.backends.torch_backend import NetworkUpscaler
from sr_demo.metrics.full_reference import psnr_y, ssim_y
from sr_demo.options import Options
from sr_demo.progress import SILENT
from sr_demo.training.data import Pairs, TrainingImage, as_float, centre_crops, read_rgb
from sr_demo.training.recipes import Recipe

CROP = 48
"""Side of a validation crop, LR pixels."""


class Validation:
    """Mean PSNR-Y and SSIM-Y over the middles of the validation pictures, degraded as the recipe trains."""

    def __init__(self, recipe: Recipe, pairs: Pairs, device: torch.device, reduced: bool) -> None:
        self.pairs = pairs
        side = min(CROP, *(min(lr.shape[:2]) for lr in pairs.lr))
        small, large = centre_crops(pairs, side, recipe.scale)
        self._scale, self._device, self._reduced = recipe.scale, device, reduced
        self._hr = [as_float(picture) for picture in large]
        self._lr = _batch(small)
        if recipe.degradation == "high-order":
            from sr_demo.training.degradation import degrade

            rng, noise = np.random.default_rng(0), torch.Generator().manual_seed(0)
            # One at a time, so that each is degraded in its own way.
            self._lr = torch.cat([degrade(one, recipe.scale, rng, noise) for one in _batch(large).split(1)])

    @torch.no_grad()
    def score(self, network: nn.Module) -> tuple[float, float]:
        """(PSNR-Y in dB, SSIM-Y)."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._reduced):
            results = [network(part.to(self._device)).float().cpu() for part in self._lr.split(4)]
        pictures = torch.cat(results).clamp(0, 1).permute(0, 2, 3, 1).contiguous().numpy()
        values = [
            (psnr_y(sr, hr, self._scale), ssim_y(sr, hr, self._scale))
            for sr, hr in zip(pictures, self._hr, strict=True)
        ]
        psnr, ssim = np.mean(values, axis=0)
        return float(psnr), float(ssim)


def score_pairs(network: nn.Module, pairs: Pairs, scale: int) -> dict[str, float]:
    """Mean over whole pictures, fp32, untiled: {"psnr_y", "ssim_y"} to 4 digits. Small ones come in as they are."""
    upscaler = NetworkUpscaler(network, "fp32")
    values: list[tuple[float, float]] = []
    for lr, hr in zip(pairs.lr, pairs.hr, strict=True):
        sr = upscaler.upscale(as_float(lr), Options(), SILENT)
        truth = as_float(hr[: sr.shape[0], : sr.shape[1]])
        values.append((psnr_y(sr, truth, scale), ssim_y(sr, truth, scale)))
    psnr, ssim = np.mean(values, axis=0)
    return {"psnr_y": round(float(psnr), 4), "ssim_y": round(float(ssim), 4)}


def test_set(folder: Path, scale: int) -> Pairs:
    """A test set with its own small pictures: `HR/` and `LRx<scale>/`, matched in the order of their names."""
    big = sorted((folder / "HR").iterdir())
    small = sorted((folder / f"LRx{scale}").iterdir())
    lr: list[TrainingImage] = [read_rgb(path) for path in small]
    hr: list[TrainingImage] = [read_rgb(path) for path in big]
    return Pairs(tuple(path.name for path in big), tuple(hr), tuple(lr), ())


def _batch(pictures: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255.0
