"""Embedded checkpoints: the network that a card describes, and the loader for its weights."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sr_demo.checkpoint import card
from sr_demo.spec import Request, Upscaler

if TYPE_CHECKING:
    from torch import nn

_MODULES = {
    "Compact": "compact",
    "EDSR": "edsr",
    "ESPCN": "espcn",
    "LIIF": "liif",
    "RDN": "rdn",
    "RRDN": "rrdn",
    "SRResNet": "srresnet",
    "ShiftUNet": "shift_unet",
}


def build(architecture: dict[str, Any]) -> nn.Module:
    """Build the network that the entry `architecture` of a card describes, {"name", "settings"}, with random weights."""
    name = architecture["name"]
    constructor: Callable[..., nn.Module] = getattr(import_module(f"sr_demo.networks.{_MODULES[name]}"), name)
    return constructor(**architecture["settings"])


def load(request: Request) -> Upscaler:
    """Load an embedded checkpoint: the loader of every approach whose network is in `sr_demo.networks`."""
    from sr_demo.backends.torch_backend import NetworkUpscaler, choose_precision, load_safetensors

    file: Path = request.files[0]
    network = load_safetensors(file, build(card(file.stem)["architecture"]))
    return NetworkUpscaler(network, choose_precision(request.precision))
