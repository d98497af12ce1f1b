"""Graph files: converted networks without the tensors of their weight files, small enough to ship.

A converted network is a graph (`NAME.xml`) and its constants (`NAME.bin`). Most constants are tensors of the weight file,
copied or quantized to int8. A graph file refers to these by name and stores only the rest: biases and quantization steps.
The first network in a graph file also serves as a weight file for the others, so that folded weights are stored once.
`unpack` restores a network byte for byte, in about a tenth of a second and without torch.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import SRError

Tensors = Mapping[str, NDArray[np.floating]]
"""The tensors of a weight file by name."""
_LEAST_BYTES = 256
"""Size below which constants are stored, since a reference to a tensor would take as much space."""
_MOST_ROUNDED_OTHERWISE = 0.01
"""Largest share of a tensor's values that we may round differently; nncf computes in float32, which affects up to 0.2 %."""
_DATE = (1980, 1, 1, 0, 0, 0)
"""Date of every entry of a graph file, so that the same content gives the same file."""


@dataclass(frozen=True)
class _Constant:
    """A constant of a graph, as its XML describes it."""

    at: int
    """Offset in the file of constants, in bytes."""
    size: int
    kind: str
    """Element type: "f32", "i8" and others."""
    shape: tuple[int, ...]
    steps: int | None = None
    """For "i8": offset of the float32 steps, one for each output channel; None if the constant has no steps."""


@dataclass(frozen=True)
class _Part:
    """A range of the file of constants that is computed from a tensor."""

    at: int
    tensor: str
    steps: int | None
    """Offset of the float32 steps that the tensor is divided by, one for each output channel; None for a copy."""


def read_tensors(file: Path) -> Tensors:
    """Read the tensors of a safetensors file. Raises OSError, and SRError for a file of another format."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(file)
    except SafetensorError as exc:
        raise SRError(f"{file.name} is not a safetensors file, so no graph file belongs to it.") from exc


def pack(file: Path, folder: Path, names: Sequence[str], tensors: Tensors) -> int:
    """Write a graph file.

    Args:
        file: The graph file.
        folder: Folder of the converted networks.
        names: Their file names without suffix; the constants of the first network are shared with the others.
        tensors: Tensors of the weight file.

    Returns:
        Number of bytes of constants that are stored, since they cannot be computed from `tensors`.
    """
    stored, first = 0, names[0]
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            graph, constants = ((folder / name).with_suffix(suffix).read_bytes() for suffix in (".xml", ".bin"))
            parts = _parts(_constants(graph), constants, tensors)
            rest = _rest(constants, parts, tensors)
            stored += len(rest)
            restored = _assembled(len(constants), parts, rest, tensors)
            head = {
                "bytes": len(restored),
                "sha256": hashlib.sha256(restored).hexdigest(),
                "parts": [asdict(part) for part in parts],
            }
            if name == first:
                tensors = {**tensors, **_as_tensors(graph, restored, first)}
            else:
                head["beside"] = first
            for suffix, content in ((".xml", graph), (".json", json.dumps(head).encode()), (".rest", rest)):
                entry = zipfile.ZipInfo(name + suffix, _DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, content, compresslevel=9)
    return stored


def unpack(file: Path, tensors: Tensors, name: str, folder: Path) -> None:
    """Write one converted network of a graph file: `name`.xml and `name`.bin in `folder`.

    Raises:
        OSError: The folder cannot be written.
        SRError: The graph file is damaged or belongs to other weights.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
            graph, constants = _restored(archive, name, tensors)
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError, ElementTree.ParseError) as exc:
        raise SRError(f"The graph file {file} is damaged or belongs to other weights. Install the app again.") from exc
    (folder / f"{name}.bin").write_bytes(constants)
    (folder / f"{name}.xml").write_bytes(graph)


def _restored(archive: zipfile.ZipFile, name: str, tensors: Tensors) -> tuple[bytes, bytes]:
    """Return the graph and the constants of a network. Raises ValueError when their checksum is wrong."""
    graph, rest = archive.read(f"{name}.xml"), archive.read(f"{name}.rest")
    head = json.loads(archive.read(f"{name}.json"))
    if first := head.get("beside"):
        tensors = {**tensors, **_as_tensors(*_restored(archive, first, tensors), first)}
    constants = _assembled(head["bytes"], [_Part(**part) for part in head["parts"]], rest, tensors)
    if hashlib.sha256(constants).hexdigest() != head["sha256"]:
        raise ValueError(f"the constants of {name} are others")
    return graph, constants


def _as_tensors(graph: bytes, content: bytes, name: str) -> Tensors:
    """Return the float32 constants of the network `name`, with keys of the form `name@offset`."""
    return {
        f"{name}@{one.at}": np.frombuffer(content, np.float32, one.size // 4, one.at).reshape(one.shape)
        for one in _constants(graph)
        if one.kind == "f32" and one.size >= _LEAST_BYTES
    }


def _constants(graph: bytes) -> list[_Constant]:
    """Return the constants of a graph in the order of their offsets, each range once."""
    root = ElementTree.fromstring(graph)
    layers = {layer.attrib["id"]: layer for layer in root.iter("layer")}
    after: dict[str, list[str]] = {}
    before: dict[str, list[str]] = {}
    for edge in root.iter("edge"):
        after.setdefault(edge.attrib["from-layer"], []).append(edge.attrib["to-layer"])
        before.setdefault(edge.attrib["to-layer"], []).append(edge.attrib["from-layer"])

    def data(layer: str) -> Mapping[str, str]:
        found = layers[layer].find("data")
        return {} if found is None else found.attrib

    def steps(layer: str) -> int | None:
        """Follow constant -> Convert -> Multiply, and return the offset of the other factor."""
        (converted,) = after[layer]
        (product,) = after[converted]
        if [layers[name].attrib["type"] for name in (converted, product)] != ["Convert", "Multiply"]:
            return None
        other = next(name for name in before[product] if name != converted)
        return int(data(other)["offset"])

    found: dict[int, _Constant] = {}
    for name, layer in layers.items():
        if layer.attrib["type"] == "Const":
            entry = data(name)
            at, kind = int(entry["offset"]), entry["element_type"]
            shape = tuple(int(side) for side in entry["shape"].split(",") if side)
            found[at] = _Constant(at, int(entry["size"]), kind, shape, steps(name) if kind == "i8" else None)
    return sorted(found.values(), key=lambda constant: constant.at)


def _parts(constants: Sequence[_Constant], content: bytes, tensors: Tensors) -> list[_Part]:
    """Return the constants that can be computed from tensors."""
    plain = {np.asarray(value, np.float32).tobytes(): name for name, value in tensors.items()}
    parts: list[_Part] = []
    for constant in constants:
        value = content[constant.at : constant.at + constant.size]
        if constant.size < _LEAST_BYTES:
            continue
        if constant.kind == "f32" and value in plain:
            parts.append(_Part(constant.at, plain[value], None))
        elif constant.kind == "i8" and constant.steps is not None:
            steps = np.frombuffer(content, np.float32, constant.shape[0], constant.steps)
            for name, tensor in tensors.items():
                if tensor.shape == constant.shape and _is_quantized(np.frombuffer(value, np.int8), tensor, steps):
                    parts.append(_Part(constant.at, name, constant.steps))
                    break
    return parts


def _levels(tensor: NDArray[np.floating], steps: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return a tensor (C, ...) in units of the `steps` (C,) of its channels, rounded to the nearest of -127 .. 127."""
    scaled = np.asarray(tensor, np.float64) / steps.astype(np.float64).reshape(-1, *[1] * (tensor.ndim - 1))
    return np.clip(np.rint(scaled), -127, 127).astype(np.int8)


def _is_quantized(levels: NDArray[np.int8], tensor: NDArray[np.floating], steps: NDArray[np.float32]) -> bool:
    """Return whether `levels` are the quantized tensor, apart from a few values that were rounded to a neighbouring level."""
    off = np.abs(levels.astype(np.int16) - _levels(tensor, steps).ravel())
    return off.max() <= 1 and off.mean() < _MOST_ROUNDED_OTHERWISE


def _size(part: _Part, tensors: Tensors) -> int:
    return tensors[part.tensor].size * (4 if part.steps is None else 1)


def _rest(content: bytes, parts: Sequence[_Part], tensors: Tensors) -> bytes:
    """Return the bytes of `content` outside the parts."""
    ranges: list[bytes] = []
    end = 0
    for part in parts:
        ranges.append(content[end : part.at])
        end = part.at + _size(part, tensors)
    return b"".join([*ranges, content[end:]])


def _assembled(size: int, parts: Sequence[_Part], rest: bytes, tensors: Tensors) -> bytes:
    """Undo `_rest`. Raises KeyError or ValueError for other tensors than those that `_rest` was called with."""
    content, end, read = bytearray(size), 0, 0
    for part in parts:
        gap = part.at - end
        content[end : part.at] = rest[read : read + gap]
        end, read = part.at + _size(part, tensors), read + gap
    content[end:] = rest[read:]
    for part in parts:  # the steps are in place now
        tensor = tensors[part.tensor]
        if part.steps is None:
            value = np.asarray(tensor, np.float32).tobytes()
        else:
            value = _levels(tensor, np.frombuffer(content, np.float32, tensor.shape[0], part.steps)).tobytes()
        content[part.at : part.at + len(value)] = value
    return bytes(content)
