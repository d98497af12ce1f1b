"""Reading of the network in a user's weight file, and the loader of its approach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sr_demo.codecs.sniff import display_name
from sr_demo.errors import BadInput, SRError
from sr_demo.spec import Request, Upscaler
from sr_demo.user_models import state_dicts

Kind = Literal["ours", "liif", "spandrel", "onnx"]
Mode = Literal["autocast", "convert"]
_LARGEST_MINIMUM = 128
"""Networks whose smallest input is larger than this are for one kind of image, such as faces, and are refused."""


@dataclass(frozen=True)
class ReadNetwork:
    """A network that was read from a weight file, in fp32 on the CPU."""

    kind: Kind
    architecture: str
    network: Any
    """An nn.Module, or spandrel's descriptor of one, which pads, crops and clamps."""
    scale: int
    multiple_of: int = 1
    """The network's input sides must be multiples of this; the descriptor pads to them."""
    precisions: tuple[str, ...] = ("fp32", "bf16", "fp16")

    @property
    def module(self) -> Any:
        """The nn.Module."""
        return self.network.model if self.kind == "spandrel" else self.network


@dataclass(frozen=True)
class Loader:
    """The `load` of a user's approach, a value that can be compared and sent to other processes."""

    kind: Kind
    scale: int
    mode: Mode = "autocast"
    bare: bool = False
    """Whether the module can run without the descriptor, so that OpenVINO may convert it."""
    precisions: tuple[str, ...] = ("fp32",)
    """Precisions of the network; a reduced one only if it agreed with fp32 and was faster."""
    multiple_of: int = 1
    """For ONNX: the sides of the input are padded to multiples of this."""

    def __call__(self, request: Request) -> Upscaler:
        """Load the network of `request`. Raises SRError."""
        file = request.files[0]
        if self.kind == "onnx":
            from sr_demo.user_models import onnx_network

            network = onnx_network.OnnxNetwork(file)
            precision = onnx_network.choose_precision(request.precision, "bf16" in self.precisions, network.name)
            return onnx_network.OnnxUpscaler(network, precision, self.scale, self.multiple_of)
        from sr_demo.backends.torch_backend import choose_precision

        return self.upscaler(read(file), choose_precision(request.precision, self.precisions))

    def upscaler(self, found: ReadNetwork, precision: str) -> Upscaler:
        """Return a network as an upscaler; it is moved to the device, and converted to the precision in mode "convert"."""
        if self.kind == "liif":
            from sr_demo.approaches.liif import LiifUpscaler

            return LiifUpscaler(found.network, precision)
        from sr_demo.backends.torch_backend import NetworkUpscaler

        return NetworkUpscaler(found.module if self.bare else found.network, precision, self.mode)


def read(path: Path) -> ReadNetwork:
    """Read the network in a `.safetensors` or `.pth` file. Raises SRError if there is none that can run here."""
    from sr_demo.backends import spandrel_loader

    name = display_name(path.name)
    state: Any = spandrel_loader.read_state(path)
    if not isinstance(state, dict) or not any(hasattr(value, "shape") for value in state.values()):
        raise BadInput(f"{name} holds no named tensors. Save the state dict of the network: model.state_dict().")
    tensors = {str(key): value for key, value in state.items() if hasattr(value, "shape")}
    if any(value.is_floating_point() and not value.isfinite().all() for value in tensors.values()):
        raise BadInput(f"{name} holds weights that are not numbers (NaN or infinity). Use an earlier checkpoint.")
    for candidate in state_dicts.unwrapped(tensors):
        found = _ours(candidate, path, name) or _spandrel(candidate, path, name)
        if found is not None:
            return found
    raise BadInput(
        f"{name} holds no network that this app knows: neither one of its own nor one of spandrel's. "
        "Export it to ONNX (image to image), and open that file."
    )


def _ours(state: state_dicts.State, path: Path, name: str) -> ReadNetwork | None:
    for architecture in (state_dicts.from_card(path), state_dicts.from_shapes(state)):
        if architecture is None:
            continue
        try:
            network = state_dicts.build_filled(state, architecture, name)
        except BadInput:
            continue  # another network with the same tensor names
        if architecture["name"] == "LIIF":
            return ReadNetwork("liif", "LIIF", network, 4, precisions=("fp32", "bf16"))
        return ReadNetwork("ours", architecture["name"], network, int(architecture["settings"]["scale"]))
    return None


def _spandrel(state: state_dicts.State, path: Path, name: str) -> ReadNetwork | None:
    from spandrel import ImageModelDescriptor

    from sr_demo.backends import spandrel_loader
    from sr_demo.errors import MissingDependency, OutOfMemory

    try:
        descriptor = spandrel_loader.detect(state, path)
    except (MissingDependency, OutOfMemory):
        raise
    except SRError:
        return None
    title = descriptor.architecture.name
    needs = descriptor.size_requirements
    if not isinstance(descriptor, ImageModelDescriptor):
        raise BadInput(f"{name} holds a {title} network, which needs a mask beside the image. It cannot be run here.")
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise BadInput(
            f"{name} holds a {title} network from {descriptor.input_channels} to {descriptor.output_channels} channels, "
            "and a colour image has 3."
        )
    if needs.square or max(needs.minimum, needs.multiple_of) > _LARGEST_MINIMUM:
        raise BadInput(f"{name} holds a {title} network for images of one size, such as faces. It cannot be run here.")
    multiple_of = max(needs.multiple_of, 1)
    precisions = spandrel_loader.precisions(descriptor)
    return ReadNetwork("spandrel", title, descriptor, descriptor.scale, multiple_of, precisions)
