"""The weighted sum of losses of a phase, and the critic that some phases need."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sr_demo.training.losses import PIXEL
from sr_demo.training.schedule import Phase


class Objective(nn.Module):
    """Losses by name. Those that need a network of their own (perceptual) are built only if a phase names them."""

    def __init__(self, phases: tuple[Phase, ...]) -> None:
        super().__init__()
        names = {name for phase in phases for name, _ in phase.losses}
        self.needs_critic = "gan" in names
        self.perceptual: nn.Module | None = None
        self.features = "none"
        if "perceptual" in names:
            from sr_demo.training.features import perceptual_loss

            self.perceptual, self.features = perceptual_loss()

    def forward(self, phase: Phase, sr: Tensor, hr: Tensor, judged: Tensor | None) -> Tensor:
        """`sr`, `hr`: (N, 3, H, W) float32. `judged`: the critic's logits for `sr` where the phase has "gan"."""
        total = torch.zeros((), device=sr.device)
        for name, weight in phase.losses:
            total = total + weight * self._one(name, sr, hr, judged)
        return total

    def _one(self, name: str, sr: Tensor, hr: Tensor, judged: Tensor | None) -> Tensor:
        if name == "gan":
            assert judged is not None, "a phase with gan needs the critic's opinion"
            return opinion(judged)
        if name == "perceptual":
            assert self.perceptual is not None
            return self.perceptual(sr, hr)
        return PIXEL[name](sr, hr)


def opinion(judged: Tensor) -> Tensor:
    """How far a critic is from calling pictures real, from its logits: the non-saturating loss (Goodfellow et al. 2014)."""
    return nn.functional.softplus(-judged).mean()
