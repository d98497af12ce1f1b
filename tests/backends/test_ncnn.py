"""Weights in the format of ncnn, read into state dicts: on files made here."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load

from sr_demo.backends import ncnn
from sr_demo.backends.ncnn import Entry
from sr_demo.errors import WeightsUnavailable
from sr_demo.networks.compact import Compact
from sr_demo.networks.span import SPAN

LAYOUT = (Entry("mean", (3,)), *ncnn.convolution("first", 3, 3, 1), Entry("slope", (2,)), Entry("last", (2, 5)))
"""The first convolution has 9 values, so that its fp16 form is padded."""


def made(layout: tuple[Entry, ...] = LAYOUT, *, half: bool = True) -> tuple[bytes, dict[str, np.ndarray]]:
    """A file as ncnn writes it, and what is in it."""
    rng = np.random.default_rng(0)
    content, tensors = b"", {}
    for name, shape in layout:
        is_half = half and len(shape) > 1
        value = rng.standard_normal(shape).astype("<f2" if is_half else "<f4")
        tensors[name] = value
        if len(shape) > 1:
            content += (0x01306B47 if is_half else 0).to_bytes(4, "little")
        content += value.tobytes() + b"\0" * (-value.nbytes % 4)
    return content, tensors


@pytest.mark.parametrize("half", [True, False])
def test_what_was_written_is_read(half: bool) -> None:
    content, expected = made(half=half)
    found = ncnn.read(content, LAYOUT)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)


def test_the_converted_file_holds_the_same_values() -> None:
    content, expected = made()
    found = load(ncnn.to_safetensors(content, LAYOUT))
    assert {name: value.tobytes() for name, value in found.items()} == {
        name: value.tobytes() for name, value in expected.items()
    }


def test_the_same_file_is_converted_to_the_same_bytes() -> None:
    content, _ = made()
    assert ncnn.to_safetensors(content, LAYOUT) == ncnn.to_safetensors(content, LAYOUT)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content[:-2], "ends before last"),
        (lambda content: content[:18], "ends before first.weight"),
        (lambda content: content[:13], "ends before first.weight"),
        (lambda content: content + b"\0" * 8, "8 bytes more"),
        (lambda content: content[:12] + b"\1\2\3\4" + content[16:], "flag 0x4030201"),
        (lambda content: b"", "ends before mean"),
    ],
)
def test_a_file_of_another_network_is_refused(change, said: str) -> None:
    with pytest.raises(WeightsUnavailable, match=said):
        ncnn.read(change(made()[0]), LAYOUT)


@pytest.mark.parametrize(
    ("layout", "network"),
    [(ncnn.compact(3, 8, 2), Compact(8, 3, 2)), (ncnn.span(8, 3), SPAN(8, 3))],
    ids=["Compact", "SPAN"],
)
def test_a_layout_names_every_tensor_of_its_network(layout: tuple[Entry, ...], network) -> None:
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert {entry.name: entry.shape for entry in layout} == expected


def test_the_layout_of_real_esrgan_has_its_published_size() -> None:
    layout = ncnn.rrdb(23)
    assert sum(entry.name.endswith("weight") for entry in layout) == 351
    assert sum(int(np.prod(entry.shape)) for entry in layout) == 16_697_987
    names = [entry.name for entry in layout if entry.name.endswith("weight")]
    assert (names[1], names[-6]) == ("body.0.rdb1.conv1.weight", "body.22.rdb3.conv5.weight")
