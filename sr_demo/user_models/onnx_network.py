"""An image-to-image ONNX file that OpenVINO runs, with a free or a fixed input size."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np

from sr_demo.backends import openvino_backend
from sr_demo.checkpoint import Tiling
from sr_demo.codecs.sniff import display_name
from sr_demo.errors import BadInput, MissingDependency, OutOfMemory
from sr_demo.image import Image, readonly
from sr_demo.imaging import tiling
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Precision
from sr_demo.user_models import onnx_format

_WEIGHTS = frozenset({"f32", "f16", "bf16", "i8", "u8"})
"""Types of weights; shapes and indices are i64 or i32."""
_CONTEXT, _BLEND = 16, 8
"""Halo and half-width of the blend of tiles for a network with a fixed input size; less if this size is small."""
SMALLEST = 32
"""Smallest side of an input; smaller inputs are padded, since many networks pad by reflection of up to a window."""


class OnnxNetwork:
    """An ONNX model whose input and output are converted to (1, H, W, 3)."""

    def __init__(self, path: Path) -> None:
        """Read and check a file. Raises BadInput, and MissingDependency if OpenVINO is not installed."""
        self.name = display_name(path.name)
        if not openvino_backend.available():
            raise MissingDependency("ONNX files are run by OpenVINO. Install it with: pip install openvino")
        data = path.read_bytes()
        onnx_format.check(memoryview(data), self.name)
        import openvino

        try:
            model = openvino_backend.core().read_model(data)
        except RuntimeError as exc:
            raise BadInput(f"{self.name} cannot be read by OpenVINO: {_reason(exc)}") from exc
        self.parameters = _parameters(model)
        self.fixed = self._sides(model)
        height, width = self.fixed or (-1, -1)
        try:
            model.reshape(openvino.PartialShape([1, 3, height, width]))
            self._model = _channels_last(model)
        except RuntimeError as exc:
            raise BadInput(f"{self.name} cannot take a colour image: {_reason(exc)}") from exc

    def has(self, kinds: Collection[str]) -> bool:
        """Return whether the network has an operation of one of these OpenVINO types."""
        return any(operation.get_type_name() in kinds for operation in self._model.get_ops())

    def _sides(self, model: Any) -> tuple[int, int] | None:
        """Return the fixed height and width of the input; None if both are free. Raises BadInput for unsuitable networks."""
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise BadInput(
                f"{self.name} has {len(model.inputs)} inputs and {len(model.outputs)} outputs. "
                "A network that takes one image and returns one image is needed."
            )
        shape, kind = model.inputs[0].get_partial_shape(), model.inputs[0].get_element_type().get_type_name()
        result = model.outputs[0].get_partial_shape()
        if (shape.rank.is_static and len(shape) != 4) or (result.rank.is_static and len(result) != 4):
            raise BadInput(f"{self.name} is not image to image: it must take and return (1, 3, height, width).")
        if kind not in ("f32", "f16"):
            raise BadInput(f"{self.name} takes numbers of type {kind}, not the float values 0 to 1 of an image.")
        for what, sides in (("takes", shape), ("returns", result)):
            channels = sides[1] if sides.rank.is_static else None
            if channels is not None and channels.is_static and channels.get_length() != 3:
                raise BadInput(f"{self.name} {what} {channels.get_length()} channels, and a colour image has 3.")
        if shape.rank.is_dynamic or (shape[2].is_dynamic and shape[3].is_dynamic):
            return None
        if shape[2].is_dynamic or shape[3].is_dynamic:
            raise BadInput(f"{self.name} fixes only one side of its input. Export it with both free, or both fixed.")
        height, width = shape[2].get_length(), shape[3].get_length()
        if min(height, width) < SMALLEST:
            raise BadInput(f"{self.name} takes only {width} x {height} pixels, too few to enlarge a photo in parts.")
        return height, width

    def compiled(self, precision: str) -> Any:
        """Return an inference request of the compiled model. Raises BadInput if OpenVINO cannot compile it."""
        try:
            return openvino_backend.compiled(self._model, precision).create_infer_request()
        except RuntimeError as exc:
            raise BadInput(f"{self.name} cannot be run by OpenVINO: {_reason(exc)}") from exc


def _parameters(model: Any) -> int:
    """Return the number of values in the model's constants, except those for shapes."""
    constants = [operation for operation in model.get_ops() if operation.get_type_name() == "Constant"]
    return sum(
        prod(constant.get_output_shape(0))
        for constant in constants
        if constant.get_output_element_type(0).get_type_name() in _WEIGHTS
    )


def _channels_last(model: Any) -> Any:
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(Type.f32).set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NCHW"))
    steps.output().model().set_layout(Layout("NCHW"))
    steps.output().tensor().set_element_type(Type.f32).set_layout(Layout("NHWC"))
    return steps.build()


class OnnxUpscaler:
    """An ONNX network behind the `Upscaler` protocol. One call at a time."""

    backend = "OpenVINO"
    loss_db: float | None = None

    def __init__(self, network: OnnxNetwork, precision: str, scale: int, multiple_of: int = 1) -> None:
        """Compile a network.

        Args:
            network: The network.
            precision: "fp32" or "bf16".
            scale: Scale factor of the network.
            multiple_of: The sides of the input are padded to multiples of this.
        """
        self.precision = precision
        self._fixed, self._scale, self._multiple_of, self._name = network.fixed, scale, multiple_of, network.name
        self._request = network.compiled(precision)

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """Upscale an image (H, W, 3) as a whole, or in tiles of the fixed size. Raises OutOfMemory, Cancelled or BadInput."""
        progress.check()
        if self._fixed is None:
            sides = [max(ceil(side / self._multiple_of) * self._multiple_of, SMALLEST) for side in image.shape[:2]]
            return self._padded(image, (sides[0], sides[1]))
        fixed, least = self._fixed, min(self._fixed)
        halo = min(_CONTEXT, least // 6)
        rule = Tiling("tiles", halo=halo, blend=min(_BLEND, halo // 2))
        plan = tiling.TilePlan((image.shape[0], image.shape[1]), rule, least - 2 * halo)
        return tiling.run(image, plan, self._scale, lambda tile, _: self._padded(tile, fixed), progress)

    def _padded(self, image: Image, size: tuple[int, int]) -> Image:
        """Run the network on an image that is padded to `size` by replicating its border, and crop the result."""
        height, width = image.shape[:2]
        padded = np.pad(image, ((0, size[0] - height), (0, size[1] - width), (0, 0)), "edge")
        result = self.run(padded)
        expected = (self._scale * size[0], self._scale * size[1], 3)
        if result.shape != expected:
            raise BadInput(f"{self._name} returns {result.shape[1]} x {result.shape[0]} pixels for {width} x {height}.")
        return readonly(np.ascontiguousarray(result[: self._scale * height, : self._scale * width]))

    def run(self, image: Image) -> Image:
        """Run the network once on an image (H, W, 3) of a size that it accepts; return its output without the batch axis."""
        try:
            # The output is copied, since OpenVINO writes the next result into the same memory.
            return np.array(self._request.infer([np.ascontiguousarray(image[None], np.float32)])[0][0])
        except RuntimeError as exc:
            if "alloc" in str(exc).lower():
                raise OutOfMemory from exc
            raise BadInput(f"{self._name} cannot be run on {image.shape[1]} x {image.shape[0]} pixels.") from exc


def choose_precision(requested: Precision, is_close: bool, name: str) -> str:
    """Return the precision to run in.

    Args:
        requested: The user's choice.
        is_close: Whether bf16 agrees with fp32.
        name: Name of the file, for the message.

    Raises:
        BadInput: The network cannot run in the requested precision.
    """
    if requested == "auto":
        return openvino_backend.fast_precision() if is_close else "fp32"
    if requested not in ("fp32", "bf16"):
        raise BadInput(f"{name} cannot run in {requested}. It can run in fp32 and bf16, or auto.")
    return requested


def _reason(exc: Exception) -> str:
    """Return the last informative line of OpenVINO's error message, truncated to a sentence."""
    lines = [line.strip(" -") for line in str(exc).splitlines() if line.strip(" -")]
    telling = next((line for line in lines if "operations" in line or "No conversion" in line), "")
    return f"{telling[:160]}." if telling else "it is damaged, or uses what OpenVINO does not know."
