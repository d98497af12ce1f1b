"""Training of the small diffusion network: one estimate of HR from a random level of the chain per step.

The initial estimate y comes from the embedded RDN trained for SSIM, which stays fixed. It is the sharpest of the faithful
results, so that less detail has to be generated. The loss is L1, weighted so that all levels count about equally, plus SSIM,
texture and perceptual terms, and later an adversarial one, on the estimate: with L1 alone, a few long steps end in the blurry
mean of all possible images.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.backends.torch_backend import to_tensor
from sr_demo.diffusion.noise import noise_at
from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.sampler import Sampler
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.image import readonly
from sr_demo.networks.shift_unet import ShiftUNet
from sr_demo.progress import SILENT
from sr_demo.training.data import Pairs
from sr_demo.training.loop import Trainer, embedded_network
from sr_demo.training.recipes import Recipe
from sr_demo.training.schedule import learning_rate, phase_at

_INITIAL = "rdn-ssim-x4"
STEPS = 5
"""Sampling steps for the scores in the curves."""
_MAX_WEIGHT = 4.0
"""Largest weight of a level's L1, relative to the last level's."""


class SamplerModule(nn.Module):
    """The complete sampling as one module, for scores: (N, 3, H, W) -> (N, 3, 4*H, 4*W), one sample with fixed noise."""

    def __init__(self, initial: nn.Module, network: ShiftUNet) -> None:
        super().__init__()
        self.initial, self.network = initial, network

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale `lr`, (N, 3, H, W) in [0, 1], with one sample and fixed noise: (N, 3, 4*H, 4*W), not clamped."""
        start = self.initial(lr).float()
        schedule = self.network.schedule
        steps = schedule.steps(min(STEPS, schedule.levels))
        x = start + schedule.kappa * _noise(start, steps[0].level)
        for step in steps:
            level = torch.full((lr.shape[0],), step.level, device=lr.device)
            x = step.keep * x + step.replace * self.network(x, start, lr, level)
            if step.below:
                x = x + step.noise * _noise(x, step.below)
        return x


class UpscalerModule(nn.Module):
    """The approach with its default options as one module: (1, 3, H, W) -> (1, 3, 4*H, 4*W), both in [0, 1]."""

    def __init__(self, initial: nn.Module, network: ShiftUNet) -> None:
        super().__init__()
        self.upscaler = DiffusionUpscaler(Sampler(initial, network))
        self.options = DiffusionOptions(steps=min(DiffusionOptions().steps, network.schedule.levels))

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale `lr`, (1, 3, H, W) in [0, 1], with the default options: (1, 3, 4*H, 4*W) in [0, 1]."""
        image = lr[0].permute(1, 2, 0).float().cpu().numpy()
        return to_tensor(self.upscaler.upscale(readonly(np.ascontiguousarray(image)), self.options, SILENT))


class DiffusionTrainer(Trainer):
    """Trains on uniformly drawn levels, with noise from the random stream of the run."""

    def __init__(self, recipe: Recipe, pairs: Pairs, validation: Pairs, device: torch.device, seed: int = 0) -> None:
        super().__init__(recipe, pairs, validation, device, seed)
        initial = embedded_network(_INITIAL).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.initial = initial.eval().requires_grad_(False)

    def as_upscaler(self, network: nn.Module, final: bool = False) -> nn.Module:
        """Return the complete method around `network`: `UpscalerModule` if `final`, else `SamplerModule`."""
        assert isinstance(network, ShiftUNet)
        return UpscalerModule(self.initial, network) if final else SamplerModule(self.initial, network)

    def step(self, fraction: float) -> float:
        """Take one training step.

        Args:
            fraction: Finished share of the run, 0..1.

        Returns:
            The loss before the step.
        """
        phase, _ = phase_at(self.recipe.phases, fraction)
        weights = dict(phase.losses)
        rate = learning_rate(self.recipe.phases, fraction, self.recipe.warm_up)
        lr, hr = self._batch(phase)
        network = self.network
        assert isinstance(network, ShiftUNet)
        level = torch.randint(1, network.schedule.levels + 1, (len(lr),), generator=self.noise).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            with torch.no_grad():
                start = self.initial(lr).float()
            shifted = self._shifted(network, hr, start, level)
            estimate = network.train()(shifted, start, lr, level)
        error = network.error(level)
        weight_of_level = (error.max() / error).clamp(max=_MAX_WEIGHT)
        loss = weights["l1"] * (weight_of_level * F.l1_loss(estimate, hr, reduction="none").mean((1, 2, 3))).mean()
        others = tuple((name, weight) for name, weight in phase.losses if name != "l1")
        adversarial = self.discriminator is not None and "gan" in weights
        if others:
            logits = self._logits(estimate) if adversarial else None
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
                loss = loss + self.objective(replace(phase, losses=others), estimate, hr, logits)
        value = self._descend(loss, rate)
        if adversarial and self.discriminator is not None:
            self.discriminator.step(estimate.detach(), hr, rate, self.reduced)
        return value

    def _shifted(self, network: ShiftUNet, hr: Tensor, start: Tensor, level: Tensor) -> Tensor:
        """Return x at `level` of the chain from `hr` to `start` (the formula of `shift_schedule`).

        Args:
            network: The network with the schedule.
            hr: (N, 3, H, W), x at level 0.
            start: (N, 3, H, W), the initial estimate y.
            level: (N,) integers, 1..T.
        """
        eta: Any = torch.tensor([network.schedule.eta(int(t)) for t in level], device=hr.device).view(-1, 1, 1, 1)
        noise = torch.randn(hr.shape, generator=self.noise).to(hr.device)
        return hr + eta * (start - hr) + network.schedule.kappa * eta.sqrt() * noise


def _noise(like: Tensor, level: int) -> Tensor:
    drawn = torch.from_numpy(noise_at(like.shape[2], like.shape[3], 0, 0, level).copy())
    return drawn.permute(2, 0, 1)[None].to(like.device)
