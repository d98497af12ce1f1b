"""Loader of checkpoints through spandrel: checks what it detects, and fuses the attention of HAT and DRCT."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from sr_demo.backends import pickles
from sr_demo.backends.torch_backend import NetworkUpscaler, choose_precision, out_of_memory_translated
from sr_demo.errors import MissingDependency, WeightsUnavailable
from sr_demo.networks.fused_attention import fuse_attention
from sr_demo.spec import Request

_SAFE = frozenset({".safetensors", ".pth"})
"""spandrel unpickles `.pth` files with tensors only; a `.pt` file may be TorchScript, which is a program."""


def load(path: Path, architecture: str, scale: int) -> Any:
    """Load a checkpoint as spandrel's `ImageModelDescriptor`, which pads to the size its network needs, crops and clamps.

    Args:
        path: A .safetensors or .pth file.
        architecture: spandrel's id of the expected architecture, since detection relies on key names and can be wrong.
        scale: The expected scale factor.

    Raises:
        WeightsUnavailable: The file cannot be read, or holds another network.
        MissingDependency: spandrel cannot be imported.
    """
    state = read_state(path)
    with translated(path):
        descriptor = _loader().load_from_state_dict(state)
    return _checked(descriptor, path.name, architecture, scale)


def load_blend(paths: Sequence[Path], shares: Sequence[float], architecture: str, scale: int) -> Any:
    """Load the weighted sum of several checkpoints: network interpolation (Wang et al. 2019, arXiv 1811.10515).

    Args:
        paths: Checkpoints of networks with the same layout.
        shares: Weight of each checkpoint; they sum to 1.
        architecture: See `load`.
        scale: See `load`.

    Raises:
        WeightsUnavailable: See `load`.
        MissingDependency: See `load`.
    """
    states = [read_state(path) for path in paths]
    for path, state in zip(paths, states, strict=True):
        if _layout(state) != _layout(states[0]):
            raise WeightsUnavailable(f"{path.name} and {paths[0].name} hold networks of different layouts.")
    blended = {
        name: sum(
            (share * state[name].float() for share, state in zip(shares, states, strict=True)),
            start=torch.zeros(()),
        )
        for name in states[0]
    }
    with translated(paths[0]):
        descriptor = _loader().load_from_state_dict(blended)
    return _checked(descriptor, paths[0].name, architecture, scale)


def detect(state: dict[str, torch.Tensor], path: Path) -> Any:
    """Detect the network of `state`, the content of `path`, and return its spandrel descriptor. Raises as `load`."""
    loader = _loader()
    with translated(path):
        descriptor = loader.load_from_state_dict(state)
    fuse_attention(descriptor.model)
    return descriptor


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read the named tensors in `path`, unwrapped, without executing anything in it. Raises as `load`."""
    if path.suffix.lower() not in _SAFE:
        raise WeightsUnavailable(
            f"{path.name} is not loaded: a {path.suffix} file can hold a program. "
            "Use the same checkpoint as .safetensors or .pth."
        )
    loader = _loader()
    if path.suffix.lower() == ".pth":
        pickles.check(path)
    with translated(path):
        return loader.load_state_dict_from_file(path)


def _layout(state: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


@contextmanager
def translated(path: Path) -> Generator[None]:
    """Translate what spandrel, torch, pickle and safetensors raise on a file that is not a readable checkpoint."""
    from spandrel import UnsupportedModelError

    try:
        with out_of_memory_translated():
            yield
    except pickle.UnpicklingError as exc:
        raise WeightsUnavailable(
            f"{path.name} is not loaded: it is damaged, or holds more than tensors, which could run as a program. "
            f"{pickles.CONVERT}"
        ) from exc
    except UnsupportedModelError as exc:
        raise WeightsUnavailable(f"{path.name} holds no network that this app knows.") from exc
    except (SafetensorError, EOFError, RuntimeError, LookupError, TypeError, ValueError, AttributeError) as exc:
        # torch and pickle have no error type of their own for damaged files.
        raise WeightsUnavailable(f"{path.name} is damaged or no checkpoint ({type(exc).__name__}).") from exc


def _loader() -> Any:
    try:
        from spandrel import ModelLoader
    except (ImportError, RuntimeError) as exc:
        # A torchvision that was built for another torch raises a RuntimeError on import.
        raise MissingDependency(
            "The spandrel package could not be loaded, most often because torch and torchvision do not belong "
            "together. Run: pip install --force-reinstall -r requirements.txt"
        ) from exc
    # spandrel's HAT calls meshgrid without `indexing`, and the user cannot change that.
    warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)
    return ModelLoader(device="cpu")


def _checked(descriptor: Any, name: str, architecture: str, scale: int) -> Any:
    """Fuse the attention of `descriptor` and return it. Raises WeightsUnavailable when it is not the expected network."""
    if descriptor.architecture.id != architecture or descriptor.scale != scale:
        raise WeightsUnavailable(
            f"{name} holds a {descriptor.architecture.name} network for x{descriptor.scale}, "
            f"not the {architecture} x{scale} that was expected."
        )
    fuse_attention(descriptor.model)
    return descriptor


def attention_upscaler(
    request: Request, architecture: str, scale: int, supported: tuple[str, ...] | None = None
) -> NetworkUpscaler:
    """Load an attention network, converted to its precision as a whole. Raises as `load` does.

    Args:
        request: The request to the approach's loader.
        architecture: See `load`.
        scale: See `load`.
        supported: Precisions that the network may run in; None for those that spandrel declares.
    """
    descriptor = load(request.files[0], architecture, scale)
    precision = choose_precision(request.precision, supported or precisions(descriptor))
    # The descriptor rather than the bare network, since it pads to the window size and crops the result.
    return NetworkUpscaler(descriptor, precision, mode="convert")


def precisions(descriptor: Any) -> tuple[str, ...]:
    """Return the precisions that spandrel declares for the network."""
    halves = (("bf16", descriptor.supports_bfloat16), ("fp16", descriptor.supports_half))
    return ("fp32", *(name for name, allowed in halves if allowed))
