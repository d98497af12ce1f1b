"""Post-training quantization of converted networks to int8, for exported files and for networks run here.

Networks are calibrated and scored on different bundled photos. Quantization needs the package nncf, which imports torch,
prints progress bars and cannot be interrupted; it runs in a subprocess when a user waits for it.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import MissingDependency, SRError
from sr_demo.image import Image
from sr_demo.imaging.resize import crop_to_multiple, downscale
from sr_demo.imaging.samples import SAMPLES
from sr_demo.progress import SILENT, Progress

log = logging.getLogger("sr_demo")


class Sample(NamedTuple):
    """An LR-HR pair to score with."""

    lr: Image
    hr: Image
    """The reference, of the size of the result for `lr`."""


INTERPOLATION = "Interpolate"
"""The operation type that never runs in int8: interpolation of quantized values alone costs RDN more than 1 dB."""
INSTALL = {"nncf": "pip install -r requirements-export.txt", "openvino": "pip install -r requirements.txt"}
_AROUND_ATTENTION = frozenset({"Add", "Concat", "Gather", "Multiply", "MVN", "Softmax"})
"""Operation types in a network with attention that could run in int8, besides convolutions and linear layers."""
_CALIBRATION = ("coffee", "astronaut", "retina", "rocket", "hubble")
_SCORED = ("cat", "text", "cells", "brick")
"""Bundled photos to score on if the user gives no pairs; none of them is used for calibration."""
_CROP, CROPS, MORE_CROPS = 48, 2, 4
"""Side of a calibration patch in LR pixels, and the number of patches along the diagonal of each photo: `CROPS` when a user
waits, `MORE_CROPS` for the networks that ship."""
_SCORED_SIDE = 256
_SEEN = b"a calibration patch was read\n"
"""Line that the subprocess prints for each calibration patch; the parent counts these lines."""
_MOST_READ = 65_536
"""Largest number of bytes of the subprocess's output in which these lines are counted."""


def missing() -> str:
    """Return the missing package, "openvino" or "nncf"; empty if networks can be quantized."""
    return next((package for package in ("openvino", "nncf") if find_spec(package) is None), "")


def require() -> None:
    """Raise MissingDependency, with the command that installs the package, if networks cannot be quantized."""
    if package := missing():
        raise MissingDependency(f"int8 needs the package {package}. Install with: {INSTALL[package]}")


def calibration(scale: int, crops: int = CROPS) -> list[NDArray[np.float32]]:
    """Return the calibration set: `crops` patches (1, 3, 48, 48) of each bundled photo, downscaled by `scale`."""
    parts: list[NDArray[np.float32]] = []
    for sample in SAMPLES:
        if sample.id not in _CALIBRATION:
            continue
        lr = downscale(crop_to_multiple(sample.make(), scale), scale)
        for number in range(crops):
            share = (number + 1) / (crops + 1)
            top, left = (int((side - _CROP) * share) for side in lr.shape[:2])
            part = lr[top : top + _CROP, left : left + _CROP].transpose(2, 0, 1)[None]
            parts.append(np.ascontiguousarray(part, np.float32))
    return parts


def photos(scale: int) -> list[Sample]:
    """Return the central 256 x 256 pixels of four bundled photos, with their LR versions."""
    found: list[Sample] = []
    for sample in SAMPLES:
        if sample.id in _SCORED:
            image = sample.make()
            top, left = (max((side - _SCORED_SIDE) // 2, 0) for side in image.shape[:2])
            middle = np.ascontiguousarray(image[top : top + _SCORED_SIDE, left : left + _SCORED_SIDE])
            hr = crop_to_multiple(middle, scale)
            found.append(Sample(downscale(hr, scale), hr))
    return found


@dataclass(frozen=True)
class Operations:
    """Names of the operations in an OpenVINO file, in order of execution."""

    convolutions: tuple[str, ...]
    ones: tuple[str, ...]
    """Convolutions with 1 x 1 kernels."""
    sums: tuple[str, ...]
    """Additions of two computed tensors: skip connections, and the residual added to the upscaled input."""
    order: Mapping[str, int]
    """Position of each operation."""
    plain: frozenset[str] = frozenset()
    """Operations that depend on no convolution: preprocessing of the input, and its interpolation for the residual."""
    ends: frozenset[str] = frozenset()
    """Convolutions whose result is directly added to another computed tensor: they end a group of blocks."""
    linears: tuple[str, ...] = ()
    """Linear layers: products of a computed tensor with weights."""
    attention: frozenset[str] = frozenset()
    """Operations in a network with attention that could run in int8, besides convolutions and linear layers: products of two
    computed tensors, softmax, sums and the like."""
    last_attention: str = ""
    """The last softmax; "" in a network without attention."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Convolutions and linear layers, the operations that int8 makes faster."""
        return self.convolutions + self.linears

    def after(self, name: str) -> frozenset[str]:
        """Return the sums after an operation in the order of execution."""
        return frozenset(found for found in self.sums if self.order[found] > self.order[name])


def operations(model: Path) -> Operations:
    """Return the operations of the OpenVINO file `model`. Raises RuntimeError on a damaged file."""
    import openvino

    found = openvino.Core().read_model(str(model)).get_ordered_ops()
    convolutions = [op for op in found if op.get_type_name() == "Convolution"]
    sums = [
        op
        for op in found
        if op.get_type_name() == "Add"
        and all(op.input_value(i).get_node().get_type_name() != "Constant" for i in range(2))
    ]
    products = [op for op in found if op.get_type_name() == "MatMul"]
    linears = [op for op in products if _is_weight(op.input_value(1).get_node())]
    softmaxes = [op for op in found if op.get_type_name() == "Softmax"]
    around = [op for op in found if op.get_type_name() in _AROUND_ATTENTION or (op in products and op not in linears)]
    return Operations(
        convolutions=tuple(op.get_friendly_name() for op in convolutions),
        ones=tuple(op.get_friendly_name() for op in convolutions if list(op.input(1).get_shape())[2:] == [1, 1]),
        sums=tuple(op.get_friendly_name() for op in sums),
        order={op.get_friendly_name(): number for number, op in enumerate(found)},
        plain=frozenset(op.get_friendly_name() for op in found) - _convolved(found),
        ends=frozenset(op.get_friendly_name() for op in convolutions if _goes_into_sum(op)),
        linears=tuple(op.get_friendly_name() for op in linears),
        attention=frozenset(op.get_friendly_name() for op in around) if softmaxes else frozenset(),
        last_attention=softmaxes[-1].get_friendly_name() if softmaxes else "",
    )


def _goes_into_sum(op: Any) -> bool:
    """Return whether a result is added to another computed tensor, possibly after a bias or a change of layout."""
    for use in (target.get_node() for output in op.outputs() for target in output.get_target_inputs()):
        kind = use.get_type_name()
        if kind == "Add" and not any(_is_weight(use.input_value(i).get_node()) for i in range(2)):
            return True
        if kind in ("Add", "Reshape", "Transpose") and _goes_into_sum(use):
            return True
    return False


def _is_weight(node: Any) -> bool:
    """Return whether a tensor is constant, possibly converted, transposed or reshaped."""
    while node.get_type_name() in ("Convert", "Transpose", "Reshape"):
        node = node.input_value(0).get_node()
    return node.get_type_name() == "Constant"


def _attention_ways(known: Operations) -> list[frozenset[str]]:
    """Return the sets of operations to leave out of int8 in a network with attention, fastest first.

    All sets contain the operations that are neither convolutions nor linear layers; the first convolution, and those after
    the last attention, which cost HAT 0.4 dB in int8; and 1 x 1 convolutions, which weight channels and save no time. The
    second set adds the convolutions that end a group of blocks. The third adds all convolutions, which leaves the linear
    layers in int8; these lose least.
    """
    behind = {name for name in known.convolutions if known.order[name] > known.order[known.last_attention]}
    outside = known.attention | behind | {known.convolutions[0], *known.ones}
    return [outside, outside | known.ends, outside | set(known.convolutions)]


def _convolved(ordered: Sequence[Any]) -> frozenset[str]:
    """Return the names of the operations that are convolutions or depend on one."""
    names: set[str] = set()
    for op in ordered:
        before = (op.input_value(i).get_node().get_friendly_name() for i in range(op.get_input_size()))
        if op.get_type_name() == "Convolution" or any(name in names for name in before):
            names.add(op.get_friendly_name())
    return frozenset(names)


def exclusion_sets(known: Operations) -> list[frozenset[str]]:
    """Return the sets of operations to leave out of int8, fastest first.

    All sets contain the first and last convolution, which save no time and cost SRResNet 0.15 dB on Set5; the interpolated
    input; and the addition to it. The second set adds the end of the long skip connection. The third adds all sums instead.
    The fourth adds to the third the convolutions that fuse the outputs of others. For networks with attention, see
    `_attention_ways`.
    """
    if known.last_attention:
        return _attention_ways(known)
    names = known.convolutions
    first, last, end = names[0], names[-1], names[-2 % len(names)]
    outside = known.after(last) | {first, last} | known.plain
    still = outside | set(known.sums)
    found = (outside, outside | known.after(end) | {end}, still, still | {names[1 % len(names)], end, *known.ones})
    usable = [left for left in dict.fromkeys(map(frozenset, found)) if not left.issuperset(names)]
    return usable or [known.after(last) | known.plain]


def quantize(
    model: Path,
    out: Path,
    left: Iterable[str],
    parts: Sequence[NDArray[np.float32]],
    kinds: Sequence[str] = (INTERPOLATION,),
    seen: Callable[[], object] = int,
) -> None:
    """Quantize an OpenVINO file to int8, in this process. Imports nncf, and with it torch.

    Args:
        model: The file in fp32.
        out: The quantized file to write.
        left: Names of operations to leave out.
        parts: The calibration set, (1, 3, H, W) each, in [0, 1].
        kinds: Types of operations to leave out.
        seen: Called for each calibration patch.
    """
    # By default nncf reports its use over the network, unless it detects that it is under test.
    os.environ.setdefault("NNCF_CI", "1")
    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.ERROR)  # set_log_level would also change the handlers of other packages
    read = openvino.Core().read_model(str(model))
    colours_last = read.input(0).get_partial_shape()[1].is_dynamic

    def prepared(part: NDArray[np.float32]) -> NDArray[np.float32]:
        seen()
        return np.ascontiguousarray(part.transpose(0, 2, 3, 1)) if colours_last else part

    ignored = nncf.IgnoredScope(names=sorted(left), types=list(kinds), validate=False)
    quantized: Any = nncf.quantize(
        read, nncf.Dataset(parts, prepared), preset=nncf.QuantizationPreset.MIXED, subset_size=len(parts),
        ignored_scope=ignored,
    )  # fmt: skip
    openvino.save_model(quantized, str(out), compress_to_fp16=False)


def quantize_in_subprocess(
    model: Path, out: Path, left: Iterable[str], scale: int, progress: Progress = SILENT, crops: int = CROPS
) -> None:
    """Run `quantize` with our calibration set in a subprocess, which Stop ends at once.

    Args:
        model: The OpenVINO file in fp32.
        out: The quantized file to write.
        left: Names of operations to leave out.
        scale: Scale factor of the network.
        progress: Receives the progress.
        crops: Calibration patches of each photo.

    Raises:
        Cancelled: Stop was pressed.
        SRError: The subprocess failed; the end of its output is in the log.
    """
    order = json.dumps({"model": str(model), "out": str(out), "left": sorted(left), "scale": scale, "crops": crops})
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            [sys.executable, "-m", "sr_demo.backends.quantization", order], cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        ) as process,
    ):  # fmt: skip
        try:
            while process.poll() is None:
                seen = os.pread(output.fileno(), _MOST_READ, 0).count(_SEEN)
                progress(0.8 * seen / (crops * len(_CALIBRATION)), "quantizing, once for this network")
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
        finally:
            process.kill()  # no effect if it has ended
        output.seek(0)
        last = output.read()[-2000:].decode(errors="replace")
    if process.returncode:
        log.warning("a network could not be quantized (%s): %s", process.returncode, last)
        raise SRError(
            "This network could not be turned into int8: the process that does it ended early, and the log of this "
            "program has the reason. Choose another precision."
        )
    progress(1.0)


def _main(order: dict[str, Any]) -> None:
    """Run `quantize` in the subprocess."""
    parts = calibration(order["scale"], order["crops"])
    quantize(Path(order["model"]), Path(order["out"]), order["left"], parts, seen=lambda: os.write(1, _SEEN))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
