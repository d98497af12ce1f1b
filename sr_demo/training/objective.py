"""The weighted sum of losses of a training phase."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sr_demo.training.adversarial import generator_loss
from sr_demo.training.losses import PIXEL
from sr_demo.training.schedule import Phase


class Objective(nn.Module):
    """Weighted sum of losses. The perceptual loss, which needs a feature network, is built only if a phase names it."""

    def __init__(self, phases: tuple[Phase, ...]) -> None:
        super().__init__()
        names = {name for phase in phases for name, _ in phase.losses}
        self.needs_discriminator = "gan" in names
        self.perceptual: nn.Module | None = None
        self.features = "none"
        """Description of the feature network, for the card."""
        if "perceptual" in names:
            from sr_demo.training.features import perceptual_loss

            self.perceptual, self.features = perceptual_loss()

    def forward(self, phase: Phase, sr: Tensor, hr: Tensor, logits: Tensor | None) -> Tensor:
        """Return the weighted sum of the losses of `phase`.

        Args:
            phase: Names and weights of the losses.
            sr: (N, 3, H, W) float32, about [0, 1].
            hr: (N, 3, H, W) float32 in [0, 1].
            logits: The discriminator's logits for `sr`; needed only if the phase has the loss "gan".
        """
        total = torch.zeros((), device=sr.device)
        for name, weight in phase.losses:
            total = total + weight * self._loss(name, sr, hr, logits)
        return total

    def _loss(self, name: str, sr: Tensor, hr: Tensor, logits: Tensor | None) -> Tensor:
        if name == "gan":
            assert logits is not None, "the loss gan needs the logits of a discriminator"
            return generator_loss(logits)
        if name == "perceptual":
            assert self.perceptual is not None
            return self.perceptual(sr, hr)
        return PIXEL[name](sr, hr)
