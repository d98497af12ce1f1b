"""The discriminator with its optimiser: the second player of an adversarial phase."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_demo.training.discriminator import UNetDiscriminator


class Critic:
    """Non-saturating GAN with logistic losses (Goodfellow et al. 2014); logits per pixel from the U-Net."""

    def __init__(self, device: torch.device, features: int = 16) -> None:
        self.network = UNetDiscriminator(features).to(device)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)
        self._device = device

    def judge(self, sr: Tensor, reduced: bool) -> Tensor:
        """Logits for `sr`, differentiable towards it; the critic's own weights gather no gradient."""
        self.network.requires_grad_(False)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=reduced):
            return self.network(sr).float()

    def learn(self, sr: Tensor, hr: Tensor, rate: float, reduced: bool) -> float:
        """One update: `hr` is to be called real, `sr` is not. Returns the loss."""
        self.network.requires_grad_(True)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=reduced):
            real, fake = self.network(hr).float(), self.network(sr).float()
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        return float(loss.detach())

    def state(self) -> dict[str, Any]:
        """Weights and optimiser."""
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}

    def restore(self, values: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.network.load_state_dict(values["network"])
        self.optimiser.load_state_dict(values["optimiser"])
