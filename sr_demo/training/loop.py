"""The training loop: one class that takes a step and can be saved at any moment, one function that runs it to the end.

Everything that decides the next step (weights, moving average, optimisers, both random streams, time spent) is in
`Trainer.state`, so a run that was killed and resumed gives the same weights as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sr_demo.backends.torch_backend import cpu_gains_from_bf16
from sr_demo.errors import BadInput
from sr_demo.training import run_state as files
from sr_demo.training.adversary import Critic
from sr_demo.training.data import Pairs, sample
from sr_demo.training.ema import Average
from sr_demo.training.muon import MuonAdamW
from sr_demo.training.objective import Objective
from sr_demo.training.recipes import Recipe
from sr_demo.training.schedule import Budget, Phase, learning_rate, phase_at
from sr_demo.training.validate import Validation

CURVE = ("iteration", "seconds", "rate", "loss", "psnr_y", "ssim_y", "train_psnr_y", "train_ssim_y")
"""What is noted at each validation; the last two on as many pictures of the training set."""
POINTS = 40
"""How often a whole run is validated."""
SAVE_EVERY = 60.0
"""Seconds between two saved states."""


@dataclass(frozen=True)
class Status:
    """What the progress line shows."""

    iteration: int
    fraction: float
    seconds: float
    rate: float
    loss: float
    psnr_y: float | None


class Trainer:
    """A recipe at work on pictures in memory. `curves` maps each of CURVE to a list, one value per validation."""

    def __init__(self, recipe: Recipe, pairs: Pairs, validation: Pairs, device: torch.device, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.recipe, self.pairs, self.device = recipe, pairs, device
        self.reduced = device.type == "cuda" or (device.type == "cpu" and cpu_gains_from_bf16())
        self.rng = np.random.default_rng(seed)
        self.noise = torch.Generator().manual_seed(seed)
        self.network = recipe.build().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(self.network, recipe.decay)
        self.optimiser = self._optimiser()
        self.objective = Objective(recipe.phases).to(device)
        self.critic = Critic(device) if self.objective.needs_critic else None
        self.validation = Validation(recipe, validation, device, self.reduced)
        self._seen = Validation(recipe, pairs.some(range(min(len(validation.hr), len(pairs.hr)))), device, self.reduced)
        self.iteration, self.seconds = 0, 0.0
        self.began_as = recipe.name
        """The recipe whose run this one began with."""
        self.plans: list[dict[str, float]] = []
        """How long the whole run was to be, {"from": iteration, "iterations" or "seconds": length}; more than one where it
        went on with another length, which moves it to another place in its schedule."""
        self.curves: dict[str, list[float | None]] = {key: [] for key in CURVE}
        self._losses: list[float] = []

    def step(self, fraction: float) -> float:
        """One update at `fraction` of the run. Returns the loss."""
        phase, _ = phase_at(self.recipe.phases, fraction)
        rate = learning_rate(self.recipe.phases, fraction, self.recipe.warm_up)
        lr, hr = self._batch(phase)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            sr = self.network(lr).float()
        adversarial = self.critic is not None and any(name == "gan" for name, _ in phase.losses)
        judged = self._judge(sr) if adversarial else None
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            loss = self.objective(phase, sr, hr, judged)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._update(self.optimiser, self.network, rate)
        if adversarial and self.critic is not None:
            self.critic.learn(sr.detach(), hr, rate, self.reduced)
        self.average.update(self.network)
        return self._noted(loss)

    def validate(self, rate: float) -> float:
        """Score the moving average, add a point to every curve; returns PSNR-Y."""
        enlarger = self.as_enlarger(self.average.network)
        psnr, ssim = self.validation.score(enlarger)
        mean = float(np.mean(self._losses)) if self._losses else 0.0
        values = (self.iteration, self.seconds, rate, mean, psnr, ssim, *self._seen.score(enlarger))
        for key, value in zip(CURVE, values, strict=True):
            self.curves[key].append(value)
        self._losses = []
        return psnr

    def as_enlarger(self, network: nn.Module, final: bool = False) -> nn.Module:
        """What enlarges pictures with `network`, (N, 3, H, W) -> (N, 3, s*H, s*W): itself, unless it is only a part.

        `final`: exactly as it will be used, for the card; the curves may be content with something quicker.
        """
        return network

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on."""
        return {
            "recipe": self.recipe.name,
            "began_as": self.began_as,
            "plans": self.plans,
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "updates": self.average.updates,
            "optimiser_name": self.recipe.optimiser,
            "optimiser": self.optimiser.state_dict(),
            "critic": self.critic.state() if self.critic else None,
            "randomness": files.randomness(self.rng, self.noise),
            "iteration": self.iteration,
            "seconds": self.seconds,
            "curves": self.curves,
            "losses": self._losses,
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Go on from what `state` returned, here or in a run of another recipe with the same network.

        Raises BadInput when the network there is another.
        """
        try:
            self.network.load_state_dict(values["network"])
        except RuntimeError as problem:
            raise BadInput(
                f"The state of recipe {values['recipe']!r} holds another network than this one."
            ) from problem
        self.average.network.load_state_dict(values["average"])
        self.average.updates = values["updates"]
        if values.get("optimiser_name", "adamw") == self.recipe.optimiser:
            self.optimiser.load_state_dict(values["optimiser"])
        if self.critic is not None and values["critic"] is not None:
            self.critic.restore(values["critic"])
        files.restore_randomness(values["randomness"], self.rng, self.noise)
        self.iteration, self.seconds = values["iteration"], values["seconds"]
        self.began_as = values.get("began_as", values["recipe"])
        self.plans = values.get("plans", [])
        points = len(values["curves"]["iteration"])
        self.curves = {key: values["curves"].get(key, [None] * points) for key in CURVE}
        self._losses = values["losses"]

    def plan(self, budget: Budget) -> None:
        """Note how long the whole run is to be, unless that was so before."""
        length = budget.length
        if not self.plans or not length.items() <= self.plans[-1].items():
            self.plans.append({"from": self.iteration, **length})

    def _batch(self, phase: Phase) -> tuple[Tensor, Tensor]:
        small, large = sample(self.pairs, phase.batch, phase.patch, self.recipe.scale, self.rng)
        hr = batch_tensor(large, self.device)
        if self.recipe.degradation != "high-order":
            return batch_tensor(small, self.device), hr
        from sr_demo.training.degradation import degrade

        return degrade(hr, self.recipe.scale, self.rng, self.noise).to(memory_format=torch.channels_last), hr

    def _noted(self, loss: Tensor) -> float:
        """Count one iteration; its loss as a number."""
        self.iteration += 1
        self._losses.append(float(loss.detach()))
        return self._losses[-1]

    def _optimiser(self) -> torch.optim.Optimizer | MuonAdamW:
        if self.recipe.optimiser == "muon":
            return MuonAdamW(self.network, self.recipe.muon_within)
        return torch.optim.AdamW(self.network.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)

    def _judge(self, sr: Tensor) -> Tensor:
        assert self.critic is not None
        return self.critic.judge(sr, self.reduced)

    def _update(self, optimiser: torch.optim.Optimizer | MuonAdamW, network: nn.Module, rate: float) -> None:
        nn.utils.clip_grad_norm_(network.parameters(), self.recipe.clip)
        for group in optimiser.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        optimiser.step()


def run(trainer: Trainer, budget: Budget, state_file: Path, report: Callable[[Status], None]) -> None:
    """Train until the budget is spent, saving the state every minute and at the end (also when interrupted).

    Time spent validating and saving does not count towards a budget in seconds: the card's seconds are training.
    """
    saved = time.monotonic()
    trainer.plan(budget)
    psnr = trainer.curves["psnr_y"][-1] if trainer.curves["psnr_y"] else None
    try:
        while (fraction := budget.fraction(trainer.iteration, trainer.seconds)) < 1.0:
            start = time.monotonic()
            loss = trainer.step(fraction)
            trainer.seconds += time.monotonic() - start
            rate = learning_rate(trainer.recipe.phases, fraction, trainer.recipe.warm_up)
            after = budget.fraction(trainer.iteration, trainer.seconds)
            if int(after * POINTS) > int(fraction * POINTS):
                psnr = trainer.validate(rate)
            report(Status(trainer.iteration, after, trainer.seconds, rate, loss, psnr))
            if time.monotonic() - saved > SAVE_EVERY:
                files.save(state_file, trainer.state())
                saved = time.monotonic()
    finally:
        files.save(state_file, trainer.state())


def batch_tensor(batch: np.ndarray[Any, np.dtype[np.uint8]], device: torch.device) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32 in [0, 1], channels last."""
    return torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float() / 255.0
