"""All training recipes as values: network, degradation, losses and schedule. A new recipe is an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

import torch
from torch import nn

from sr_demo.errors import BadInput, quoted
from sr_demo.networks.compact import Compact
from sr_demo.networks.edsr import EDSR
from sr_demo.networks.espcn import ESPCN
from sr_demo.networks.liif import LIIF
from sr_demo.networks.rdn import RDN
from sr_demo.networks.rrdn import RRDN
from sr_demo.networks.shift_unet import ShiftUNet
from sr_demo.networks.srresnet import SRResNet
from sr_demo.training import drct, hat
from sr_demo.training.schedule import Phase

T = TypeVar("T")
Settings = dict[str, int | float | str | list[int]]


def _unchanged(network: nn.Module) -> nn.Module:
    return network


@dataclass(frozen=True)
class Architecture:
    """Name and arguments of a network as its card records them: enough to build it again."""

    name: str
    settings: Settings


@dataclass(frozen=True)
class Recipe:
    """How one network is trained, from random weights or those that `begin` names to the end of its last phase."""

    name: str
    """Name on the command line."""
    stem: str
    """File name of the weights, without suffix."""
    summary: str
    architecture: Architecture
    build: Callable[[], nn.Module]
    """Returns a newly initialised network: (N, 3, h, w) in [0, 1] -> (N, 3, scale*h, scale*w), or a `ShiftUNet`, which
    also takes the state of the chain, the initial estimate and the level."""
    phases: tuple[Phase, ...]
    degradation: Literal["bicubic", "high-order", "unknown", "teacher"] = "bicubic"
    """How LR images are made. With "unknown" they are unpaired (`cycle.py`); with "teacher" they are degraded crops, and
    HR is what the teacher makes of them (`distillation.py`)."""
    teacher: str = ""
    """ID:CHECKPOINT whose results are imitated; "" learns from the photos themselves."""
    begin: str = ""
    """Stem of the embedded weights to begin with, of a network with the same architecture; "" is random weights."""
    scale: int = 4
    optimiser: Literal["adamw", "muon"] = "adamw"
    """"muon" is Muon for the inner layers and AdamW for the rest (`muon.py`)."""
    muon_within: str = ""
    """Muon only takes layers whose names have this prefix; "" is all but the first and the last."""
    decay: float = 0.999
    """Decay rate of the EMA that is validated and shipped."""
    warm_up: float = 0.01
    """Share of the run over which the learning rate rises."""
    clip: float = 0.5
    """Largest norm of the gradient."""
    ship: Callable[[nn.Module], nn.Module] = _unchanged
    """Converts the trained network to the one whose weights are written, of the class that loads them."""


def _compact() -> nn.Module:
    network = Compact(**_COMPACT)  # type: ignore[arg-type]
    # A plain stack without skip connections: with torch's default initialisation the signal vanishes over 18 layers.
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    for conv in convs:
        nn.init.kaiming_normal_(conv.weight, a=0.25)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
    with torch.no_grad():
        convs[-1].weight.mul_(0.1)
    return network


_RDN: Settings = {"blocks": 5, "convolutions": 3, "growth": 64, "features": 64, "scale": 4}
_COMPACT: Settings = {"features": 64, "convolutions": 16, "scale": 4}
_EDSR: Settings = {"blocks": 16, "features": 64, "scale": 4}
_LIIF: Settings = {"blocks": 16, "features": 64, "width": 128, "layers": 3}
_BASELINE: Settings = {"blocks": 16, "features": 64, "scale": 4, "residual": False}
_RRDN: Settings = {"blocks": 4, "convolutions": 4, "growth": 24, "features": 48, "scale": 4}
_SHIFT: Settings = {
    "widths": [64, 96, 160], "levels": 15, "kappa": 0.12, "least": 0.01, "power": 0.7, "spread": 0.04,
}  # fmt: skip
_ESPCN: Settings = {"features": [96, 64], "scale": 4}
_ENHANCED: Settings = {"blocks": 20, "features": 64, "scale": 4, "residual": True}

_L1 = (("l1", 1.0),)
_MSE = (("mse", 1.0),)
_SSIM = (("ssim", 1.0), ("l1", 0.2))
_CYCLE = (("cycle", 1.0), ("identity", 0.1), ("gan", 0.005), ("gan-small", 0.5), ("energies", 8.0), ("grid", 10.0))
_ADVERSARIAL = (("l1", 1.0), ("perceptual", 0.05), ("gan", 0.005), ("grid", 10.0))
_REALISTIC = (("l1", 1.0), ("perceptual", 0.05), ("gan", 0.02))
_SHIFTED_CRISP = (
    ("l1", 1.0), ("ssim", 0.3), ("texture", 1.5), ("perceptual", 0.3), ("grid", 1.0), ("gan", 0.015),
)  # fmt: skip
_SHIFTED = (("l1", 1.0), ("ssim", 1.0), ("texture", 1.0), ("perceptual", 0.15), ("grid", 0.5))
_IMITATION = (("l1", 1.0), ("gradient", 0.5))
_CRISP = (("l1", 1.0), ("gradient", 1.0), ("perceptual", 0.02), ("grid", 1.0))
_CRISP_ADVERSARIAL = (
    ("l1", 1.0), ("gradient", 1.0), ("texture", 1.0), ("perceptual", 0.1), ("gan", 0.01), ("grid", 2.0),
)  # fmt: skip
_ATTENTION = (
    Phase(0.60, _L1, (7e-4, 5e-4), patch=32, batch=8),
    Phase(0.40, _L1, (5e-4, 1e-6), patch=32, batch=16),
)

RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="rdn-ssim",
        stem="rdn-ssim-x4",
        summary="Residual dense network, L1 and finally SSIM: structure before brightness.",
        architecture=Architecture("RDN", _RDN),
        build=partial(RDN, **_RDN),  # type: ignore[arg-type]
        phases=(
            Phase(0.45, _L1, (7e-4, 5e-4), patch=32, batch=16),
            Phase(0.30, _L1, (5e-4, 2e-4), patch=48, batch=16),
            Phase(0.25, _SSIM, (2e-4, 1e-6), patch=48, batch=16),
        ),
        optimiser="muon",
    ),
    Recipe(
        name="rdn-mse",
        stem="rdn-mse-x4",
        summary="The same network goes on with L1 and finally MSE: the highest PSNR.",
        architecture=Architecture("RDN", _RDN),
        build=partial(RDN, **_RDN),  # type: ignore[arg-type]
        phases=(
            Phase(0.45, _L1, (6e-4, 3e-4), patch=32, batch=16),
            Phase(0.55, _MSE, (3e-4, 1e-6), patch=48, batch=16),
        ),
        begin="rdn-ssim-x4",
        optimiser="muon",
    ),
    Recipe(
        name="edsr",
        stem="edsr-x4",
        summary="EDSR-baseline: residual blocks at the LR size, L1.",
        architecture=Architecture("EDSR", _EDSR),
        build=partial(EDSR, **_EDSR),  # type: ignore[arg-type]
        phases=(
            Phase(0.45, _L1, (7e-4, 5e-4), patch=32, batch=16),
            Phase(0.55, _L1, (5e-4, 1e-6), patch=48, batch=16),
        ),
        optimiser="muon",
    ),
    Recipe(
        name="srresnet-baseline",
        stem="srresnet-baseline-x4",
        summary="A plain residual network that outputs the whole image itself, L1: the baseline.",
        architecture=Architecture("SRResNet", _BASELINE),
        build=partial(SRResNet, **_BASELINE),  # type: ignore[arg-type]
        phases=(Phase(1.0, _L1, (7e-4, 1e-6), patch=32, batch=16),),
        optimiser="muon",
    ),
    Recipe(
        name="srresnet-enhanced",
        stem="srresnet-enhanced-x4",
        summary="Deeper, and added to bicubic upscaling; L1, then L1 with a perceptual loss.",
        architecture=Architecture("SRResNet", _ENHANCED),
        build=partial(SRResNet, **_ENHANCED),  # type: ignore[arg-type]
        phases=(
            Phase(0.85, _L1, (7e-4, 1e-4), patch=32, batch=16),
            Phase(0.15, (("l1", 1.0), ("perceptual", 0.002)), (1e-4, 1e-6), patch=32, batch=16),
        ),
        optimiser="muon",
    ),
    Recipe(
        name="espcn",
        stem="espcn-x4",
        summary="Three convolutions: what can be done with almost no computation, L1 and finally MSE.",
        architecture=Architecture("ESPCN", _ESPCN),
        build=partial(ESPCN, **_ESPCN),  # type: ignore[arg-type]
        phases=(
            Phase(0.50, _L1, (2e-3, 1e-3), patch=32, batch=16),
            Phase(0.50, _MSE, (1e-3, 1e-6), patch=32, batch=16),
        ),
        optimiser="muon",
    ),
    Recipe(
        name="rrdn",
        stem="rrdn-x4",
        summary="Residual-in-residual dense blocks go on from their own weights with L1 and finally MSE.",
        architecture=Architecture("RRDN", _RRDN),
        build=partial(RRDN, **_RRDN),  # type: ignore[arg-type]
        phases=(
            Phase(0.62, _L1, (7e-4, 4e-4), patch=32, batch=16),
            Phase(0.38, _MSE, (4e-4, 1e-6), patch=48, batch=16),
        ),
        begin="rrdn-x4",
        optimiser="muon",
    ),
    Recipe(
        name="srgan",
        stem="srgan-x4",
        summary="EDSR's network, L1 first, then adversarial with a perceptual loss.",
        architecture=Architecture("EDSR", _EDSR),
        build=partial(EDSR, **_EDSR),  # type: ignore[arg-type]
        phases=(
            Phase(0.40, _L1, (8e-4, 6e-4), patch=32, batch=16),
            Phase(0.45, _L1, (6e-4, 1e-4), patch=48, batch=16),
            Phase(0.15, _ADVERSARIAL, (6e-5, 1e-5), patch=32, batch=12),
        ),
    ),
    Recipe(
        name="hat",
        stem="hat-tiny-x4",
        summary="A small hybrid attention transformer, L1.",
        architecture=Architecture("HAT", hat.SETTINGS),
        build=partial(hat.build_hat, hat.SETTINGS),
        phases=_ATTENTION,
        ship=partial(hat.as_shipped, settings=hat.SETTINGS),
        optimiser="muon",
        muon_within="layers.",
    ),
    Recipe(
        name="drct",
        stem="drct-tiny-x4",
        summary="A small transformer with densely connected groups goes on from its own weights, L1 and finally MSE.",
        architecture=Architecture("DRCT", drct.SETTINGS),
        build=partial(drct.build_drct, drct.SETTINGS),
        phases=(
            Phase(0.60, _L1, (7e-4, 5e-4), patch=32, batch=8),
            Phase(0.40, _MSE, (5e-4, 1e-6), patch=48, batch=8),
        ),
        begin="drct-tiny-x4",
        ship=partial(drct.as_shipped, settings=drct.SETTINGS),
        optimiser="muon",
        muon_within="layers.",
    ),
    Recipe(
        name="liif",
        stem="liif",
        summary="Any scale from 1 to 8: our EDSR as encoder and a local implicit function, L1 at random points.",
        architecture=Architecture("LIIF", _LIIF),
        build=partial(LIIF, **_LIIF),  # type: ignore[arg-type]
        phases=(Phase(1.0, _L1, (6e-4, 1e-6), patch=32, batch=16),),
    ),
    Recipe(
        name="diffusion",
        stem="diffusion-x4",
        summary="Residual-shift diffusion from the result of our RDN trained for SSIM; crisp losses, then also adversarial.",
        architecture=Architecture("ShiftUNet", _SHIFT),
        build=partial(ShiftUNet, **_SHIFT),  # type: ignore[arg-type]
        phases=(
            Phase(0.22, _SHIFTED, (4e-4, 2e-4), patch=32, batch=10),
            Phase(0.52, (*_SHIFTED, ("gan", 0.006)), (2e-4, 1e-6), patch=32, batch=10),
            Phase(0.26, _SHIFTED_CRISP, (1.5e-4, 1e-6), patch=32, batch=10),
        ),
        begin="diffusion-x4",
        clip=1.0,
    ),
    Recipe(
        name="real-esrgan",
        stem="real-esrgan-compact-x4",
        summary="EDSR's network imitates Real-ESRGAN x4plus on blurred, noisy, compressed photos.",
        architecture=Architecture("EDSR", _EDSR),
        build=partial(EDSR, **_EDSR),  # type: ignore[arg-type]
        phases=(
            Phase(0.40, _IMITATION, (5e-4, 2e-4), patch=32, batch=16),
            Phase(0.15, _CRISP, (2e-4, 1e-4), patch=48, batch=12),
            # The discriminator compares with the teacher's results: regression alone leaves the student blurred.
            Phase(0.45, _CRISP_ADVERSARIAL, (1e-4, 1e-6), patch=32, batch=12),
        ),
        degradation="teacher",
        teacher="real-esrgan:x4plus",
        begin="edsr-x4",
        optimiser="muon",
    ),
    Recipe(
        name="real-esrgan-direct",
        stem="real-esrgan-direct-x4",
        summary="A plain fast network trained on degraded images without a teacher; L1 first, then adversarial.",
        architecture=Architecture("Compact", _COMPACT),
        build=_compact,
        phases=(
            Phase(0.60, _L1, (6e-4, 2e-4), patch=32, batch=16),
            Phase(0.40, _REALISTIC, (2e-4, 5e-5), patch=32, batch=12),
        ),
        degradation="high-order",
    ),
    Recipe(
        name="cyclegan",
        stem="cyclegan-x4",
        summary="Two networks that undo each other, from unpaired images: clean ones, and ones of an unknown degradation.",
        architecture=Architecture("EDSR", _EDSR),
        build=partial(EDSR, **_EDSR),  # type: ignore[arg-type]
        phases=(Phase(1.0, _CYCLE, (3e-4, 1e-5), patch=32, batch=8),),
        degradation="unknown",
    ),
)


def find(name: str) -> Recipe:
    """Return the recipe called `name`. Raises BadInput where there is none, which lists those of the digits lab too."""
    from sr_demo.training import digit_recipes

    others = [recipe.name for recipe in digit_recipes.RECIPES]
    return named(name, {recipe.name: recipe for recipe in RECIPES}, others=others)


def named(name: str, recipes: Mapping[str, T], where: str = "", others: Sequence[str] = ()) -> T:
    """Return the recipe called `name`.

    Args:
        name: Name of the recipe.
        recipes: The recipes to choose from, by name.
        where: End of the sentence "There is no recipe 'NAME'", such as " in the digits lab".
        others: Names of recipes of another kind, for the message.

    Raises:
        BadInput: No recipe has this name; the message lists all names.
    """
    if name not in recipes:
        raise BadInput(f"There is no recipe {quoted(name)}{where}. There are: {', '.join((*recipes, *others))}.")
    return recipes[name]
