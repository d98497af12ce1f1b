"""Recognition of our own networks in a state dict, by the card beside the file or by the names and shapes of tensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from math import isqrt
from pathlib import Path
from typing import Any

from sr_demo.errors import BadInput

State = dict[str, Any]
"""Tensors by name."""
Architecture = dict[str, Any]
"""Architecture as in a card: {"name", "settings"}."""
_PREFIXES = ("module.", "model.", "net.", "netG.", "generator.", "network.", "_orig_mod.")
"""Prefixes that training frameworks add to all names."""
_OURS = frozenset({"Compact", "EDSR", "ESPCN", "LIIF", "RDN", "RRDN", "SRResNet"})


def unwrapped(state: State) -> Iterator[State]:
    """Yield the state unchanged, then without each known prefix that occurs in its names, recursively.

    The unchanged state comes first, because names in old ESRGAN files begin with `model.`. Tensors without the prefix, such
    as those of a loss, are left out.
    """
    yield state
    for prefix in _PREFIXES:
        inner = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if inner:
            yield from unwrapped(inner)


def from_card(path: Path) -> Architecture | None:
    """Return the architecture in the card `<stem>.json` beside a file; None if there is no card of ours."""
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        architecture = card["architecture"]
        known = architecture["name"] in _OURS and isinstance(architecture["settings"], dict)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return architecture if known else None


def from_shapes(state: State) -> Architecture | None:
    """Return the architecture of the network of ours that has these tensors; None if there is none."""
    shapes = {name: tuple(value.shape) for name, value in state.items() if hasattr(value, "shape")}
    for mark, read in _MARKS:
        if mark <= shapes.keys():
            try:
                return read(shapes)
            except (LookupError, ValueError):
                return None  # another network with the same tensor names
    return None


def _count(shapes: Mapping[str, Any], prefix: str) -> int:
    """Return the number of different name components that follow `prefix`."""
    return len({name[len(prefix) :].partition(".")[0] for name in shapes if name.startswith(prefix)})


def _scale(shapes: Mapping[str, tuple[int, ...]], last: str) -> int:
    """Return the scale of a network whose last convolution feeds a PixelShuffle. Raises ValueError if it is impossible."""
    scale = isqrt(shapes[last][0] // 3)
    if 3 * scale * scale != shapes[last][0]:
        raise ValueError(last)
    return scale


def _espcn(shapes: Mapping[str, tuple[int, ...]]) -> Architecture:
    features = [shapes["conv1.weight"][0], shapes["conv2.weight"][0]]
    return {"name": "ESPCN", "settings": {"features": features, "scale": _scale(shapes, "conv3.weight")}}


def _dense(name: str, convolutions: str, first: str) -> Callable[[Mapping[str, tuple[int, ...]]], Architecture]:
    """Return a reader for networks of dense blocks, RDN and RRDN, whose convolutions have the prefix `convolutions`."""

    def read(shapes: Mapping[str, tuple[int, ...]]) -> Architecture:
        settings = {
            "blocks": _count(shapes, "blocks."),
            "convolutions": _count(shapes, convolutions),
            "growth": shapes[f"{convolutions}0.weight"][0],
            "features": shapes[first][0],
            "scale": _scale(shapes, "tail.weight"),
        }
        return {"name": name, "settings": settings}

    return read


def _residual(name: str) -> Callable[[Mapping[str, tuple[int, ...]]], Architecture]:
    """Return a reader for EDSR and SRResNet."""

    def read(shapes: Mapping[str, tuple[int, ...]]) -> Architecture:
        settings = {"blocks": _count(shapes, "blocks."), "features": shapes["head.weight"][0]}
        return {"name": name, "settings": {**settings, "scale": _scale(shapes, "tail.weight")}}

    return read


def _liif(shapes: Mapping[str, tuple[int, ...]]) -> Architecture:
    width, features = shapes["first.weight"][:2]
    layers = _count(shapes, "hidden.") + 1
    settings = {"blocks": _count(shapes, "blocks."), "features": features, "width": width, "layers": layers}
    return {"name": "LIIF", "settings": settings}


_MARKS: tuple[tuple[frozenset[str], Callable[[Mapping[str, tuple[int, ...]]], Architecture]], ...] = (
    (frozenset({"place.weight", "first.weight", "head.weight"}), _liif),
    (frozenset({"shallow1.weight", "global_fusion.0.weight"}), _dense("RDN", "blocks.0.convs.", "shallow1.weight")),
    (frozenset({"head.weight", "blocks.0.dense.0.convs.0.weight"}), _dense("RRDN", "blocks.0.dense.0.convs.", "head.weight")),
    (frozenset({"head.weight", "body_end.weight", "blocks.0.act.weight"}), _residual("SRResNet")),
    (frozenset({"head.weight", "body_end.weight", "blocks.0.conv2.weight"}), _residual("EDSR")),
    (frozenset({"conv1.weight", "conv2.weight", "conv3.weight"}), _espcn),
)  # fmt: skip
"""Tensors that identify a network of ours, and the reader of its settings from shapes; more specific entries come first."""


def build_filled(state: State, architecture: Architecture, name: str) -> Any:
    """Build one of our networks and load `state` into it.

    Args:
        state: Tensors of the network.
        architecture: Architecture from a card or from shapes; for SRResNet without `residual`, the variant is detected.
        name: Name of the file, for the message.

    Raises:
        BadInput: The tensors do not fit the architecture.
    """
    from sr_demo.backends.embedded import build

    settings = dict(architecture["settings"])
    needs_choice = architecture["name"] == "SRResNet" and "residual" not in settings
    if needs_choice:
        settings["residual"] = True
    try:
        network = build({"name": architecture["name"], "settings": settings})
        network.load_state_dict({key: value.float() for key, value in state.items()}, strict=True)
    except (RuntimeError, TypeError, ValueError, AttributeError) as exc:
        raise BadInput(
            f"{name} does not hold the {architecture['name']} network that its card or tensors name."
        ) from exc
    if needs_choice and _draws_whole_image(network):
        network.residual = False  # type: ignore[assignment]
    return network.eval()


def _draws_whole_image(network: Any) -> bool:
    """Return whether an SRResNet outputs the image itself rather than the residual to bicubic upscaling.

    Names and shapes are the same for both. If bicubic upscaling is added to the image itself, it becomes twice as bright.
    """
    import torch

    gray = torch.full((1, 3, 24, 24), 0.5)
    with torch.inference_mode():
        return float(network(gray).mean()) > 0.75
