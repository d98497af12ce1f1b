"""The training loop: `Trainer` takes one step at a time and can be saved between two, `run` runs it to the end.

`Trainer.state` contains everything on which the next step depends (weights, EMA, optimisers, random states, training time),
so a run that was killed and resumed results in the same weights as an uninterrupted one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sr_demo import checkpoint
from sr_demo.backends import embedded
from sr_demo.backends.torch_backend import cpu_gains_from_bf16, load_safetensors
from sr_demo.errors import BadInput
from sr_demo.training import run_state as files
from sr_demo.training.adversarial import Discriminator
from sr_demo.training.data import Pairs, sample
from sr_demo.training.ema import averaged
from sr_demo.training.muon import MuonAdamW
from sr_demo.training.objective import Objective
from sr_demo.training.recipes import Recipe
from sr_demo.training.schedule import Budget, Phase, Plan, learning_rate, phase_at, with_plan
from sr_demo.training.validate import Validation

CURVE = ("iteration", "seconds", "rate", "loss", "psnr_y", "ssim_y", "train_psnr_y", "train_ssim_y")
"""Values recorded at each validation; the last two are scores on the same number of training images."""
POINTS = 40
"""Number of validations in a whole run."""
SAVE_EVERY = 60.0
"""Seconds between two saves of the state."""


@dataclass(frozen=True)
class Status:
    """Values of the progress line."""

    iteration: int
    """Number of training steps taken."""
    fraction: float
    """Finished share of the run, 0..1."""
    seconds: float
    """Training time in seconds, without validating and saving."""
    rate: float
    """Learning rate of the last step."""
    loss: float
    """Loss of the last step, before its update."""
    psnr_y: float | None
    """PSNR-Y of the last validation in dB; None before the first one."""


class Trainer:
    """One run of a recipe on images held in memory.

    `network` is trained, `ema.module` is its moving average, and `curves` maps each name in CURVE to a list with one
    value per validation.
    """

    def __init__(self, recipe: Recipe, pairs: Pairs, validation: Pairs, device: torch.device, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.recipe, self.pairs, self.device = recipe, pairs, device
        self.reduced = device.type == "cuda" or (device.type == "cpu" and cpu_gains_from_bf16())
        self.rng = np.random.default_rng(seed)
        self.noise = torch.Generator().manual_seed(seed)
        begun = embedded_weights(recipe.begin, recipe.build()) if recipe.begin else recipe.build()
        self.network = begun.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = averaged(self.network, recipe.decay)
        self.optimiser = self._optimiser()
        self.objective = Objective(recipe.phases).to(device)
        self.discriminator = Discriminator(device) if self.objective.needs_discriminator else None
        self.validation = Validation(recipe, validation, device, self.reduced)
        subset = pairs.subset(range(min(len(validation.hr), len(pairs.hr))))
        self._training_score = Validation(recipe, subset, device, self.reduced)
        self.iteration, self.seconds = 0, 0.0
        self.began_as = recipe.begin or recipe.name
        """Recipe or embedded weights that the run began with; its own recipe's name where it began with random weights."""
        self.plans: list[Plan] = []
        """Planned lengths of the whole run. There are several where it was resumed with another length, which moves it to
        another place in its schedule."""
        self.curves: dict[str, list[float | None]] = {key: [] for key in CURVE}
        self._losses: list[float] = []

    def step(self, fraction: float) -> float:
        """Take one training step.

        Args:
            fraction: Finished share of the run, 0..1; selects phase and learning rate.

        Returns:
            The loss before the step.
        """
        phase, _ = phase_at(self.recipe.phases, fraction)
        rate = learning_rate(self.recipe.phases, fraction, self.recipe.warm_up)
        lr, hr = self._batch(phase)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            sr = self.network(lr).float()
        adversarial = self.discriminator is not None and any(name == "gan" for name, _ in phase.losses)
        logits = self._logits(sr) if adversarial else None
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            loss = self.objective(phase, sr, hr, logits)
        value = self._descend(loss, rate)
        if adversarial and self.discriminator is not None:
            self.discriminator.step(sr.detach(), hr, rate, self.reduced)
        return value

    def validate(self, rate: float) -> float:
        """Score the EMA and append a value to every curve.

        Args:
            rate: Current learning rate, recorded in its curve.

        Returns:
            PSNR-Y in dB on the validation crops.
        """
        upscaler = self.as_upscaler(self.ema.module)
        psnr, ssim = self.validation.score(upscaler)
        mean = float(np.mean(self._losses)) if self._losses else 0.0
        values = (self.iteration, self.seconds, rate, mean, psnr, ssim, *self._training_score.score(upscaler))
        for key, value in zip(CURVE, values, strict=True):
            self.curves[key].append(value)
        self._losses = []
        return psnr

    def as_upscaler(self, network: nn.Module, final: bool = False) -> nn.Module:
        """Return the module that upscales with `network`: (N, 3, H, W) -> (N, 3, s*H, s*W), both about [0, 1].

        This is `network` itself, unless the network is only part of a method.

        Args:
            network: The trained network or its EMA.
            final: True for the scores on the card, which must be those of the method as users run it; False for the
                curves, for which a faster variant is sufficient.
        """
        return network

    def state(self) -> dict[str, Any]:
        """Return all values from which the run can be continued; see `run_state.save`."""
        return {
            "recipe": self.recipe.name,
            "began_as": self.began_as,
            "plans": self.plans,
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser_name": self.recipe.optimiser,
            "optimiser": self.optimiser.state_dict(),
            "discriminator": self.discriminator.state_dict() if self.discriminator else None,
            "randomness": files.randomness(self.rng, self.noise),
            "iteration": self.iteration,
            "seconds": self.seconds,
            "curves": self.curves,
            "losses": self._losses,
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Continue from the values that `state` returned, for this recipe or another one with the same network.

        Raises:
            BadInput: The state is that of another network.
        """
        files.restore_network(values, self.network)
        self.ema.load_state_dict(values["ema"])
        if values.get("optimiser_name", "adamw") == self.recipe.optimiser:
            self.optimiser.load_state_dict(values["optimiser"])
        if self.discriminator is not None and values["discriminator"] is not None:
            self.discriminator.load_state_dict(values["discriminator"])
        files.restore_randomness(values["randomness"], self.rng, self.noise)
        self.iteration, self.seconds = values["iteration"], values["seconds"]
        self.began_as = values.get("began_as", values["recipe"])
        self.plans = values.get("plans", [])
        points = len(values["curves"]["iteration"])
        self.curves = {key: values["curves"].get(key, [None] * points) for key in CURVE}
        self._losses = values["losses"]

    def _batch(self, phase: Phase) -> tuple[Tensor, Tensor]:
        lr, hr = sample(self.pairs, phase.batch, phase.patch, self.recipe.scale, self.rng)
        target = batch_tensor(hr, self.device)
        if self.recipe.degradation != "high-order":
            return batch_tensor(lr, self.device), target
        from sr_demo.training.degradation import degrade

        degraded = degrade(target, self.recipe.scale, self.rng, self.noise)
        return degraded.to(memory_format=torch.channels_last), target

    def _descend(self, loss: Tensor, rate: float) -> float:
        """Update the network and its EMA by the gradient of `loss`, count one iteration, and return its loss."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._update(self.optimiser, self.network, rate)
        self.ema.update_parameters(self.network)
        self.iteration += 1
        self._losses.append(float(loss.detach()))
        return self._losses[-1]

    def _optimiser(self) -> torch.optim.Optimizer | MuonAdamW:
        if self.recipe.optimiser == "muon":
            return MuonAdamW(self.network, self.recipe.muon_within)
        return torch.optim.AdamW(self.network.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)

    def _logits(self, sr: Tensor) -> Tensor:
        assert self.discriminator is not None
        return self.discriminator.logits(sr, self.reduced)

    def _update(self, optimiser: torch.optim.Optimizer | MuonAdamW, network: nn.Module, rate: float) -> None:
        nn.utils.clip_grad_norm_(network.parameters(), self.recipe.clip)
        for group in optimiser.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        optimiser.step()


def run(
    trainer: Trainer, budget: Budget, state_file: Path, report: Callable[[Status], None], stop: Event | None = None
) -> None:
    """Train until the budget is spent or `stop` is set; save the state every minute and at the end.

    After an exception the file holds what was saved last: a state from the middle of a step would not go on as before.
    Time spent validating and saving does not count towards a budget in seconds: the card reports training time.

    Args:
        trainer: A new or restored run.
        budget: Length of the whole run, including the part before it was restored.
        state_file: File that the state is saved to.
        report: Called after each step.
        stop: Looked at between two steps.
    """
    stop = stop or Event()
    saved = time.monotonic()
    trainer.plans = with_plan(trainer.plans, budget, trainer.iteration)
    psnr = trainer.curves["psnr_y"][-1] if trainer.curves["psnr_y"] else None
    while (fraction := budget.fraction(trainer.iteration, trainer.seconds)) < 1.0 and not stop.is_set():
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
    files.save(state_file, trainer.state())


def embedded_weights(stem: str, network: nn.Module) -> nn.Module:
    """Load the embedded weights `stem` into `network`, which must have their architecture, and return it.

    Raises:
        BadInput: The file is missing.
    """
    path = checkpoint.EMBEDDED / f"{stem}.safetensors"
    if not path.is_file():
        raise BadInput(f"This recipe begins with the weights {stem}, and {path} is missing. Train them first.")
    return load_safetensors(path, network)


def embedded_network(stem: str) -> nn.Module:
    """Return the embedded network `stem` with its trained weights.

    Raises:
        BadInput: The file is missing.
    """
    return embedded_weights(stem, embedded.build(checkpoint.card(stem)["architecture"]))


def batch_tensor(batch: np.ndarray[Any, np.dtype[np.uint8]], device: torch.device) -> Tensor:
    """Convert (N, H, W, 3) uint8 to (N, 3, H, W) float32 in [0, 1] on `device`, channels last in memory."""
    return torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float() / 255.0
