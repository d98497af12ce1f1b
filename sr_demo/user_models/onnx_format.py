"""Safety checks of an ONNX file before it is read: no data outside of the file, no custom operators.

OpenVINO reads external data from the working directory even if the model is passed as bytes. The page does not depend on the
`onnx` package, so that the file's protocol buffers are parsed here: https://protobuf.dev/programming-guides/encoding, with
the field numbers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sr_demo.errors import BadInput, quoted

_GRAPH, _FUNCTIONS = 7, 25  # in ModelProto
_NODES, _INITIALIZERS, _SPARSE = 1, 5, 15  # in GraphProto
_DOMAIN, _ATTRIBUTES = 7, 5  # in NodeProto
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS, _SPARSE_TENSOR, _SPARSE_TENSORS = 5, 6, 10, 11, 22, 23  # in AttributeProto
_EXTERNAL, _LOCATION = 13, 14  # in TensorProto
_LARGEST_NUMBER = 2**29 - 1
"""Of a field. Protocol buffers drop the bits above: a larger number would hide a field from what is checked here."""
_DEEPEST = 20
"""Largest depth of nested graphs; real ones have two or three levels."""
_STANDARD = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Domains with operators that OpenVINO supports, at least partly."""


class Field(NamedTuple):
    """One field of a message."""

    number: int
    value: int | memoryview
    """A varint, or the bytes of everything else."""


class Damaged(Exception):  # noqa: N818
    """The bytes are not a valid protocol buffer."""


def check(data: memoryview, name: str) -> None:
    """Raise BadInput if the ONNX model in `data` uses external data or custom operators, or is damaged."""
    try:
        model = list(fields(data))
        graphs = [field.value for field in model if field.number == _GRAPH and isinstance(field.value, memoryview)]
        if len(graphs) != 1:
            raise Damaged
        if any(field.number == _FUNCTIONS for field in model):
            raise BadInput(f"{name} defines operators of its own. Export it with standard operators only.")
        _check_graph(graphs[0], name, 0)
    except Damaged as exc:
        raise BadInput(f"{name} is damaged or no ONNX file. Export or download it again.") from exc


def _check_graph(graph: memoryview, name: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise Damaged
    for field in fields(graph):
        if not isinstance(field.value, memoryview):
            continue
        if field.number == _INITIALIZERS:
            _check_tensor(field.value, name)
        elif field.number == _SPARSE:
            raise _sparse(name)
        elif field.number == _NODES:
            _check_node(field.value, name, depth)


def _check_node(node: memoryview, name: str, depth: int) -> None:
    for field in fields(node):
        if not isinstance(field.value, memoryview):
            continue
        if field.number == _DOMAIN and (domain := bytes(field.value[:100]).decode("utf-8", "replace")) not in _STANDARD:
            raise BadInput(f"{name} uses custom operators ({quoted(domain)}). Export it with standard operators only.")
        if field.number == _ATTRIBUTES:
            for part in fields(field.value):
                if part.number in (_TENSOR, _TENSORS) and isinstance(part.value, memoryview):
                    _check_tensor(part.value, name)
                elif part.number in (_SUBGRAPH, _SUBGRAPHS) and isinstance(part.value, memoryview):
                    _check_graph(part.value, name, depth + 1)
                elif part.number in (_SPARSE_TENSOR, _SPARSE_TENSORS):
                    raise _sparse(name)


def _sparse(name: str) -> BadInput:
    return BadInput(f"{name} holds sparse tensors, which are not read here. Export it with dense ones.")


def _check_tensor(tensor: memoryview, name: str) -> None:
    for field in fields(tensor):
        if field.number == _EXTERNAL or (field.number == _LOCATION and field.value):
            raise BadInput(
                f"{name} keeps its weights in another file. Export it as one file: "
                "onnx.save(onnx.load(FILE), 'whole.onnx', save_as_external_data=False)."
            )


def fields(data: memoryview) -> Iterator[Field]:
    """Yield the fields of one message. Raises Damaged."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if not 0 < number <= _LARGEST_NUMBER:
            raise Damaged
        if kind == 0:
            value, at = _varint(data, at)
            yield Field(number, value)
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:  # groups are not used in ONNX
            raise Damaged
        if at + length > len(data):
            raise Damaged
        yield Field(number, data[at : at + length])
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the varint that begins at `at`, and the position of its end."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Damaged
