"""Loading published and own checkpoints through the spandrel package, with its promises checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sr_demo.errors import MissingDependency, WeightsUnavailable


def load(path: Path, architecture: str, scale: int) -> Any:
    """The `ImageModelDescriptor` in `path`. It pads to the size its network needs, crops and clamps.

    Raises WeightsUnavailable when the file is not an `architecture` (spandrel's id) of this `scale`: detection goes by
    key names and can be wrong.
    """
    return _checked(_loader().load_from_file(path), path.name, architecture, scale)


def load_blend(paths: Sequence[Path], shares: Sequence[float], architecture: str, scale: int) -> Any:
    """One descriptor whose weights are the weighted sum of those in `paths`: network interpolation (Wang et al. 2019,
    arXiv 1811.10515). The networks must have the same layout and the shares sum to 1."""
    loader = _loader()
    states: list[dict[str, torch.Tensor]] = [loader.load_state_dict_from_file(path) for path in paths]
    blended = {
        name: sum(
            (share * state[name].float() for share, state in zip(shares, states, strict=True)),
            start=torch.zeros(()),
        )
        for name in states[0]
    }
    return _checked(loader.load_from_state_dict(blended), paths[0].name, architecture, scale)


def _loader() -> Any:
    try:
        from spandrel import ModelLoader
    except (ImportError, RuntimeError) as exc:
        # torchvision built for another torch fails with a RuntimeError while it is imported.
        raise MissingDependency(
            "The spandrel package could not be loaded, most often because torch and torchvision do not belong "
            "together. Run: pip install --force-reinstall -r requirements.txt"
        ) from exc
    return ModelLoader(device="cpu")


def _checked(descriptor: Any, name: str, architecture: str, scale: int) -> Any:
    if descriptor.architecture.id != architecture or descriptor.scale != scale:
        raise WeightsUnavailable(
            f"{name} holds a {descriptor.architecture.name} network for x{descriptor.scale}, "
            f"not the {architecture} x{scale} that was expected."
        )
    return descriptor


def precisions(descriptor: Any) -> tuple[str, ...]:
    """What the network may be run in, by spandrel's word."""
    halves = (("bf16", descriptor.supports_bfloat16), ("fp16", descriptor.supports_half))
    return ("fp32", *(name for name, allowed in halves if allowed))
