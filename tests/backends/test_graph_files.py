"""A graph file holds a converted network without the weights beside it, and gives it back byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sr_demo.backends import graph_files
from sr_demo.errors import SRError
from tests.conftest import flip_bit

_GRAPH = """<net name="tiny" version="11"><layers>
<layer id="0" name="w" type="Const"><data element_type="i8" shape="4,8,3,3" offset="0" size="288" /></layer>
<layer id="1" name="c" type="Convert"><data destination_type="f32" /></layer>
<layer id="2" name="s" type="Const"><data element_type="f32" shape="4,1,1,1" offset="288" size="16" /></layer>
<layer id="3" name="m" type="Multiply" />
<layer id="4" name="p" type="Const"><data element_type="f32" shape="4,8,3,3" offset="304" size="1152" /></layer>
<layer id="5" name="b" type="Const"><data element_type="f32" shape="1,4,1,1" offset="1456" size="16" /></layer>
</layers><edges>
<edge from-layer="0" from-port="0" to-layer="1" to-port="0" />
<edge from-layer="1" from-port="1" to-layer="3" to-port="0" />
<edge from-layer="2" from-port="0" to-layer="3" to-port="1" />
</edges></net>"""


@pytest.fixture
def tensors() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float16]]]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(4, 8, 3, 3)).astype(np.float16) for name in ("other", "quantized", "plain")}


@pytest.fixture
def folder(tmp_path: Path, tensors: graph_files.Tensors) -> Path:
    """A network with one tensor in int8, one as it is, and 32 bytes that are in no tensor."""
    weight = np.asarray(tensors["quantized"], np.float32)
    steps = np.abs(weight).reshape(4, -1).max(axis=1) / 127
    levels = np.rint(weight / steps[:, None, None, None]).astype(np.int8)
    biases = np.arange(4, dtype=np.float32)
    plain = np.asarray(tensors["plain"], np.float32)
    (tmp_path / "net.xml").write_text(_GRAPH)
    (tmp_path / "net.bin").write_bytes(
        levels.tobytes() + steps.astype(np.float32).tobytes() + plain.tobytes() + biases.tobytes()
    )
    return tmp_path


def test_a_network_comes_back_byte_for_byte_and_only_what_is_in_no_tensor_is_stored(
    folder: Path, tensors: graph_files.Tensors
) -> None:
    assert graph_files.pack(folder / "net.zip", folder, ["net"], tensors) == 32
    back = folder / "back"
    back.mkdir()
    graph_files.unpack(folder / "net.zip", tensors, "net", back)
    for name in ("net.xml", "net.bin"):
        assert (back / name).read_bytes() == (folder / name).read_bytes()


def test_what_two_networks_share_and_no_tensor_holds_is_stored_once(folder: Path, tensors: graph_files.Tensors) -> None:
    for suffix in (".xml", ".bin"):
        (folder / "other").with_suffix(suffix).write_bytes((folder / "net").with_suffix(suffix).read_bytes())
    folded = {"quantized": tensors["quantized"]}  # not "plain": as if it had been folded into other weights
    assert graph_files.pack(folder / "net.zip", folder, ["net", "other"], folded) == 1152 + 32 + 32
    back = folder / "back"
    back.mkdir()
    for name in ("other", "net"):
        graph_files.unpack(folder / "net.zip", folded, name, back)
        assert (back / f"{name}.bin").read_bytes() == (folder / "net.bin").read_bytes()


def test_the_same_network_gives_the_same_file(folder: Path, tensors: graph_files.Tensors) -> None:
    for name in ("one.zip", "two.zip"):
        graph_files.pack(folder / name, folder, ["net"], tensors)
    assert (folder / "one.zip").read_bytes() == (folder / "two.zip").read_bytes()


def test_a_damaged_file_or_other_weights_give_a_sentence_and_no_network(
    folder: Path, tensors: graph_files.Tensors
) -> None:
    graph_files.pack(folder / "net.zip", folder, ["net"], tensors)
    back = folder / "back"
    back.mkdir()
    swapped = {**tensors, "plain": tensors["other"]}
    for wrong in (swapped, {"other": tensors["other"]}, {**tensors, "plain": tensors["plain"][:2]}):
        with pytest.raises(SRError, match=r"The graph file .*net\.zip "):
            graph_files.unpack(folder / "net.zip", wrong, "net", back)
    flip_bit(folder / "net.zip")
    with pytest.raises(SRError, match=r"The graph file .*net\.zip "):
        graph_files.unpack(folder / "net.zip", tensors, "net", back)
    assert not list(back.iterdir())
