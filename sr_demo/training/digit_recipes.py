"""Training recipes of the networks of the digits lab, as pure values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from torch import nn

from sr_demo.networks import digits as networks
from sr_demo.training.recipes import named


@dataclass(frozen=True)
class DigitRecipe:
    """Training recipe of one network of the lab."""

    name: str
    """Name on the command line."""
    summary: str
    build: Callable[[], nn.Module]
    settings: dict[str, int]
    """Arguments of `build`, for the card."""
    adversarial: float = 0.0
    """Gradient of the adversarial loss at the last layer, relative to that of the MSE; 0 trains without a discriminator."""
    adversarial_from: float = 1.0
    """Fraction of the run after which the discriminator is trained and used."""
    encoder_from: float = 0.0
    """Fraction of the run after which the encoder is trained too; before that, only decoder or CPPN."""
    kl: float = 2e-5
    """Weight of the KL divergence per digit; the MSE per pixel has weight 1."""
    rate: float = 1e-3
    """Largest learning rate of Adam; the rate rises from a tenth of it over the first 4.5 % of the run, then falls to 2 %."""
    batch: int = 128
    """Digits in each training step."""
    minutes: float = 4.0
    """Default duration of a run, that of the embedded weights on one CPU thread (`digits-reader`: 1.2 minutes on two)."""


_VAEGAN = {"latent": 128, "encoder": 24, "decoder": 24}
_CPPN = {"latent": 128, "encoder": 24, "width": 64, "layers": 3, "waves": 6, "trunk": 112}
_READER = {"channels": 16}

RECIPES: tuple[DigitRecipe, ...] = (
    DigitRecipe(
        "digits-vaegan", "Variational encoder, decoder to 28 x 28, trained with a discriminator.",
        partial(networks.vaegan, **_VAEGAN), _VAEGAN, adversarial=0.2, adversarial_from=0.85, kl=2e-6, rate=1.5e-3,
        minutes=14.0,
    ),
    DigitRecipe(
        "digits-cppn-vaegan", "Goes on from digits-cppn-l2 (--start), with a discriminator.",
        partial(networks.cppn, **_CPPN), _CPPN, adversarial=1.5, adversarial_from=0.0, encoder_from=1.0,
        rate=5e-4, batch=64, minutes=10.0,
    ),
    DigitRecipe(
        "digits-cppn-l2", "Goes on from the encoder of digits-vaegan (--start): CPPN for any size, MSE and KL only.",
        partial(networks.cppn, **_CPPN), _CPPN, encoder_from=0.3, rate=1.5e-3, batch=64, minutes=15.0,
    ),
    DigitRecipe(
        "digits-reader", "Classifies digits: measures whether a reconstructed digit is still the same one.",
        partial(networks.reader, **_READER), _READER, minutes=1.3,
    ),
)  # fmt: skip


def find(name: str) -> DigitRecipe:
    """Return the recipe called `name`. Raises BadInput if there is none."""
    return named(name, {recipe.name: recipe for recipe in RECIPES}, " in the digits lab")


def settings_of(recipe: DigitRecipe) -> dict[str, Any]:
    """Return the hyperparameters of `recipe` for a card."""
    values = asdict(recipe)
    return {
        key: values[key] for key in ("name", "adversarial", "adversarial_from", "encoder_from", "kl", "rate", "batch")
    }
