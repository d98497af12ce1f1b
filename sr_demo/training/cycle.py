"""CycleGAN across scales: small pictures with an unknown damage, and clean large ones, never of the same scene.

Two networks learn from each other (Zhu et al. 2017, arXiv 1703.10593; across scales as in Yuan et al. 2018, arXiv
1809.00437): G enlarges and cleans, F shrinks and damages. Legend: x = small damaged, y = large clean.

- cycle: F(G(x)) is to be x, and G(F(y)) is to be y;
- identity: a cleanly shrunk y must be enlarged to y, which keeps colours and content;
- adversarial, from the first step on: one critic knows clean large pictures, the other damaged small ones. Without it
  nothing asks F for the damage: a clean shrink closes the cycle as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.training.critic import Critic
from sr_demo.training.data import Pairs, sample
from sr_demo.training.liif import embedded_edsr
from sr_demo.training.loop import Trainer, batch_tensor
from sr_demo.training.losses import grid
from sr_demo.training.objective import opinion
from sr_demo.training.recipes import Recipe
from sr_demo.training.schedule import learning_rate, phase_at
from sr_demo.training.unknown import unknown_track

_SMALL_CRITIC = 5.0
"""Weight of the small pictures' critic, in weights of the large ones': F starts as a clean shrink and must learn all."""
_SEED = 7
"""Of the unknown damage: the same in training and validation, and never shown to the networks."""


class Damager(nn.Module):
    """F: (N, 3, s*h, s*w) in [0, 1] -> (N, 3, h, w): a clean shrink and what a few convolutions add to it.

    `noise` (N, 1, h, w) is the source of what cannot be foreseen from the picture, such as grain.
    """

    def __init__(self, scale: int, features: int = 48, blocks: int = 4) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Conv2d(3 * scale * scale + 1, features, 3, padding=1)
        self.body = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(features, features, 3, padding=1), nn.LeakyReLU(0.2)) for _ in range(blocks))
        )
        self.tail = nn.Conv2d(features, 3, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, picture: Tensor, noise: Tensor) -> Tensor:
        small = F.interpolate(picture, scale_factor=1 / self.scale, mode="bicubic", antialias=True)
        seen = torch.cat((F.pixel_unshuffle(picture, self.scale), noise), dim=1)
        return small + self.tail(self.body(self.head(seen)))


class CycleTrainer(Trainer):
    """Takes the first half of the pictures as clean large ones and the second as small ones with the unknown damage.

    G begins as our embedded EDSR: what an unknown camera does is learned, not what enlargement is.
    """

    def __init__(self, recipe: Recipe, pairs: Pairs, validation: Pairs, device: torch.device, seed: int = 0) -> None:
        damaged = with_unknown_damage(pairs, recipe.scale)
        super().__init__(recipe, damaged, with_unknown_damage(validation, recipe.scale), device, seed)
        edsr, self.began_as = embedded_edsr(), "edsr"
        for network in (self.network, self.average.network):
            network.load_state_dict(edsr.state_dict())
        half = len(pairs.hr) // 2
        self._clean, self._damaged = pairs.some(range(half)), damaged.some(range(half, len(pairs.hr)))
        self.damager = Damager(recipe.scale).to(device)
        self.damager_optimiser = torch.optim.AdamW(
            self.damager.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.0
        )
        self.critic = None
        self.small_critic, self.large_critic = Critic(device), Critic(device)

    def step(self, fraction: float) -> float:
        """One update of both networks and both critics."""
        phase, _ = phase_at(self.recipe.phases, fraction)
        weights = dict(phase.losses)
        rate = learning_rate(self.recipe.phases, fraction, self.recipe.warm_up)
        shape = (phase.batch, phase.patch, self.recipe.scale, self.rng)
        shrunk, y = (batch_tensor(part, self.device) for part in sample(self._clean, *shape))
        x = batch_tensor(sample(self._damaged, *shape)[0], self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            enlarged, damaged = self.network(x).float(), self.damager(y, self._grain(x)).float()
            again_small = self.damager(enlarged, self._grain(x)).float()
            again_large, kept = self.network(damaged).float(), self.network(shrunk).float()
        loss = weights["cycle"] * (F.l1_loss(again_small, x) + F.l1_loss(again_large, y))
        loss = loss + weights["identity"] * F.l1_loss(kept, y)
        fooled = opinion(self.large_critic.judge(enlarged, self.reduced))
        fooled = fooled + _SMALL_CRITIC * opinion(self.small_critic.judge(damaged, self.reduced))
        loss = loss + weights["gan"] * fooled + weights["grid"] * grid(again_large, y)
        self.optimiser.zero_grad(set_to_none=True)
        self.damager_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._update(self.optimiser, self.network, rate)
        self._update(self.damager_optimiser, self.damager, rate)
        self.large_critic.learn(enlarged.detach(), y, rate, self.reduced)
        self.small_critic.learn(damaged.detach(), x, rate, self.reduced)
        self.average.update(self.network)
        return self._noted(loss)

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on."""
        return super().state() | {
            "damager": self.damager.state_dict(),
            "damager_optimiser": self.damager_optimiser.state_dict(),
            "critics": [self.small_critic.state(), self.large_critic.state()],
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        super().restore(values)
        self.damager.load_state_dict(values["damager"])
        self.damager_optimiser.load_state_dict(values["damager_optimiser"])
        for critic, saved in zip((self.small_critic, self.large_critic), values["critics"], strict=True):
            critic.restore(saved)

    def _grain(self, like: Tensor) -> Tensor:
        shape = (like.shape[0], 1, *like.shape[2:])
        return torch.randn(shape, generator=self.noise).to(self.device)


def with_unknown_damage(pairs: Pairs, scale: int) -> Pairs:
    """The same large pictures; the small ones as our unknown track makes them, or as they are if they came as one."""
    if pairs.track == "unknown":
        return pairs
    small = unknown_track(pairs.hr, scale, _SEED)
    return replace(pairs, lr=tuple(np.ascontiguousarray(s) for s in small))
