"""Reader of ncnn's `.bin` files: weights of a known network, converted to safetensors. Pure functions.

A `.bin` holds the weights alone, in the order of the layers in its `.param`. A convolution's weights begin with a flag of
four bytes: `_HALF` before values in fp16, which are padded to a multiple of four bytes, and 0 before values in fp32. All
vectors (biases, slopes of PReLU, constants) are plain fp32 without a flag. Names and shapes therefore suffice to read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import WeightsUnavailable

_HALF, _SINGLE = 0x01306B47, 0


class Entry(NamedTuple):
    """One tensor of a file."""

    name: str
    """Key in the network's state dict."""
    shape: tuple[int, ...]
    """(out, in, kernel, kernel) for convolutions, which have a flag; (n,) for vectors, which have none."""


def read(content: bytes, layout: Sequence[Entry]) -> dict[str, NDArray[np.generic]]:
    """Return the tensors of a `.bin` file by name, in the precision in which they are stored, float16 or float32.

    Args:
        content: Content of the file.
        layout: Its tensors in order.

    Raises:
        WeightsUnavailable: The file does not hold exactly these tensors.
    """
    tensors: dict[str, NDArray[np.generic]] = {}
    at = 0
    for name, shape in layout:
        kind, size = "<f4", prod(shape)
        if len(shape) > 1:
            flag = int.from_bytes(content[at : at + 4], "little")
            at += 4
            if flag not in (_HALF, _SINGLE) and at <= len(content):
                raise WeightsUnavailable(f"The ncnn file is not as expected: {name} begins with the flag {flag:#x}.")
            kind = "<f2" if flag == _HALF else "<f4"
        stop = at + size * (2 if kind == "<f2" else 4)
        if stop > len(content):
            raise WeightsUnavailable(f"The ncnn file ends before {name}: it holds another network, or only a part.")
        tensors[name] = np.frombuffer(content[at:stop], kind).reshape(shape)
        at = stop + -stop % 4 if kind == "<f2" else stop
    if at != len(content):
        raise WeightsUnavailable(f"The ncnn file has {len(content) - at:,} bytes more than its network needs.")
    return tensors


def to_safetensors(content: bytes, layout: Sequence[Entry]) -> bytes:
    """Return the content of a safetensors file with the tensors of a `.bin` file. Arguments and errors as for `read`."""
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(value) for name, value in read(content, layout).items()})


def convolution(name: str, inputs: int, outputs: int, kernel: int = 3) -> tuple[Entry, Entry]:
    """Return the entries of one convolution: weights, then bias."""
    return Entry(f"{name}.weight", (outputs, inputs, kernel, kernel)), Entry(f"{name}.bias", (outputs,))


def rrdb(blocks: int, features: int = 64, growth: int = 32) -> tuple[Entry, ...]:
    """Return the layout of RRDBNet at x4 (ESRGAN, Wang et al. 2018, arXiv 1809.00219) with `blocks` blocks."""
    return tuple(_rrdb(blocks, features, growth))


def _rrdb(blocks: int, features: int, growth: int) -> Iterator[Entry]:
    yield from convolution("conv_first", 3, features)
    for block in range(blocks):
        for dense in range(1, 4):
            for number in range(1, 6):
                outputs = growth if number < 5 else features
                name = f"body.{block}.rdb{dense}.conv{number}"
                yield from convolution(name, features + (number - 1) * growth, outputs)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        yield from convolution(name, features, features)
    yield from convolution("conv_last", features, 3)


def compact(convolutions: int, features: int = 64, scale: int = 4) -> tuple[Entry, ...]:
    """Return the layout of SRVGGNetCompact with `convolutions` convolutions between the first and the last."""
    entries: list[Entry] = []
    for number in range(convolutions + 1):
        entries += convolution(f"body.{2 * number}", features if number else 3, features)
        entries.append(Entry(f"body.{2 * number + 1}.weight", (features,)))
    return (*entries, *convolution(f"body.{2 * convolutions + 2}", features, 3 * scale**2))


def span(features: int, scale: int = 4, blocks: int = 6) -> tuple[Entry, ...]:
    """Return the layout of SPAN with merged convolutions, as `networks.span.SPAN` names them."""
    entries = [Entry("mean", (3,)), *convolution("conv_1", 3, features)]
    for block in range(1, blocks + 1):
        for number in range(1, 4):
            entries += convolution(f"block_{block}.c{number}_r", features, features)
    return (
        *entries, *convolution("conv_2", features, features), *convolution("conv_cat", 4 * features, features, 1),
        *convolution("upsampler.0", features, 3 * scale**2),
    )  # fmt: skip
