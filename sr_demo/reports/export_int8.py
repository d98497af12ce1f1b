"""int8 by post-training quantisation, with calibration pictures, and what it costs in PSNR."""

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

from sr_demo.errors import BadInput, MissingDependency
from sr_demo.image import Image
from sr_demo.metrics import psnr_y
from sr_demo.reports import portable_runner
from sr_demo.reports.evaluation import Pair, load_pair, small_version
from sr_demo.resize import shrink
from sr_demo.samples import SAMPLES

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Sample = tuple[Image, Image]
"""Small picture and truth, both (H, W, 3)."""
MOST_LOSS = 0.15
"""dB of PSNR-Y; a file that loses as much or more is not handed out."""
_CALIBRATION = ("coffee", "astronaut", "retina", "rocket", "hubble")
_SCORED = ("cat", "text", "cells", "brick")
"""Bundled photos that are scored where nobody brought pairs: none that calibrated."""
_CROP, _CROPS = 48, 2
"""Side of a calibration picture in LR pixels, and how many are cut along the diagonal of each photo."""
_SCORED_SIDE = 256
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
    """Convolutions that had to stay in fp32."""
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


def calibration(scale: int) -> list[NDArray[np.float32]]:
    """What the network will be shown, (1, 3, 48, 48) each: parts of bundled photos, shrunk `scale` times."""
    parts: list[NDArray[np.float32]] = []
    for sample in SAMPLES:
        if sample.id not in _CALIBRATION:
            continue
        image = sample.make()
        small = shrink(image[: image.shape[0] // scale * scale, : image.shape[1] // scale * scale], scale)
        for number in range(_CROPS):
            share = (number + 1) / (_CROPS + 1)
            top, left = (int((side - _CROP) * share) for side in small.shape[:2])
            part = small[top : top + _CROP, left : left + _CROP].transpose(2, 0, 1)[None]
            parts.append(np.ascontiguousarray(part, np.float32))
    return parts


def scored(pairs: Sequence[Pair], scale: int) -> Iterator[Sample]:
    """The given pairs; without any, the middles of four bundled photos."""
    for pair in pairs:
        small, truth = load_pair(pair, scale, None)
        yield small.rgb, truth
    if not pairs:
        from sr_demo.image import Picture

        for sample in SAMPLES:
            if sample.id in _SCORED:
                image = sample.make()
                top, left = (max((side - _SCORED_SIDE) // 2, 0) for side in image.shape[:2])
                middle = np.ascontiguousarray(image[top : top + _SCORED_SIDE, left : left + _SCORED_SIDE])
                small, truth = small_version(Picture(middle), scale, None)
                yield small.rgb, truth


def mean_psnr(run: Run, rule: dict[str, Any], samples: Sequence[Sample]) -> float:
    """Mean PSNR-Y of `run` over `samples`, tiled as the file's own rule says."""
    found = [psnr_y(portable_runner.enlarge(small, run, rule), truth) for small, truth in samples]
    return float(np.mean(found))


def steps(kind: str, path: Path, scale: int) -> Iterator[tuple[Callable[[Path], None], int, int]]:
    """Ways to quantise the file at `path`, boldest first: a writer, convolutions kept in fp32, convolutions there are.

    Kept are first none, then those next to the picture (the first and the last one), then also all that join
    what others computed (1 x 1), whose inputs have the widest range of values.
    """
    parts = calibration(scale)
    names, ones = (_onnx_convolutions if kind == "onnx" else _openvino_convolutions)(path)
    ends = {names[0], names[-1]}
    wider = ends | {names[1 % len(names)], names[-2 % len(names)]} | set(ones)
    quantise = _quantise_onnx if kind == "onnx" else _quantise_openvino
    for kept in dict.fromkeys((frozenset[str](), frozenset(ends), frozenset(wider))):
        if len(kept) < len(names):
            yield partial(quantise, path, parts, sorted(kept)), len(kept), len(names)


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


def _openvino_convolutions(path: Path) -> tuple[list[str], list[str]]:
    import openvino

    model = openvino.Core().read_model(str(path))
    found = [op for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"]
    ones = [op.get_friendly_name() for op in found if list(op.input(1).get_shape())[2:] == [1, 1]]
    return [op.get_friendly_name() for op in found], ones


def _quantise_openvino(path: Path, parts: list[NDArray[np.float32]], kept: list[str], out: Path) -> None:
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    model = openvino.Core().read_model(str(path))
    # Skips and sums stay in fp32: interpolating rounded levels alone costs RDN more than a decibel.
    ignored = nncf.IgnoredScope(names=kept, types=["Interpolate", "Add", "Concat"], validate=False)
    quantised: Any = nncf.quantize(
        model, nncf.Dataset(parts), preset=nncf.QuantizationPreset.MIXED, subset_size=len(parts), ignored_scope=ignored
    )
    openvino.save_model(quantised, str(out), compress_to_fp16=False)
