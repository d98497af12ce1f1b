"""CycleGAN across scales, which learns to upscale LR images of an unknown degradation from unpaired clean HR images.

Two networks are trained against each other (Zhu et al. 2017, arXiv 1703.10593; across scales as in Yuan et al. 2018,
arXiv 1809.00437): G upscales and restores, F degrades and downscales. Legend: x = degraded LR, y = clean HR, never of
the same scene. Losses, by their names in the recipe:

- cycle: |F(G(x)) - x| and |G(F(y)) - y|;
- identity: |G(bicubic downscale of y) - y|, which preserves colours and content;
- gan, gan-small: adversarial, with one discriminator for clean HR images and one for degraded LR images, from the first step.
  Without them F has no reason to degrade, since plain downscaling is consistent with the cycle too;
- energies: F(y) has the same distribution of local detail as x (`detail_energy`). With a discriminator alone, F lost the
  noise again during training;
- grid: errors of G(F(y)) that differ between the 4 x 4 subpixel positions of the PixelShuffle.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.errors import BadInput
from sr_demo.training.adversarial import Discriminator, generator_loss
from sr_demo.training.data import Pairs, sample
from sr_demo.training.liif import embedded_edsr
from sr_demo.training.loop import Trainer, batch_tensor
from sr_demo.training.losses import grid
from sr_demo.training.recipes import Recipe
from sr_demo.training.schedule import learning_rate, phase_at
from sr_demo.training.unpaired_degradation import unknown_track

_DEGRADER_RATE = 60.0
"""Learning rate of F relative to that of G, since F has a few hundred parameters, each of which affects the whole image."""
_LR_DISCRIMINATOR_RATE = 3.0
"""Learning rate of the LR discriminator relative to that of G, since F learns the degradation only from it."""
_SEED = 7
"""Seed of the unknown degradation, the same in training and validation; the networks never receive it."""


class Degrader(nn.Module):
    """The degradation F: a blur kernel at the stride of the scale, then signal-dependent noise, all parameters learned.

    (N, 3, s*h, s*w) in [0, 1] -> (N, 3, h, w). The kernel is positive and sums to 1, so that colours are preserved (as in
    KernelGAN, Bell-Kligler et al. 2019, arXiv 1909.06581); the noise variance is affine in the brightness (Foi et al. 2008,
    IEEE TIP 17(10)). An unconstrained convolutional network shifted the colours instead of blurring.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        at = torch.arange(6.0 * scale) - (6 * scale - 1) / 2
        distance = at[:, None].square() + at.square()
        self.kernel = nn.Parameter((-distance / (2 * (0.4 * scale) ** 2)).clamp(min=-7.0))
        self.grain = nn.Parameter(torch.tensor([16.0 / 255**2, 0.16 / 255]).log())

    def forward(self, image: Tensor, noise: Tensor | None) -> Tensor:
        """Degrade `image`.

        Args:
            image: (N, 3, s*h, s*w) in [0, 1].
            noise: (N, 3, h, w), standard normal, or None for a result without noise.
        """
        kernel = self.kernel.flatten().softmax(0).view(1, 1, *self.kernel.shape)
        margin = (len(self.kernel) - self.scale) // 2
        each = F.pad(image, (margin,) * 4, mode="reflect").flatten(0, 1)[:, None]
        lr = F.conv2d(each, kernel, stride=self.scale)[:, 0].unflatten(0, (-1, 3))
        if noise is None:
            return lr
        dark, bright = self.grain.exp()
        return lr + noise * (dark + bright * lr.clamp(0, 1)).sqrt()


class CycleTrainer(Trainer):
    """Trains both networks and both discriminators.

    The first half of the images are the clean HR images, the second half the degraded LR images. G starts from the embedded
    EDSR, so that it learns the unknown degradation rather than upscaling.
    """

    def __init__(self, recipe: Recipe, pairs: Pairs, validation: Pairs, device: torch.device, seed: int = 0) -> None:
        """Prepare the networks; arguments as for `Trainer`. Raises BadInput when there are fewer than two pairs."""
        if len(pairs.hr) < 2:
            raise BadInput(f"{recipe.name} needs two training pictures or more: clean ones and, apart, degraded ones.")
        degraded = with_unknown_degradation(pairs, recipe.scale)
        super().__init__(recipe, degraded, with_unknown_degradation(validation, recipe.scale), device, seed)
        edsr, self.began_as = embedded_edsr(), "edsr"
        for network in (self.network, self.ema.module):
            network.load_state_dict(edsr.state_dict())
        half = len(pairs.hr) // 2
        self._clean, self._degraded = pairs.subset(range(half)), degraded.subset(range(half, len(pairs.hr)))
        self.degrader = Degrader(recipe.scale).to(device)
        self.degrader_optimiser = torch.optim.AdamW(
            self.degrader.parameters(), lr=0.0, betas=(0.5, 0.99), weight_decay=0.0
        )
        self.discriminator = None  # replaced by one discriminator for each scale
        self.lr_discriminator, self.hr_discriminator = Discriminator(device), Discriminator(device)

    def step(self, fraction: float) -> float:
        """Take one step of both networks and of both discriminators.

        Args:
            fraction: Finished share of the run, 0..1.

        Returns:
            The loss before the step.
        """
        phase, _ = phase_at(self.recipe.phases, fraction)
        weights = dict(phase.losses)
        rate = learning_rate(self.recipe.phases, fraction, self.recipe.warm_up)
        shape = (phase.batch, phase.patch, self.recipe.scale, self.rng)
        downscaled, y = (batch_tensor(part, self.device) for part in sample(self._clean, *shape))
        x = batch_tensor(sample(self._degraded, *shape)[0], self.device)
        degraded = self.degrader(y, torch.randn(x.shape, generator=self.noise).to(self.device))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            # F gets no gradient from G here; it learns from its discriminator and the other direction of the cycle.
            upscaled, cycled_hr = self.network(x).float(), self.network(degraded.detach()).float()
            identity = self.network(downscaled).float()
        loss = weights["cycle"] * (F.l1_loss(self.degrader(upscaled, None), x) + F.l1_loss(cycled_hr, y))
        loss = loss + weights["identity"] * F.l1_loss(identity, y) + weights["grid"] * grid(cycled_hr, y)
        loss = loss + weights["gan"] * generator_loss(self.hr_discriminator.logits(upscaled, self.reduced))
        loss = loss + weights["gan-small"] * generator_loss(self.lr_discriminator.logits(degraded, self.reduced))
        loss = loss + weights["energies"] * (detail_energy(degraded) - detail_energy(x)).abs().mean()
        self.degrader_optimiser.zero_grad(set_to_none=True)
        value = self._descend(loss, rate)
        self._update(self.degrader_optimiser, self.degrader, _DEGRADER_RATE * rate)
        self.hr_discriminator.step(upscaled.detach(), y, rate, self.reduced)
        self.lr_discriminator.step(degraded.detach(), x, _LR_DISCRIMINATOR_RATE * rate, self.reduced)
        return value

    def state(self) -> dict[str, Any]:
        """Return the complete state of the run, from which it can be continued."""
        return super().state() | {
            "degrader": self.degrader.state_dict(),
            "degrader_optimiser": self.degrader_optimiser.state_dict(),
            "discriminators": [self.lr_discriminator.state_dict(), self.hr_discriminator.state_dict()],
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Continue from what `state` returned; G alone where the state is that of another recipe's run."""
        super().restore(values)
        if "degrader" not in values:
            return
        self.degrader.load_state_dict(values["degrader"])
        self.degrader_optimiser.load_state_dict(values["degrader_optimiser"])
        for discriminator, saved in zip(
            (self.lr_discriminator, self.hr_discriminator), values["discriminators"], strict=True
        ):
            discriminator.load_state_dict(saved)


def detail_energy(lr: Tensor) -> Tensor:
    """Return the sorted amount of fine detail in each 5 x 5 block: (N, 3, h, w) -> (M,).

    The mean absolute difference of two such vectors of equal length is the 1-Wasserstein distance between both distributions.
    Over many images, flat blocks reveal the noise and textured blocks the blur, without any pairs.
    """
    fine = F.avg_pool2d(lr, 3, 1) - lr[..., 1:-1, 1:-1]
    return F.avg_pool2d(fine.abs().mean(1, keepdim=True), 5).flatten().sort().values


def with_unknown_degradation(pairs: Pairs, scale: int) -> Pairs:
    """Return `pairs` with LR images of the unknown degradation: those of the data set, or synthetic ones.

    Args:
        pairs: HR images and their LR images.
        scale: HR side / LR side.
    """
    if pairs.track == "unknown":
        return pairs
    degraded = unknown_track(pairs.hr, scale, _SEED)
    return replace(pairs, lr=tuple(np.ascontiguousarray(image) for image in degraded))
