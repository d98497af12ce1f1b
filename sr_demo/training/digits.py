"""The trainer for all networks of the digits lab.

Loss of the generator = MSE(HR, SR) per pixel + `kl` * KL(latent || normal) per digit + w * adversarial loss. The
discriminator uses the hinge loss (Lim and Ye 2017, arXiv 1705.02894). The weight w is adaptive: the ratio of both gradients
at the last layer (Esser et al. 2021, arXiv 2012.09841, equation 7) times `adversarial`, so that 0.5 gives half the gradient
of the MSE there. `digits-vaegan` uses the adversarial loss only in the last 15 % of its run, after it has learned to
reconstruct digits. `digits-cppn-vaegan` continues from a network that was trained without it, and uses it throughout. The
CPPN is also trained at points between the pixels, with bicubic interpolation of HR as target, so that it learns a function
rather than 784 values.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_demo.backends.torch_backend import cpu_gains_from_bf16
from sr_demo.digits.data import HR_SIDE, Digits, downscale
from sr_demo.errors import BadInput, quoted
from sr_demo.networks import digits as networks
from sr_demo.training import run_state as files
from sr_demo.training.digit_recipes import DigitRecipe
from sr_demo.training.ema import averaged
from sr_demo.training.schedule import Budget, Plan, with_plan

CURVE = ("iteration", "loss", "psnr")
POINTS = 20
"""Number of validations in a whole run."""
SAVE_EVERY = 30.0
"""Seconds between two saves of the state."""
HELD_OUT = 2000
"""Number of training digits, the last ones, that are kept for validation. The test digits are not used in training."""
_POINT_SIDE = 14
"""The CPPN is trained on 14 x 14 random points of each digit without the discriminator, and on all pixels with it."""


class DigitTrainer:
    """One run of a recipe of the lab.

    `curves` maps each name in CURVE to a list; for the reader, "psnr" holds the accuracy in per cent.
    """

    def __init__(self, recipe: DigitRecipe, digits: Digits, device: torch.device, seed: int = 0) -> None:
        self.recipe, self.device = recipe, device
        self.reduced = device.type == "cuda" or (device.type == "cpu" and cpu_gains_from_bf16())
        torch.manual_seed(seed)
        self.rng, self.noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        validation = min(HELD_OUT, len(digits) // 10 + 1)
        self.hr, self.labels = digits.images[:-validation], digits.labels[:-validation]
        self.validation = Digits(digits.images[-validation:], digits.labels[-validation:])
        self.lr = downscale(self.hr)
        self.network = recipe.build().to(device).to(memory_format=torch.channels_last)
        self.ema = averaged(self.network, 0.998)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=0.0, betas=(0.9, 0.99))
        self.discriminator = (
            networks.Discriminator(24).to(device).to(memory_format=torch.channels_last) if recipe.adversarial else None
        )
        self.discriminator_optimiser = None
        if self.discriminator is not None:
            self.discriminator_optimiser = torch.optim.Adam(self.discriminator.parameters(), 4e-4, (0.5, 0.99))
        self.iteration, self.seconds = 0, 0.0
        self.began_with: dict[str, Any] | None = None
        """The run that this one goes on from (see `begin_with`): "recipe", "iterations", "seconds"."""
        self.plans: list[Plan] = []
        """Planned lengths of the whole run; see `Trainer.plans`."""
        self.curves: dict[str, list[float]] = {key: [] for key in CURVE}
        self._losses: list[float] = []

    def step(self, fraction: float) -> float:
        """Take one training step.

        Args:
            fraction: Finished share of the run, 0..1; sets the learning rate.

        Returns:
            The loss before the step, without its adversarial part.
        """
        which = self.rng.integers(0, len(self.hr), self.recipe.batch)
        hr, lr = as_tensor(self.hr[which], self.device), as_tensor(self.lr[which], self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate * min(1.0, 20 * fraction + 0.1) * (0.02 + 0.98 * (1 - fraction) ** 0.7)
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            if isinstance(self.network, networks.Reader):
                loss = self._reader_step(hr, torch.from_numpy(self.labels[which]).long().to(self.device))
            else:
                loss = self._coder_step(lr, hr, fraction)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.ema.update_parameters(self.network)
        self.iteration += 1
        self._losses.append(loss)
        return loss

    def _reader_step(self, hr: Tensor, labels: Tensor) -> float:
        shift = self._random((len(hr), 2)) * (4.0 / HR_SIDE) - 2.0 / HR_SIDE
        loss = F.cross_entropy(self.network(shifted(hr, shift)).float(), labels)
        loss.backward()
        return float(loss.detach())

    def _coder_step(self, lr: Tensor, hr: Tensor, fraction: float) -> float:
        coder, whole = self.network, fraction >= self.recipe.adversarial_from
        assert isinstance(coder, networks.Coder)
        with torch.set_grad_enabled(fraction >= self.recipe.encoder_from):
            mean, log_variance = (value.float() for value in coder.encoder(lr))
        noise = torch.randn(mean.shape, generator=self.noise).to(self.device)
        latent = mean + (0.5 * log_variance).exp() * noise
        kl = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
        sr, target = self._render(coder.drawer, latent, hr, whole)
        reconstruction = F.mse_loss(sr, target)
        loss = reconstruction + self.recipe.kl * kl
        if self.discriminator is None or not whole:
            loss.backward()
            return float(loss.detach())
        adversarial = -self.discriminator(sr).float().mean()
        (loss + self._adversarial_weight(coder.drawer, reconstruction, adversarial) * adversarial).backward()
        self._train_discriminator(self.discriminator, sr.detach(), hr)
        return float(loss.detach())

    def _render(self, drawer: nn.Module, latent: Tensor, hr: Tensor, whole: bool) -> tuple[Tensor, Tensor]:
        """Return SR and its target, both (N, 1, h, w) in [0, 1].

        Args:
            drawer: Decoder or CPPN.
            latent: (N, Z).
            hr: (N, 1, 28, 28) in [0, 1].
            whole: Evaluate a CPPN at all pixels; otherwise at random points only.
        """
        if not isinstance(drawer, networks.CPPN):
            return drawer(latent).float().sigmoid(), hr
        side = HR_SIDE if whole else _POINT_SIDE
        spread = self._random((1, 2)) if whole else self._random((side * side, 2))
        points = networks.grid(side, self.device) + (spread - 0.5) * (2.0 / side)
        target = sampled_at(hr, points, side)
        return drawer(latent, points).float().sigmoid().view(-1, 1, side, side), target

    def _adversarial_weight(self, drawer: nn.Module, reconstruction: Tensor, adversarial: Tensor) -> Tensor:
        last = list(drawer.parameters())[-2] if not isinstance(drawer, networks.CPPN) else drawer.last
        (reconstruction_gradient,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
        (adversarial_gradient,) = torch.autograd.grad(adversarial, last, retain_graph=True)
        return (
            (self.recipe.adversarial * reconstruction_gradient.norm() / (adversarial_gradient.norm() + 1e-6))
            .clamp(max=1.0)
            .detach()
        )

    def _train_discriminator(self, discriminator: nn.Module, sr: Tensor, hr: Tensor) -> None:
        assert self.discriminator_optimiser is not None
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        real, drawn = discriminator(hr).float(), discriminator(sr).float()
        (F.relu(1.0 - real).mean() + F.relu(1.0 + drawn).mean()).backward()
        self.discriminator_optimiser.step()

    def _random(self, shape: tuple[int, ...]) -> Tensor:
        return torch.rand(shape, generator=self.noise).to(self.device)

    def validate(self) -> float:
        """Score the EMA on the held-out digits and add a value to every curve.

        Returns:
            PSNR in dB; for the reader, the accuracy in per cent.
        """
        score = self.score(self.ema.module, self.validation)
        mean = float(np.mean(self._losses)) if self._losses else 0.0
        for key, value in zip(CURVE, (self.iteration, mean, score), strict=True):
            self.curves[key].append(value)
        self._losses = []
        return score

    @torch.inference_mode()
    def score(self, network: nn.Module, digits: Digits) -> float:
        """Return the mean PSNR in dB of `digits` reconstructed at 28 x 28; for the reader, its accuracy in per cent."""
        hr = as_tensor(digits.images, self.device)
        if not isinstance(network, networks.Coder):
            read = network(hr).argmax(1).cpu().numpy()
            return float((read == digits.labels).mean() * 100)
        sr = reconstructed(network, as_tensor(downscale(digits.images), self.device))
        return float((-10 * (sr - hr).square().mean((1, 2, 3)).log10()).mean())

    @torch.no_grad()
    def finish(self) -> nn.Module:
        """Return the network to ship: the EMA, with the latent of a typical training digit of each class filled in."""
        network = self.ema.module
        if isinstance(network, networks.Coder):
            for digit in range(10):
                some = self.lr[self.labels == digit][:500]
                if len(some):
                    latents = network.encoder(as_tensor(some, self.device))[0]
                    # The mean itself lies between the variants of a digit, where nothing was learned, and looks mottled.
                    network.typical[digit] = latents[(latents - latents.mean(0)).square().sum(1).argmin()]
        return network

    def begin_with(self, values: dict[str, Any]) -> None:
        """Load the weights of another recipe's run into every part of the network that has the same layout there.

        Raises:
            BadInput: The encoders differ.
        """
        own, other = self.network.state_dict(), _weights(values["ema"])
        same = {name for name, value in own.items() if name in other and other[name].shape == value.shape}
        parts = {name.split(".")[0] for name in own} - {name.split(".")[0] for name in own.keys() - same}
        if "encoder" not in parts:
            raise BadInput(
                f"{quoted(self.recipe.name)} cannot begin with a run of {quoted(values['recipe'])}: "
                "their encoders differ."
            )
        taken = {name: value for name, value in other.items() if name.split(".")[0] in parts}
        self.network.load_state_dict(taken, strict=False)
        self.ema.module.load_state_dict(taken, strict=False)
        self.began_with = {
            "recipe": values["recipe"], "iterations": values["iteration"], "seconds": round(values["seconds"]),
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Return all values from which the run can be continued."""
        return {
            "recipe": self.recipe.name,
            "began_with": self.began_with,
            "plans": self.plans,
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "discriminator": None if self.discriminator is None else self.discriminator.state_dict(),
            "discriminator_optimiser": optimiser.state_dict() if (optimiser := self.discriminator_optimiser) else None,
            "randomness": files.randomness(self.rng, self.noise),
            "iteration": self.iteration,
            "seconds": self.seconds,
            "curves": self.curves,
            "losses": self._losses,
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Continue from what `state` returned.

        Raises:
            BadInput: The state is that of another network.
        """
        files.restore_network(values, self.network)
        self.began_with, self.plans = values.get("began_with"), values.get("plans", [])
        self.ema.load_state_dict(values["ema"])
        self.optimiser.load_state_dict(values["optimiser"])
        if self.discriminator is not None and self.discriminator_optimiser is not None:
            self.discriminator.load_state_dict(values["discriminator"])
            self.discriminator_optimiser.load_state_dict(values["discriminator_optimiser"])
        files.restore_randomness(values["randomness"], self.rng, self.noise)
        self.iteration, self.seconds = values["iteration"], values["seconds"]
        self.curves, self._losses = values["curves"], values["losses"]


def _weights(ema: dict[str, Any]) -> dict[str, Tensor]:
    return {name.removeprefix("module."): value for name, value in ema.items() if name.startswith("module.")}


def reconstructed(coder: networks.Coder, lr: Tensor) -> Tensor:
    """Reconstruct digits from the mean of their latent: (N, 1, 26, 26) -> (N, 1, 28, 28), both in [0, 1]."""
    mean, _ = coder.encoder(lr)
    if isinstance(coder.drawer, networks.CPPN):
        drawn = coder.drawer(mean, networks.grid(HR_SIDE, lr.device)).view(-1, 1, HR_SIDE, HR_SIDE)
    else:
        drawn = coder.drawer(mean)
    return drawn.sigmoid()


def as_tensor(images: np.ndarray[Any, np.dtype[np.uint8]], device: torch.device) -> Tensor:
    """Convert (N, H, W) uint8 to (N, 1, H, W) float32 in [0, 1]."""
    return torch.from_numpy(images).to(device).unsqueeze(1).float() / 255.0


def sampled_at(images: Tensor, points: Tensor, side: int) -> Tensor:
    """Sample images by bicubic interpolation.

    Args:
        images: (N, 1, H, W) in [0, 1].
        points: (side * side, 2), x and y in -1..1, as for `grid_sample`.
        side: Side of the result in pixels.

    Returns:
        (N, 1, side, side) in [0, 1].
    """
    where = points.view(1, side, side, 2).expand(len(images), -1, -1, -1)
    return F.grid_sample(images, where, "bicubic", "zeros", align_corners=False).clamp(0.0, 1.0)


def shifted(images: Tensor, shift: Tensor) -> Tensor:
    """Shift each image by its own `shift`, with bilinear interpolation.

    Args:
        images: (N, 1, 28, 28).
        shift: (N, 2), in units of half the image side.
    """
    points = networks.grid(HR_SIDE, images.device).view(1, HR_SIDE, HR_SIDE, 2) + shift.view(-1, 1, 1, 2)
    return F.grid_sample(images, points, "bilinear", "zeros", align_corners=False)


def run(
    trainer: DigitTrainer, budget: Budget, state_file: Any, report: Callable[[float, float, float | None], None],
    stop: Event | None = None,
) -> None:  # fmt: skip
    """Train until the budget is spent or `stop` is set; save the state on the way and at the end.

    After an exception the file holds what was saved last.

    Args:
        trainer: A new or restored run.
        budget: Length of the whole run.
        state_file: Where the state is saved.
        report: Receives fraction, loss, and the latest score if there is one, after each step.
        stop: Looked at between two steps.
    """
    stop = stop or Event()
    saved = time.monotonic()
    trainer.plans = with_plan(trainer.plans, budget, trainer.iteration)
    score: float | None = trainer.curves["psnr"][-1] if trainer.curves["psnr"] else None
    while (fraction := budget.fraction(trainer.iteration, trainer.seconds)) < 1.0 and not stop.is_set():
        start = time.monotonic()
        loss = trainer.step(fraction)
        trainer.seconds += time.monotonic() - start
        after = budget.fraction(trainer.iteration, trainer.seconds)
        if int(after * POINTS) > int(fraction * POINTS):
            score = trainer.validate()
        report(after, loss, score)
        if time.monotonic() - saved > SAVE_EVERY:
            files.save(state_file, trainer.state())
            saved = time.monotonic()
    files.save(state_file, trainer.state())
