"""int8 for files that are handed out: which way to quantise, and what it costs in PSNR."""

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
from sr_demo.metrics.full_reference import psnr_y
from sr_demo.reports.evaluation import Pair, load_pair

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
MOST_LOSS = 0.15
"""dB of PSNR-Y; a file that loses as much or more is not handed out."""
_PACKAGES = {"onnx": "onnxruntime", "openvino": "nncf"}


@dataclass(frozen=True)
class Loss:
    """What quantisation cost, mean over the pairs; PSNR-Y in dB against the truth."""

    before: float
    after: float
    pairs: int
    where: str
    """Which pictures, in words."""
    kept: int
    """Convolutions that had to stay as they were."""
    of: int
    """Convolutions there are."""

    @property
    def decibels(self) -> float:
        """Before minus after."""
        return self.before - self.after


def check(kind: str) -> None:
    """Raises BadInput for formats that int8 is not written in, MissingDependency without the package for it."""
    package = _PACKAGES.get(kind)
    if package is None:
        raise BadInput(f"int8 is written as onnx or openvino, not as {kind}: choose --format onnx or openvino.")
    if find_spec(package) is None:
        raise MissingDependency(
            f"int8 in the format {kind} needs the package {package}. Install with: pip install -r requirements-export.txt"
        )


def scored(pairs: Sequence[Pair], scale: int) -> list[Sample]:
    """The given pairs; without any, the middles of four bundled photos."""
    given = [load_pair(pair, scale, None) for pair in pairs]
    return [Sample(small.rgb, truth) for small, truth in given] or quantization.photos(scale)


def mean_psnr(run: Run, rule: dict[str, Any], samples: Sequence[Sample]) -> float:
    """Mean PSNR-Y of `run` over `samples`, tiled as the file's own rule says."""
    found = [psnr_y(portable_runner.enlarge(small, run, rule), truth) for small, truth in samples]
    return float(np.mean(found))


def steps(kind: str, path: Path, scale: int) -> Iterator[tuple[Callable[[Path], None], int, int]]:
    """Ways to quantise the file at `path`, boldest first: a writer, convolutions kept in fp32, convolutions there are.

    Kept are first none, then those next to the picture (the first and the last one), then also all that join
    what others computed (1 x 1), whose inputs have the widest range of values.
    """
    parts = quantization.calibration(scale)
    if kind == "onnx":
        names, ones = _onnx_convolutions(path)
        quantize = _quantise_onnx
    else:
        known = quantization.operations(path)
        names, ones, quantize = known.convolutions, known.ones, _quantise_openvino
    ends = {names[0], names[-1]}
    wider = ends | {names[1 % len(names)], names[-2 % len(names)]} | set(ones)
    for kept in dict.fromkeys((frozenset[str](), frozenset(ends), frozenset(wider))):
        if len(kept) < len(names):
            yield partial(quantize, path, parts, sorted(kept)), len(kept), len(names)


def _onnx_convolutions(path: Path) -> tuple[list[str], list[str]]:
    """Names of all convolutions in order, and of those with 1 x 1 kernels."""
    import onnx

    graph = onnx.load(str(path)).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    found = [node for node in graph.node if node.op_type == "Conv"]
    ones = [node.name for node in found if shapes.get(node.input[1], ())[2:] == (1, 1)]
    return [node.name for node in found], ones


def _quantise_onnx(path: Path, parts: list[NDArray[np.float32]], kept: list[str], out: Path) -> None:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        """The calibration pictures, one after the other."""

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
    """onnxruntime recommends a preparation that has been done already."""
    return "pre-processing" not in record.getMessage()


def _quantise_openvino(path: Path, parts: list[NDArray[np.float32]], kept: list[str], out: Path) -> None:
    # Skips and sums stay in fp32: whoever gets the file may run it where int8 gains time in convolutions only.
    quantization.quantize(path, out, kept, parts, (quantization.INTERPOLATION, "Add", "Concat"))
