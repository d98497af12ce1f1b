"""int8 by post-training quantisation of a converted network, for files that are handed out and for networks run here.

Calibrated and scored on parts of the bundled photos, never on the same ones. Quantising needs the package nncf; it reads
torch in, prints its own bars and cannot be interrupted, so where somebody waits it runs in a process of its own.
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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import MissingDependency, SRError
from sr_demo.image import Image
from sr_demo.imaging.resize import crop_to_multiple, downscale
from sr_demo.imaging.samples import SAMPLES
from sr_demo.progress import SILENT, Progress

log = logging.getLogger("sr_demo")

Sample = tuple[Image, Image]
"""Small picture and truth, both (H, W, 3)."""
INTERPOLATION = "Interpolate"
"""The kind of operation that never runs in int8: interpolating rounded levels alone costs RDN more than a decibel."""
INSTALL = {"nncf": "pip install -r requirements-export.txt", "openvino": "pip install -r requirements.txt"}
_CALIBRATION = ("coffee", "astronaut", "retina", "rocket", "hubble")
_SCORED = ("cat", "text", "cells", "brick")
"""Bundled photos that are scored where nobody brought pairs: none that calibrated."""
_CROP, _CROPS = 48, 2
"""Side of a calibration picture in LR pixels, and how many are cut along the diagonal of each photo."""
_SCORED_SIDE = 256
_SEEN = b"a picture was seen\n"
_MOST_SAID = 65_536
"""Bytes of what the process says that are looked through for that."""


def missing() -> str:
    """The package that is not installed, "openvino" or "nncf"; empty where networks can be quantised."""
    return next((package for package in ("openvino", "nncf") if find_spec(package) is None), "")


def require() -> None:
    """Raise MissingDependency, naming the command, where networks cannot be quantised."""
    if package := missing():
        raise MissingDependency(f"int8 needs the package {package}. Install with: {INSTALL[package]}")


def calibration(scale: int) -> list[NDArray[np.float32]]:
    """What the network will be shown, (1, 3, 48, 48) each: parts of bundled photos, shrunk `scale` times."""
    parts: list[NDArray[np.float32]] = []
    for sample in SAMPLES:
        if sample.id not in _CALIBRATION:
            continue
        small = downscale(crop_to_multiple(sample.make(), scale), scale)
        for number in range(_CROPS):
            share = (number + 1) / (_CROPS + 1)
            top, left = (int((side - _CROP) * share) for side in small.shape[:2])
            part = small[top : top + _CROP, left : left + _CROP].transpose(2, 0, 1)[None]
            parts.append(np.ascontiguousarray(part, np.float32))
    return parts


def photos(scale: int) -> list[Sample]:
    """The middles of four bundled photos, 256 x 256, and the same shrunk."""
    found: list[Sample] = []
    for sample in SAMPLES:
        if sample.id in _SCORED:
            image = sample.make()
            top, left = (max((side - _SCORED_SIDE) // 2, 0) for side in image.shape[:2])
            middle = np.ascontiguousarray(image[top : top + _SCORED_SIDE, left : left + _SCORED_SIDE])
            truth = crop_to_multiple(middle, scale)
            found.append((downscale(truth, scale), truth))
    return found


@dataclass(frozen=True)
class Operations:
    """Names of what an OpenVINO file computes, in order."""

    convolutions: tuple[str, ...]
    ones: tuple[str, ...]
    """Convolutions with 1 x 1 kernels."""
    sums: tuple[str, ...]
    """Additions of two things that are both computed: skips, and what is added to the enlarged input."""
    order: Mapping[str, int]
    plain: frozenset[str] = frozenset()
    """All that comes before the first convolution, or beside all of them: the enlarged input."""

    def after(self, name: str) -> frozenset[str]:
        """The sums that come after an operation."""
        return frozenset(found for found in self.sums if self.order[found] > self.order[name])


def operations(model: Path) -> Operations:
    """What the OpenVINO file `model` computes. Raises RuntimeError on a damaged file."""
    import openvino

    found = openvino.Core().read_model(str(model)).get_ordered_ops()
    convolutions = [op for op in found if op.get_type_name() == "Convolution"]
    sums = [
        op
        for op in found
        if op.get_type_name() == "Add"
        and all(op.input_value(i).get_node().get_type_name() != "Constant" for i in range(2))
    ]
    return Operations(
        convolutions=tuple(op.get_friendly_name() for op in convolutions),
        ones=tuple(op.get_friendly_name() for op in convolutions if list(op.input(1).get_shape())[2:] == [1, 1]),
        sums=tuple(op.get_friendly_name() for op in sums),
        order={op.get_friendly_name(): number for number, op in enumerate(found)},
        plain=frozenset(op.get_friendly_name() for op in found) - _drawn(found),
    )


def _drawn(ordered: Sequence[Any]) -> frozenset[str]:
    """Names of the operations that are convolutions or depend on one."""
    names: set[str] = set()
    for op in ordered:
        before = (op.input_value(i).get_node().get_friendly_name() for i in range(op.get_input_size()))
        if op.get_type_name() == "Convolution" or any(name in names for name in before):
            names.add(op.get_friendly_name())
    return frozenset(names)


def ways(known: Operations) -> list[frozenset[str]]:
    """What can be left out of int8 where speed counts, fastest choice first: names of operations.

    Left out always are the convolutions next to the picture, which gain no time and cost SRResNet 0.15 dB on Set5, the
    enlarged input, and what is added to it. Then come: the end of the long skip; instead all sums; and also all that join
    what others computed.
    """
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
    """Write the OpenVINO file `model` to `out` in int8, in this process, all but the operations `left` and those of `kinds`.

    `parts`, (1, 3, H, W) each, calibrate it; `seen` is called for each. Imports nncf, and with it torch.
    """
    # By default it tells its maker over the network that it is used, unless it believes to be under test.
    os.environ.setdefault("NNCF_CI", "1")
    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.ERROR)  # set_log_level would also set handlers of others
    read = openvino.Core().read_model(str(model))
    colours_last = read.input(0).get_partial_shape()[1].is_dynamic

    def prepared(part: NDArray[np.float32]) -> NDArray[np.float32]:
        seen()
        return np.ascontiguousarray(part.transpose(0, 2, 3, 1)) if colours_last else part

    ignored = nncf.IgnoredScope(names=sorted(left), types=list(kinds), validate=False)
    quantised: Any = nncf.quantize(
        read, nncf.Dataset(parts, prepared), preset=nncf.QuantizationPreset.MIXED, subset_size=len(parts),
        ignored_scope=ignored,
    )  # fmt: skip
    openvino.save_model(quantised, str(out), compress_to_fp16=False)


def quantize_in_subprocess(
    model: Path, out: Path, left: Iterable[str], scale: int, progress: Progress = SILENT
) -> None:
    """`quantize` with our calibration in a process of its own, which Stop ends at once.

    Raises Cancelled; SRError when that process fails, whose last words are in the log.
    """
    asked = json.dumps({"model": str(model), "out": str(out), "left": sorted(left), "scale": scale})
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [sys.executable, "-m", "sr_demo.backends.quantization", asked], cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
        ) as process,
    ):  # fmt: skip
        try:
            while process.poll() is None:
                seen = os.pread(said.fileno(), _MOST_SAID, 0).count(_SEEN)
                progress(0.8 * seen / (_CROPS * len(_CALIBRATION)), "quantising, once for this network")
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
        finally:
            process.kill()  # nothing, where it has ended by itself
        said.seek(0)
        last = said.read()[-2000:].decode(errors="replace")
    if process.returncode:
        log.warning("a network could not be quantised (%s): %s", process.returncode, last)
        raise SRError(
            "This network could not be turned into int8: the process that does it ended early, and the log of this "
            "program says why. Choose another precision."
        )
    progress(1.0)


def _main(asked: dict[str, Any]) -> None:
    """What the process of its own does."""
    parts = calibration(asked["scale"])
    quantize(Path(asked["model"]), Path(asked["out"]), asked["left"], parts, seen=lambda: os.write(1, _SEEN))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
