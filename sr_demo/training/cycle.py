"""CycleGAN across scales: small pictures with an unknown damage, and clean large ones, never of the same scene.

Two networks learn from each other (Zhu et al. 2017, arXiv 1703.10593; across scales as in Yuan et al. 2018, arXiv
1809.00437): G enlarges and cleans, F shrinks and damages. Legend: x = small damaged, y = large clean.

- cycle: F(G(x)) is to be x, and G(F(y)) is to be y;
- identity: a cleanly shrunk y must be enlarged to y, which keeps colours and content;
- adversarial, from the first step on: one critic knows clean large pictures, the other damaged small ones. Without it
  nothing asks F for the damage: a clean shrink closes the cycle as well;
- energies: what F makes has as much fine structure as x, spot for spot in order. A critic alone lost the grain again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.training.adversary import Critic
from sr_demo.training.data import Pairs, sample
from sr_demo.training.liif import embedded_edsr
from sr_demo.training.loop import Trainer, batch_tensor
from sr_demo.training.losses import grid
from sr_demo.training.objective import opinion
from sr_demo.training.recipes import Recipe
from sr_demo.training.schedule import learning_rate, phase_at
from sr_demo.training.unpaired_degradation import unknown_track

_QUICKER = 60.0
"""The damager's learning rate in the network's: it has a few hundred numbers, and each counts for a whole picture."""
_SHARPER = 3.0
"""Learning rate of the small pictures' critic, in the network's: all that is known of the damage comes from it."""
_SEED = 7
"""Of the unknown damage: the same in training and validation, and never shown to the networks."""


class Degrader(nn.Module):
    """F: (N, 3, s*h, s*w) in [0, 1] -> (N, 3, h, w): what a lens and a sensor do, with everything about them to be learned.

    One blur kernel at the stride of the scale, positive and of sum 1 so that colours stay (as in KernelGAN, Bell-Kligler
    et al. 2019, arXiv 1909.06581), and grain whose variance grows with brightness (Foi et al. 2008, IEEE TIP 17). A free
    convolutional network in its place tinted the pictures instead of blurring them. `noise`: (N, 3, h, w), standard
    normal, or None for a picture without grain.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        at = torch.arange(6.0 * scale) - (6 * scale - 1) / 2
        distance = at[:, None].square() + at.square()
        self.kernel = nn.Parameter((-distance / (2 * (0.4 * scale) ** 2)).clamp(min=-7.0))
        self.grain = nn.Parameter(torch.tensor([16.0 / 255**2, 0.16 / 255]).log())

    def forward(self, picture: Tensor, noise: Tensor | None) -> Tensor:
        kernel = self.kernel.flatten().softmax(0).view(1, 1, *self.kernel.shape)
        margin = (len(self.kernel) - self.scale) // 2
        each = F.pad(picture, (margin,) * 4, mode="reflect").flatten(0, 1)[:, None]
        small = F.conv2d(each, kernel, stride=self.scale)[:, 0].unflatten(0, (-1, 3))
        if noise is None:
            return small
        dark, bright = self.grain.exp()
        return small + noise * (dark + bright * small.clamp(0, 1)).sqrt()


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
        self.damager = Degrader(recipe.scale).to(device)
        self.damager_optimiser = torch.optim.AdamW(
            self.damager.parameters(), lr=0.0, betas=(0.5, 0.99), weight_decay=0.0
        )
        self.critic = None
        self.small_critic, self.large_critic = Critic(device), Critic(device)

    def step(self, fraction: float) -> float:
        """One update of both networks and both critics."""
        phase, _ = phase_at(self.recipe.phases, fraction)
        weights = dict(phase.losses)
        rate = learning_rate(self.recipe.phases, fraction, self.recipe.warm_up)
        shape = (phase.batch, phase.patch, self.recipe.scale, self.rng)
        downscaled, y = (batch_tensor(part, self.device) for part in sample(self._clean, *shape))
        x = batch_tensor(sample(self._damaged, *shape)[0], self.device)
        damaged = self.damager(y, torch.randn(x.shape, generator=self.noise).to(self.device))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            # F is not to spare G: what it learns comes from the critic and from the other way round the cycle.
            enlarged, again_large = self.network(x).float(), self.network(damaged.detach()).float()
            kept = self.network(downscaled).float()
        loss = weights["cycle"] * (F.l1_loss(self.damager(enlarged, None), x) + F.l1_loss(again_large, y))
        loss = loss + weights["identity"] * F.l1_loss(kept, y) + weights["grid"] * grid(again_large, y)
        loss = loss + weights["gan"] * opinion(self.large_critic.judge(enlarged, self.reduced))
        loss = loss + weights["gan-small"] * opinion(self.small_critic.judge(damaged, self.reduced))
        loss = loss + weights["energies"] * (energies(damaged) - energies(x)).abs().mean()
        self.optimiser.zero_grad(set_to_none=True)
        self.damager_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._update(self.optimiser, self.network, rate)
        self._update(self.damager_optimiser, self.damager, _QUICKER * rate)
        self.large_critic.learn(enlarged.detach(), y, rate, self.reduced)
        self.small_critic.learn(damaged.detach(), x, _SHARPER * rate, self.reduced)
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


def energies(small: Tensor) -> Tensor:
    """(N, 3, h, w) -> (M,): how much fine structure each 5 x 5 spot has, least first; the same spots for any N pictures.

    The mean absolute distance of two such lists is the Wasserstein distance of what they count. The flat spots of many
    pictures tell grain, the busy ones blur, and no pair is needed.
    """
    fine = F.avg_pool2d(small, 3, 1) - small[..., 1:-1, 1:-1]
    return F.avg_pool2d(fine.abs().mean(1, keepdim=True), 5).flatten().sort().values


def with_unknown_damage(pairs: Pairs, scale: int) -> Pairs:
    """The same large pictures; the small ones as our unknown track makes them, or as they are if they came as one."""
    if pairs.track == "unknown":
        return pairs
    small = unknown_track(pairs.hr, scale, _SEED)
    return replace(pairs, lr=tuple(np.ascontiguousarray(s) for s in small))
