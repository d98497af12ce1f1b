"""The adversarial loss: a discriminator with its optimiser, and the losses of both sides.

Non-saturating GAN with logistic losses (Goodfellow et al. 2014, arXiv 1406.2661, section 3), on the per-pixel logits of a
U-Net discriminator.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_demo.training.discriminator import UNetDiscriminator


def generator_loss(logits: Tensor) -> Tensor:
    """Return mean(-log D(SR)) from the discriminator's logits for SR: 0 where it is certain that SR is real."""
    return F.softplus(-logits).mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return mean(-log D(HR)) + mean(-log(1 - D(SR))) from the logits for HR (`real`) and SR (`fake`)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


class Discriminator:
    """A `UNetDiscriminator` with its optimiser."""

    def __init__(self, device: torch.device, features: int = 16) -> None:
        self.network = UNetDiscriminator(features).to(device)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)
        self._device = device

    def logits(self, sr: Tensor, reduced: bool) -> Tensor:
        """Return the logits for `sr`, differentiable with respect to `sr` only; the discriminator receives no gradient.

        Args:
            sr: (N, 3, H, W) in [0, 1], H and W multiples of 8.
            reduced: Whether to compute in bf16.

        Returns:
            (N, 1, H, W) float32.
        """
        self.network.requires_grad_(False)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=reduced):
            return self.network(sr).float()

    def step(self, sr: Tensor, hr: Tensor, rate: float, reduced: bool) -> float:
        """Take one optimiser step towards distinguishing `hr` (real) from `sr` (fake).

        Args:
            sr: (N, 3, H, W) in [0, 1], detached from the generator.
            hr: The same shape and range; in unpaired training, images unrelated to `sr`.
            rate: Learning rate.
            reduced: Whether to compute in bf16.

        Returns:
            The loss before the step.
        """
        self.network.requires_grad_(True)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=reduced):
            real, fake = self.network(hr).float(), self.network(sr).float()
        loss = discriminator_loss(real, fake)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        return float(loss.detach())

    def state_dict(self) -> dict[str, Any]:
        """Return the weights and the state of the optimiser."""
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.network.load_state_dict(values["network"])
        self.optimiser.load_state_dict(values["optimiser"])
