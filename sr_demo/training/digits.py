"""Recipes of the digits lab, and one trainer for all: MNIST in, weights and a card out.

Generator loss = MSE(HR, SR) per pixel + `kl` x KL(latent || normal) per digit + adversarial. The critic learns by the
hinge loss; its share in the generator's gradient is set at the last layer (Esser et al. 2021, eq. 7): `adversarial` = 0.5
means half as much pull as the MSE has there. The CPPN is trained on points between the pixels too, with the bicubic
interpolation of HR as truth, so that it learns a function and not 784 numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_demo.backends.torch_backend import cpu_gains_from_bf16
from sr_demo.digits.data import SIDE, Digits, downscale
from sr_demo.networks import digits as networks
from sr_demo.training import run_state as files
from sr_demo.training.ema import Average
from sr_demo.training.schedule import Budget

CURVE = ("iteration", "loss", "psnr")
POINTS = 20
"""How often a whole run is validated."""
SAVE_EVERY = 30.0
"""Seconds between two saved states."""
HELD_OUT = 2000
"""The last training digits are kept for validation; the test digits are never seen."""
_ALONE = 0.6
"""Part of the run before the critic joins."""
_POINT_SIDE = 14
"""The CPPN is trained on 14 x 14 scattered points of each digit before, and on all pixels after."""


@dataclass(frozen=True)
class DigitRecipe:
    """One way to train one network of the lab."""

    name: str
    """The word on the command line."""
    summary: str
    build: Callable[[], nn.Module]
    settings: dict[str, int]
    """What `build` was given, for the card."""
    adversarial: float = 0.0
    kl: float = 2e-5
    rate: float = 1e-3
    batch: int = 128
    minutes: float = 4.0
    """Length of a run unless told otherwise, and of the one that made the embedded weights (2 CPU cores)."""


_VAEGAN = {"latent": 32, "encoder": 24, "decoder": 16}
_CPPN = {"latent": 32, "encoder": 24, "width": 64, "layers": 3, "waves": 6}
_READER = {"channels": 16}

RECIPES: tuple[DigitRecipe, ...] = (
    DigitRecipe(
        "digits-vaegan", "Variational encoder, decoder to 28 x 28, and a critic.",
        partial(networks.vaegan, **_VAEGAN), _VAEGAN, adversarial=0.5,
    ),
    DigitRecipe(
        "digits-cppn-vaegan", "Variational encoder, CPPN for any size, and a critic.",
        partial(networks.cppn, **_CPPN), _CPPN, adversarial=0.8,
    ),
    DigitRecipe(
        "digits-cppn-l2", "The same without the critic: MSE and KL only.",
        partial(networks.cppn, **_CPPN), _CPPN,
    ),
    DigitRecipe(
        "digits-reader", "Reads digits: tells whether a redrawn digit is still the same one.",
        partial(networks.reader, **_READER), _READER, minutes=1.3,
    ),
)  # fmt: skip


class DigitTrainer:
    """A recipe at work. `curves` maps each of CURVE to a list; for the reader "psnr" holds its accuracy in per cent."""

    def __init__(self, recipe: DigitRecipe, digits: Digits, device: torch.device, seed: int = 0) -> None:
        self.recipe, self.device = recipe, device
        self.reduced = device.type == "cuda" or (device.type == "cpu" and cpu_gains_from_bf16())
        torch.manual_seed(seed)
        self.rng, self.noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        held = min(HELD_OUT, len(digits) // 10 + 1)
        self.hr, self.labels = digits.pictures[:-held], digits.labels[:-held]
        self.held = Digits(digits.pictures[-held:], digits.labels[-held:])
        self.lr = downscale(self.hr)
        self.network = recipe.build().to(device)
        self.average = Average(self.network, 0.998)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=0.0, betas=(0.9, 0.99))
        self.critic = networks.Discriminator(24).to(device) if recipe.adversarial else None
        self.judge = None if self.critic is None else torch.optim.Adam(self.critic.parameters(), 4e-4, (0.5, 0.99))
        self.iteration, self.seconds = 0, 0.0
        self.curves: dict[str, list[float]] = {key: [] for key in CURVE}
        self._losses: list[float] = []

    def step(self, fraction: float) -> float:
        """One update at `fraction` of the run. Returns the loss without the critic's part."""
        which = self.rng.integers(0, len(self.hr), self.recipe.batch)
        hr, lr = as_tensor(self.hr[which], self.device), as_tensor(self.lr[which], self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate * min(1.0, 20 * fraction + 0.1) * (0.02 + 0.98 * (1 - fraction) ** 0.7)
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            if isinstance(self.network, networks.Reader):
                loss = self._reading(hr, torch.from_numpy(self.labels[which]).long().to(self.device))
            else:
                loss = self._drawing(lr, hr, fraction >= _ALONE)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.network)
        self.iteration += 1
        self._losses.append(loss)
        return loss

    def _reading(self, hr: Tensor, labels: Tensor) -> float:
        shift = self._random((len(hr), 2)) * (4.0 / SIDE) - 2.0 / SIDE
        loss = F.cross_entropy(self.network(moved(hr, shift)).float(), labels)
        loss.backward()
        return float(loss.detach())

    def _drawing(self, lr: Tensor, hr: Tensor, whole: bool) -> float:
        coder = self.network
        assert isinstance(coder, networks.Coder)
        mean, log_variance = (value.float() for value in coder.encoder(lr))
        noise = torch.randn(mean.shape, generator=self.noise).to(self.device)
        latent = mean + (0.5 * log_variance).exp() * noise
        kl = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
        sr, truth = self._drawn(coder.drawer, latent, hr, whole)
        faithful = F.mse_loss(sr, truth)
        loss = faithful + self.recipe.kl * kl
        if self.critic is None or not whole:
            loss.backward()
            return float(loss.detach())
        opinion = -self.critic(sr).float().mean()
        (loss + self._weight(coder.drawer, faithful, opinion) * opinion).backward()
        self._teach(self.critic, sr.detach(), hr)
        return float(loss.detach())

    def _drawn(self, drawer: nn.Module, latent: Tensor, hr: Tensor, whole: bool) -> tuple[Tensor, Tensor]:
        """SR and what it should be, both (N, 1, h, w) in [0, 1]."""
        if not isinstance(drawer, networks.CPPN):
            return drawer(latent).float().sigmoid(), hr
        side = SIDE if whole else _POINT_SIDE
        spread = self._random((1, 2)) if whole else self._random((side * side, 2))
        points = networks.grid(side, self.device) + (spread - 0.5) * (2.0 / side)
        truth = at_points(hr, points, side)
        return drawer(latent, points).float().sigmoid().view(-1, 1, side, side), truth

    def _weight(self, drawer: nn.Module, faithful: Tensor, opinion: Tensor) -> Tensor:
        last = list(drawer.parameters())[-2] if not isinstance(drawer, networks.CPPN) else drawer.last.weight
        (towards,) = torch.autograd.grad(faithful, last, retain_graph=True)
        (critical,) = torch.autograd.grad(opinion, last, retain_graph=True)
        return (self.recipe.adversarial * towards.norm() / (critical.norm() + 1e-6)).clamp(max=1.0).detach()

    def _teach(self, critic: nn.Module, sr: Tensor, hr: Tensor) -> None:
        assert self.judge is not None
        self.judge.zero_grad(set_to_none=True)
        real, drawn = critic(hr).float(), critic(sr).float()
        (F.relu(1.0 - real).mean() + F.relu(1.0 + drawn).mean()).backward()
        self.judge.step()

    def _random(self, shape: tuple[int, ...]) -> Tensor:
        return torch.rand(shape, generator=self.noise).to(self.device)

    def validate(self) -> float:
        """Score the moving average on the held-out digits, add a point to every curve; returns PSNR (or accuracy)."""
        score = self.score(self.average.network, self.held)
        mean = float(np.mean(self._losses)) if self._losses else 0.0
        for key, value in zip(CURVE, (self.iteration, mean, score), strict=True):
            self.curves[key].append(value)
        self._losses = []
        return score

    @torch.inference_mode()
    def score(self, network: nn.Module, digits: Digits) -> float:
        """Mean PSNR in dB of `digits` drawn again at 28 x 28; for the reader, per cent read right."""
        hr = as_tensor(digits.pictures, self.device)
        if not isinstance(network, networks.Coder):
            read = network(hr).argmax(1).cpu().numpy()
            return float((read == digits.labels).mean() * 100)
        sr = redrawn(network, as_tensor(downscale(digits.pictures), self.device))
        return float((-10 * (sr - hr).square().mean((1, 2, 3)).log10()).mean())

    @torch.no_grad()
    def finish(self) -> nn.Module:
        """The network to ship: the moving average, with the mean latent of each digit filled in."""
        network = self.average.network
        if isinstance(network, networks.Coder):
            for digit in range(10):
                some = self.lr[self.labels == digit][:500]
                if len(some):
                    network.typical[digit] = network.encoder(as_tensor(some, self.device))[0].mean(0)
        return network

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on."""
        return {
            "recipe": self.recipe.name,
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "updates": self.average.updates,
            "optimiser": self.optimiser.state_dict(),
            "critic": None if self.critic is None else self.critic.state_dict(),
            "judge": None if self.judge is None else self.judge.state_dict(),
            "randomness": files.randomness(self.rng, self.noise),
            "iteration": self.iteration,
            "seconds": self.seconds,
            "curves": self.curves,
            "losses": self._losses,
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.network.load_state_dict(values["network"])
        self.average.network.load_state_dict(values["average"])
        self.average.updates = values["updates"]
        self.optimiser.load_state_dict(values["optimiser"])
        if self.critic is not None and self.judge is not None:
            self.critic.load_state_dict(values["critic"])
            self.judge.load_state_dict(values["judge"])
        files.restore_randomness(values["randomness"], self.rng, self.noise)
        self.iteration, self.seconds = values["iteration"], values["seconds"]
        self.curves, self._losses = values["curves"], values["losses"]


def settings_of(recipe: DigitRecipe) -> dict[str, Any]:
    """The recipe as a card states it."""
    values = asdict(recipe)
    return {key: values[key] for key in ("name", "adversarial", "kl", "rate", "batch")}


def redrawn(coder: networks.Coder, lr: Tensor) -> Tensor:
    """(N, 1, 26, 26) -> (N, 1, 28, 28) in [0, 1], from the mean of the latent."""
    mean, _ = coder.encoder(lr)
    if isinstance(coder.drawer, networks.CPPN):
        drawn = coder.drawer(mean, networks.grid(SIDE, lr.device)).view(-1, 1, SIDE, SIDE)
    else:
        drawn = coder.drawer(mean)
    return drawn.sigmoid()


def as_tensor(pictures: np.ndarray[Any, np.dtype[np.uint8]], device: torch.device) -> Tensor:
    """(N, H, W) uint8 -> (N, 1, H, W) float32 in [0, 1]."""
    return torch.from_numpy(pictures).to(device).unsqueeze(1).float() / 255.0


def at_points(pictures: Tensor, points: Tensor, side: int) -> Tensor:
    """Bicubic values of (N, 1, H, W) at `points` (side * side, 2) -> (N, 1, side, side) in [0, 1]."""
    where = points.view(1, side, side, 2).expand(len(pictures), -1, -1, -1)
    return F.grid_sample(pictures, where, "bicubic", "zeros", align_corners=False).clamp(0.0, 1.0)


def moved(pictures: Tensor, shift: Tensor) -> Tensor:
    """(N, 1, 28, 28), each moved by its `shift` (N, 2) in units of half the picture, bilinear."""
    points = networks.grid(SIDE, pictures.device).view(1, SIDE, SIDE, 2) + shift.view(-1, 1, 1, 2)
    return F.grid_sample(pictures, points, "bilinear", "zeros", align_corners=False)


def run(
    trainer: DigitTrainer, budget: Budget, state_file: Any, report: Callable[[float, float, float | None], None]
) -> None:
    """Train until the budget is spent, saving the state on the way and at the end (also when interrupted)."""
    saved = time.monotonic()
    score: float | None = trainer.curves["psnr"][-1] if trainer.curves["psnr"] else None
    try:
        while (fraction := budget.fraction(trainer.iteration, trainer.seconds)) < 1.0:
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
    finally:
        files.save(state_file, trainer.state())
