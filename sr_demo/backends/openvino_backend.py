"""OpenVINO: networks converted once and run without torch.

On CPUs, OpenVINO runs convolutions faster than torch, accepts a different height and width in each call at no cost, and its
threads do not spin while another program computes. The layout is part of the converted model: inputs and clamped outputs are
(1, H, W, 3), so that no copy is needed.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np

from sr_demo.errors import OutOfMemory, StorageError
from sr_demo.image import Image, Pixels, readonly
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.system import integrity

# The converter reports its use to Intel over the network, from a fork of this process. The fork ends the threads of numpy's
# OpenBLAS, so that a matrix product in another thread waits for them forever. Without this package nothing is sent.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

MODEL = "model.xml"
"""File name of a converted network within its folder; its weights lie beside it in `model.bin`."""
_HINTS = {"fp32": "f32", "bf16": "bf16"}
_TRACED, _COMPARED = (24, 40), (45, 53)
"""Heights and widths on which a network is traced and then compared: unequal, so that the converter takes neither for a
constant, and odd, since a module that pads where a side is no multiple of something loses that while it is traced."""
_LARGEST_DIFFERENCE = 0.02
"""Between a network and its converted form, both in fp32: HAT and DRCT differ by 0.000001."""
_converting = Lock()


class ConversionError(Exception):
    """OpenVINO lacks an operation of a network, or would give other results."""


def available() -> bool:
    """Return whether OpenVINO is installed, without importing it."""
    return find_spec("openvino") is not None


def installed_version() -> str:
    """Return OpenVINO's version, empty when it is not installed."""
    try:
        return version("openvino")
    except PackageNotFoundError:
        return ""


@lru_cache
def processor() -> str:
    """Describe the hardware that timings depend on: CPU, instruction sets, limits by environment, number of cores."""
    lines: list[str] = []
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "flags", "Features")) and line not in lines:
                lines.append(line)
    except OSError:
        lines.append(platform.processor())
    limits = [f"{name}={os.environ.get(name, '')}" for name in ("ONEDNN_MAX_CPU_ISA", "OMP_NUM_THREADS")]
    return "\n".join([platform.machine(), *lines, *limits, str(os.cpu_count())])


@lru_cache
def core() -> Any:
    """Return the `openvino.Core` of this process."""
    import openvino

    return openvino.Core()


def supports_bf16() -> bool:
    """Return whether OpenVINO reports bf16 instructions for this CPU and the environment does not exclude them."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    if limit and limit not in ("DEFAULT", "ALL") and "AMX" not in limit and "BF16" not in limit:
        return False
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def fast_precision() -> Literal["bf16", "fp32"]:
    """Return the default precision on this CPU: "bf16" where it has instructions for it, else "fp32"."""
    return "bf16" if supports_bf16() else "fp32"


def write_checksums(folder: Path, model: str = MODEL) -> None:
    """Write the checksums of a complete network in `folder`. Raises OSError."""
    integrity.write_checksums(*_files(folder, model))


def is_intact(folder: Path, model: str = MODEL) -> bool:
    """Return whether the network in `folder` exists and its checksums match."""
    return integrity.is_intact(*_files(folder, model))


def _files(folder: Path, model: str) -> tuple[Path, Path]:
    return folder / model, (folder / model).with_suffix(".bin")


class ConvertedNetwork:
    """A converted network behind the `Upscaler` protocol. One call at a time."""

    backend = "OpenVINO"

    def __init__(
        self, folder: Path, precision: str, scale: int, *, model: str = MODEL, loss_db: float | None = None
    ) -> None:
        """Compile a converted network.

        Args:
            folder: Folder that `convert` wrote.
            precision: "fp32", "bf16", or "int8" for a quantized file, whose other layers run in `fast_precision`.
            scale: Scale factor of the network.
            model: File name within `folder`.
            loss_db: Loss of PSNR-Y in dB by int8 quantization.

        Raises:
            RuntimeError: The file is damaged.
        """
        self.precision = precision
        self.loss_db = loss_db
        self._scale = scale
        exact = fast_precision() if precision == "int8" else precision
        self._request = compiled(str(folder / model), exact).create_infer_request()

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """Run one forward pass. Raises OutOfMemory when it does not fit."""
        import openvino

        progress.check()
        height, width = image.shape[:2]
        # NaN where the network writes nothing, never the previous content of this memory, such as another image.
        out = np.full((1, height * self._scale, width * self._scale, 3), np.nan, np.float32)
        # OpenVINO shares only writeable memory and does not keep it alive: hence a copy, bound to a name.
        lr = np.array(image[None], np.float32, order="C")
        self._request.set_input_tensor(openvino.Tensor(lr, shared_memory=True))
        self._request.set_output_tensor(openvino.Tensor(out, shared_memory=True))
        try:
            self._request.infer()
        except RuntimeError as exc:
            # OpenVINO has one error type for everything; they differ in the name of the C++ exception in the text.
            if "alloc" not in str(exc).lower():
                raise
            raise OutOfMemory from exc
        return readonly(out[0])


def compiled(model: Any, precision: str) -> Any:
    """Compile a model, or the file of one, for this CPU. Raises RuntimeError."""
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and int(threads) > 0:
        settings["INFERENCE_NUM_THREADS"] = int(threads)
    return core().compile_model(model, "CPU", settings)


def convert(network: Any, folder: Path, *, any_size: bool = True) -> None:
    """Convert a network for `ConvertedNetwork`. Takes from a second to a minute, and imports torch.

    Args:
        network: An nn.Module in fp32, (1, 3, H, W) in and out.
        folder: Folder to write to; created if it does not exist.
        any_size: Whether the results must equal those of the network at odd sizes too. A benchmark runs one size.

    Raises:
        StorageError: The folder cannot be written.
        ConversionError: OpenVINO cannot run the network, or gives other results.
    """
    import copy
    import warnings

    import openvino
    import torch

    class ChannelsLast(torch.nn.Module):
        """The network from (1, H, W, 3) to (1, H * scale, W * scale, 3) in [0, 1]."""

        def __init__(self) -> None:
            super().__init__()
            self.network = copy.deepcopy(network).eval()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network(x.permute(0, 3, 1, 2)).clamp(0, 1).permute(0, 2, 3, 1)

    whole = ChannelsLast()
    example, other = (
        torch.rand(1, *size, 3, generator=torch.Generator().manual_seed(0)) for size in (_TRACED, _COMPARED)
    )
    with _logging_kept(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        shapes = [openvino.PartialShape([1, -1, -1, 3])]
        try:
            model = openvino.convert_model(whole, example_input=(example,), input=shapes)
            expected = whole(other.clone()).numpy()  # some networks change their input
        except Exception as exc:  # each part of the converter has classes of its own
            raise ConversionError(str(exc)) from exc
        if any_size:
            _compare(model, other.numpy(), expected)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        openvino.save_model(model, str(folder / MODEL), compress_to_fp16=False)
    except RuntimeError as exc:  # from a C++ stream, which does not report why it could not be written
        raise StorageError(
            f"A converted network cannot be written to {folder}: the disk is full or read-only."
        ) from exc
    write_checksums(folder)


def _compare(model: Any, image: Pixels, expected: Pixels) -> None:
    """Check that a converted model gives the `expected` result for an `image`. Raises ConversionError.

    The size is fixed for it: shapes that do not fit are found before anything runs. On one core OpenVINO does not report
    them when it runs: it writes no result, and the next network that it runs ends the process.
    """
    fixed = model.clone()
    try:
        fixed.reshape(image.shape)
        found = compiled(fixed, "fp32")(image)[0]
    except RuntimeError as exc:
        raise ConversionError(f"not at {image.shape}: {exc}") from exc
    if found.shape != expected.shape or not np.abs(found - expected).max() <= _LARGEST_DIFFERENCE:
        raise ConversionError(f"other results at {image.shape}")


@contextmanager
def _logging_kept() -> Generator[None]:
    """Allow one conversion at a time, and restore the log levels that the converter changes.

    The converter sets the root logger to errors only, for all threads. This would persist after a failure, or when two
    conversions overlap.
    """
    root, ours = logging.getLogger(), logging.getLogger("sr_demo")
    with _converting:
        outer, own = root.level, ours.level
        ours.setLevel(ours.getEffectiveLevel())
        try:
            yield
        finally:
            root.setLevel(outer)
            ours.setLevel(own)
