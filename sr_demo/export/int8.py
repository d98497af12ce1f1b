"""int8 for exported files: the choice of quantized convolutions, and the loss of PSNR-Y."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.backends import quantization
from sr_demo.backends.quantization import Sample
from sr_demo.errors import BadInput, MissingDependency
from sr_demo.export import portable_runner
from sr_demo.export.agreement import Run
from sr_demo.metrics.full_reference import psnr_y
from sr_demo.reports.evaluation import Pair, load_pair

MOST_LOSS = 0.15
"""Largest loss of PSNR-Y in dB with which a file is exported."""
_PACKAGES = {"onnx": "onnxruntime", "openvino": "nncf"}


@dataclass(frozen=True)
class QuantizationLoss:
    """Loss by quantization, as mean PSNR-Y in dB over the pairs."""

    before: float
    after: float
    pairs: int
    where: str
    """Description of the images."""
    kept: int
    """Number of convolutions that stay in fp32."""
    of: int
    """Number of all convolutions."""

    @property
    def decibels(self) -> float:
        """Loss of PSNR-Y in dB: before minus after quantization."""
        return self.before - self.after


def check(kind: str) -> None:
    """Raise BadInput for formats without int8, and MissingDependency when the package for it is not installed."""
    package = _PACKAGES.get(kind)
    if package is None:
        raise BadInput(f"int8 is available for onnx and openvino, not for {kind}: choose --format onnx or openvino.")
    if find_spec(package) is None:
        raise MissingDependency(
            f"int8 in the format {kind} needs the package {package}. Install with: pip install -r requirements-export.txt"
        )


def psnrs(run: Run, rule: dict[str, Any], pairs: Sequence[Pair]) -> list[float]:
    """Return the PSNR-Y of each result of `run`, tiled by the rule in the file's metadata.

    Args:
        run: The network.
        rule: The rule.
        pairs: Images to score on; the central parts of four bundled photos if it is empty.
    """
    samples = _samples(pairs, rule["scale"])
    return [psnr_y(portable_runner.enlarge(lr, run, rule), reference) for lr, reference in samples]


def _samples(pairs: Sequence[Pair], scale: int) -> Iterator[Sample]:
    """Yield the images to score on, one in memory at a time."""
    for pair in pairs:
        lr, reference = load_pair(pair, scale, None)
        yield Sample(lr.rgb, reference)
    if not pairs:
        yield from quantization.photos(scale)


def steps(kind: str, path: Path, scale: int) -> Iterator[tuple[Callable[[Path], None], int, int]]:
    """Yield the ways to quantize the file at `path`, from all convolutions to fewer.

    In the first way, no convolution stays in fp32; in the second, the first and the last one do; in the third, also their
    neighbours and all 1 x 1 convolutions, which combine the outputs of others and have the widest range of input values.

    Args:
        kind: "onnx" or "openvino".
        path: The fp32 file.
        scale: Scale factor of the network.

    Yields:
        A function that writes the quantized file, the number of convolutions kept in fp32, and their total number.
    """
    parts = quantization.calibration(scale)
    if kind == "onnx":
        names, ones = _onnx_convolutions(path)
        quantize = _quantize_onnx
    else:
        known = quantization.operations(path)
        names, ones, quantize = known.convolutions, known.ones, _quantize_openvino
    ends = {names[0], names[-1]}
    wider = ends | {names[1 % len(names)], names[-2 % len(names)]} | set(ones)
    for kept in dict.fromkeys((frozenset[str](), frozenset(ends), frozenset(wider))):
        if len(kept) < len(names):
            yield partial(quantize, path, parts, sorted(kept)), len(kept), len(names)


def _onnx_convolutions(path: Path) -> tuple[list[str], list[str]]:
    """Return the names of all convolutions in order, and of those with 1 x 1 kernels."""
    import onnx

    graph = onnx.load(str(path)).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    found = [node for node in graph.node if node.op_type == "Conv"]
    ones = [node.name for node in found if shapes.get(node.input[1], ())[2:] == (1, 1)]
    return [node.name for node in found], ones


def _quantize_onnx(path: Path, parts: list[NDArray[np.float32]], kept: list[str], out: Path) -> None:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        """Returns the calibration images one by one."""

        def __init__(self) -> None:
            self._left = iter(parts)

        def get_next(self) -> dict[str, Any]:
            part = next(self._left, None)
            return {} if part is None else {"lr": part}

    notes = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    logging.getLogger("root").addFilter(_no_advice)
    try:
        quantize_static(
            str(path), str(out), Reader(), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv"],
            nodes_to_exclude=kept, per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
    finally:
        logging.getLogger("root").removeFilter(_no_advice)
    model = onnx.load(str(out))
    onnx.helper.set_model_props(model, notes)
    onnx.save(model, str(out))


def _no_advice(record: logging.LogRecord) -> bool:
    """Drop onnxruntime's advice to run a preparation that has already been done."""
    return "pre-processing" not in record.getMessage()


def _quantize_openvino(path: Path, parts: list[NDArray[np.float32]], kept: list[str], out: Path) -> None:
    # Skip connections and sums stay in fp32, since int8 saves time only in convolutions on many CPUs.
    quantization.quantize(path, out, kept, parts, (quantization.INTERPOLATION, "Add", "Concat"))
