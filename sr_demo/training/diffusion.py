"""Teaching the small diffusion network: from a random level of the chain to the truth in one estimate.

The start picture is that of our embedded EDSR, which stays as it is. Sum of losses: L1, weighed so that each level of
the chain counts about alike; later a perceptual loss and a critic on the estimate, without which few long steps end in
the blurry middle of all possibilities.
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
from sr_demo.training.liif import embedded_edsr
from sr_demo.training.loop import Trainer
from sr_demo.training.recipes import Recipe
from sr_demo.training.schedule import learning_rate, phase_at

STEPS = 5
"""Of the samples that the curves are made of."""
_MOST = 4.0
"""Largest weight of a level's L1, in that of the last level."""


class Sampling(nn.Module):
    """The whole way as one module, for scores: (N, 3, H, W) -> (N, 3, 4 H, 4 W), one sample, always the same noise."""

    def __init__(self, calm: nn.Module, network: ShiftUNet) -> None:
        super().__init__()
        self.calm, self.network = calm, network

    def forward(self, small: Tensor) -> Tensor:
        start = self.calm(small).float()
        schedule = self.network.schedule
        steps = schedule.steps(min(STEPS, schedule.levels))
        x = start + schedule.kappa * _noise(start, steps[0].level)
        for step in steps:
            level = torch.full((small.shape[0],), step.level, device=small.device)
            x = step.keep * x + step.replace * self.network(x, start, small, level)
            if step.below:
                x = x + step.noise * _noise(x, step.below)
        return x


class Finished(nn.Module):
    """(1, 3, H, W) -> (1, 3, 4 H, 4 W): what the approach makes of a picture unless it is asked for something else."""

    def __init__(self, calm: nn.Module, network: ShiftUNet) -> None:
        super().__init__()
        self.upscaler = DiffusionUpscaler(Sampler(calm, network))
        self.options = DiffusionOptions(steps=min(DiffusionOptions().steps, network.schedule.levels))

    def forward(self, small: Tensor) -> Tensor:
        image = small[0].permute(1, 2, 0).float().cpu().numpy()
        return to_tensor(self.upscaler.upscale(readonly(np.ascontiguousarray(image)), self.options, SILENT))


class DiffusionTrainer(Trainer):
    """Levels are drawn evenly, the noise from the run's own stream."""

    def __init__(self, recipe: Recipe, pairs: Pairs, validation: Pairs, device: torch.device, seed: int = 0) -> None:
        super().__init__(recipe, pairs, validation, device, seed)
        self.calm = embedded_edsr().to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]

    def as_enlarger(self, network: nn.Module, final: bool = False) -> nn.Module:
        """The network with the start picture before it, walking the chain; `final`: with everything that is the default."""
        assert isinstance(network, ShiftUNet)
        return Finished(self.calm, network) if final else Sampling(self.calm, network)

    def step(self, fraction: float) -> float:
        """One update at `fraction` of the run. Returns the loss."""
        phase, _ = phase_at(self.recipe.phases, fraction)
        weights = dict(phase.losses)
        rate = learning_rate(self.recipe.phases, fraction, self.recipe.warm_up)
        small, truth = self._batch(phase)
        network = self.network
        assert isinstance(network, ShiftUNet)
        level = torch.randint(1, network.schedule.levels + 1, (len(small),), generator=self.noise).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            with torch.no_grad():
                start = self.calm(small).float()
            shifted = self._shifted(network, truth, start, level)
            estimate = network.train()(shifted, start, small, level)
        error = network.error(level)
        counts = (error.max() / error).clamp(max=_MOST)
        loss = weights["l1"] * (counts * F.l1_loss(estimate, truth, reduction="none").mean((1, 2, 3))).mean()
        others = tuple((name, weight) for name, weight in phase.losses if name != "l1")
        adversarial = self.critic is not None and "gan" in weights
        if others:
            judged = self._judge(estimate) if adversarial else None
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
                loss = loss + self.objective(replace(phase, losses=others), estimate, truth, judged)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._update(self.optimiser, network, rate)
        if adversarial and self.critic is not None:
            self.critic.learn(estimate.detach(), truth, rate, self.reduced)
        self.average.update(network)
        return self._noted(loss)

    def _shifted(self, network: ShiftUNet, truth: Tensor, start: Tensor, level: Tensor) -> Tensor:
        """x at `level`, (N, 3, H, W), of the chain from `truth` to `start`."""
        eta: Any = torch.tensor([network.schedule.eta(int(t)) for t in level], device=truth.device).view(-1, 1, 1, 1)
        noise = torch.randn(truth.shape, generator=self.noise).to(truth.device)
        return truth + eta * (start - truth) + network.schedule.kappa * eta.sqrt() * noise


def _noise(like: Tensor, level: int) -> Tensor:
    drawn = torch.from_numpy(noise_at(like.shape[2], like.shape[3], 0, 0, level).copy())
    return drawn.permute(2, 0, 1)[None].to(like.device)
