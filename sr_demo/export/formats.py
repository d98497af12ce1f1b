"""Writers of a network to each file format, and functions that run the file in the runtime of its format."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sr_demo.errors import MissingDependency, SRError
from sr_demo.export.agreement import Run

if TYPE_CHECKING:
    from sr_demo.export.exporter import Format

SMALLEST = 17
"""Smallest side in pixels that every exported file accepts; attention networks pad by reflection to windows of 16 pixels."""


class Portable(nn.Module):
    """A network with its padding, its precision and the clamp to [0, 1].

    Input and output are (1, 3, H, W) float32 in [0, 1], with any H and W from SMALLEST.
    """

    def __init__(self, network: nn.Module, scale: int, multiple_of: int, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network = network.to(dtype)
        self.scale, self.multiple_of, self.dtype = scale, multiple_of, dtype

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale (1, 3, H, W) in [0, 1] to (1, 3, H * scale, W * scale) in [0, 1], float32."""
        height, width = lr.shape[2], lr.shape[3]
        x = lr.to(self.dtype)
        if self.multiple_of > 1:
            x = F.pad(x, (0, -width % self.multiple_of, 0, -height % self.multiple_of), "reflect")
        x = self.network(x).float().clamp(0, 1)
        return x[:, :, : height * self.scale, : width * self.scale] if self.multiple_of > 1 else x


@dataclass(frozen=True)
class Writer:
    """Functions that write and open files of one format."""

    packages: tuple[str, ...]
    write: Callable[[Portable, Path, dict[str, str]], None]
    """Writes the network and its metadata."""
    open: Callable[[Path, Portable], Run]
    """Loads the file in the runtime of its format. The network is used for formats that hold only weights."""
    half_weights_only: bool = False
    """Whether fp16 applies to the stored weights only, while the file computes in fp32."""


def writer(kind: Format) -> Writer:
    """Return the writer of a format. Raises MissingDependency when its packages are not installed."""
    chosen = WRITERS[kind]
    missing = [name for name in chosen.packages if find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        needed = f"needs the package {names}" if len(missing) == 1 else f"needs the packages {names}"
        raise MissingDependency(f"Exporting to {kind} {needed}. Install with: pip install -r requirements-export.txt")
    return chosen


def halved(network: Portable) -> Portable:
    """Return a copy that computes in fp16; input and output stay fp32."""
    return Portable(copy.deepcopy(network.network), network.scale, network.multiple_of, torch.float16).eval()


@contextmanager
def _quiet() -> Generator[None]:
    """Hide the warnings of exporters, since running the file decides whether an export succeeded."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        yield


def _example(network: Portable) -> Tensor:
    # Two different sides, neither a power of two, so that no exporter treats a size as a constant.
    return torch.linspace(0, 1, 3 * 40 * 56).view(1, 3, 40, 56)


def _write_onnx(network: Portable, path: Path, notes: dict[str, str]) -> None:
    import onnx

    sides = {2: torch.export.Dim("height", min=SMALLEST), 3: torch.export.Dim("width", min=SMALLEST)}
    try:
        with _quiet():
            program: Any = torch.onnx.export(
                network,
                (_example(network),),
                dynamo=True,
                input_names=["lr"],
                output_names=["sr"],
                dynamic_shapes={"lr": sides},
                optimize=True,
                verbose=False,
            )
            program.save(str(path), external_data=False)
    except torch.onnx.errors.OnnxExporterError as exc:
        raise SRError(
            f"This network cannot be written as ONNX with variable height and width: {_first_line(exc)} "
            "Choose --format torchscript or safetensors."
        ) from exc
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, notes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _open_onnx(path: Path, network: Portable) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda x: np.asarray(session.run(None, {"lr": x})[0], np.float32)


def _write_openvino(network: Portable, path: Path, notes: dict[str, str]) -> None:
    import openvino

    intermediate = path.with_suffix(".between.onnx")
    _write_onnx(network, intermediate, notes)
    model = openvino.Core().read_model(str(intermediate))
    for key, value in notes.items():
        model.set_rt_info(value, ["sr_demo", key])
    openvino.save_model(model, str(path), compress_to_fp16=notes["precision"] == "fp16")
    intermediate.unlink()


def _open_openvino(path: Path, network: Portable) -> Run:
    import openvino

    # Without this hint, some processors compute in bf16.
    compiled: Any = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: np.asarray(compiled(x)[0], np.float32)


def _write_torchscript(network: Portable, path: Path, notes: dict[str, str]) -> None:
    with _quiet():
        traced: Any = torch.jit.trace(network, (_example(network),), check_trace=False)
        torch.jit.save(traced, str(path), _extra_files={"sr_demo.json": json.dumps(notes)})


def _open_torchscript(path: Path, network: Portable) -> Run:
    with _quiet():
        return torch_run(torch.jit.load(str(path)))


def _write_safetensors(network: Portable, path: Path, notes: dict[str, str]) -> None:
    from safetensors.torch import save_file

    state = {name: value.contiguous().clone() for name, value in network.network.state_dict().items()}
    save_file(state, str(path), metadata=notes)


def _open_safetensors(path: Path, network: Portable) -> Run:
    from safetensors.torch import load_file

    empty = copy.deepcopy(network.network)
    empty.load_state_dict(load_file(str(path)), strict=True)
    return torch_run(Portable(empty, network.scale, network.multiple_of, network.dtype).eval())


def torch_run(network: Callable[[Tensor], Tensor]) -> Run:
    """Return `network` as a function of arrays, on the CPU."""

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with _quiet():
            return network(torch.tensor(x)).float().numpy()  # a copy: some networks change their input

    return run


def _first_line(exc: BaseException) -> str:
    return " ".join(str(exc).split("\n", 1)[0].split())[:200]


WRITERS: dict[Format, Writer] = {
    "onnx": Writer(("onnx", "onnxscript", "onnxruntime"), _write_onnx, _open_onnx),
    "openvino": Writer(("onnx", "onnxscript", "openvino"), _write_openvino, _open_openvino, half_weights_only=True),
    "torchscript": Writer((), _write_torchscript, _open_torchscript),
    "safetensors": Writer((), _write_safetensors, _open_safetensors),
}
