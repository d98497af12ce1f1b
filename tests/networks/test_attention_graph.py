"""HAT, DRCT and DAT rewritten for graph compilers compute what spandrel's compute."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sr_demo.networks.attention_graph import as_graph, is_supported
from tests.conftest import noise

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning")


def randomise(network: torch.nn.Module, heads: int) -> None:
    """Random values for norms, biases and tables: their initial 1, 0 and 0 would hide errors."""
    for parameter in network.parameters():
        if parameter.ndim == 1 or parameter.shape[1] == heads:
            torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.5)


def hat(window: int, channels: int, heads: int, **others: Any) -> Any:
    """A descriptor: it pads small images."""
    from spandrel import ModelLoader
    from spandrel.architectures.HAT import HAT

    torch.manual_seed(0)
    settings: dict[str, Any] = {"compress_ratio": 3, "squeeze_factor": 6, "upscale": 4, "num_feat": 64} | others
    net = HAT(
        img_size=32, embed_dim=channels, depths=(2, 2), num_heads=(heads, heads), window_size=window, overlap_ratio=0.5,
        mlp_ratio=2, upsampler="pixelshuffle", resi_connection="1conv", **settings,
    )  # fmt: skip
    randomise(net, heads)
    return ModelLoader(device="cpu").load_from_state_dict(net.state_dict())


def drct(window: int, channels: int, heads: int) -> Any:
    from spandrel import ModelLoader
    from spandrel.architectures.DRCT import DRCT

    torch.manual_seed(0)
    net = DRCT(
        img_size=32, embed_dim=channels, depths=(1, 1), num_heads=(heads, heads), window_size=window, mlp_ratio=2.0, gc=8,
        upscale=4, upsampler="pixelshuffle", resi_connection="1conv",
    )  # fmt: skip
    randomise(net, heads)
    return ModelLoader(device="cpu").load_from_state_dict(net.state_dict())


def dat(channels: int, heads: int, **others: Any) -> Any:
    from spandrel import ModelLoader
    from spandrel.architectures.DAT import DAT

    torch.manual_seed(0)
    settings: dict[str, Any] = {"depth": [3], "split_size": [4, 8], "upscale": 4, "resi_connection": "3conv"} | others
    net = DAT(
        img_size=16, embed_dim=channels, num_heads=[heads] * len(settings["depth"]), expansion_factor=2.0, **settings
    )  # fmt: skip
    randomise(net, heads)
    for name, value in net.named_buffers():
        if "running" in name:  # of batch normalisations: 0 and 1 would hide errors
            torch.nn.init.uniform_(value, 0.5, 1.5)
    return ModelLoader(device="cpu").load_from_state_dict(net.state_dict())


@pytest.mark.parametrize(
    ("make", "sizes"),
    [
        (partial(hat, 8, 12, 3), [(32, 24), (13, 41), (1, 1), (5, 40)]),  # heads of 4, which are made 8 wide
        (partial(hat, 16, 24, 3, upscale=2), [(32, 48), (20, 33), (3, 50)]),
        (partial(hat, 8, 16, 2, upscale=3), [(17, 24)]),
        (partial(drct, 8, 16, 2), [(32, 48), (20, 33), (5, 40), (32, 32)]),  # the last is what it was built for
        (partial(drct, 16, 24, 3), [(17, 40)]),
        (
            partial(dat, 32, 4, upsampler="pixelshuffledirect"),
            [(16, 16), (20, 33), (5, 40)],
        ),  # the first: as it was built
        (partial(dat, 32, 2, depth=[3, 1], upscale=3, resi_connection="1conv"), [(17, 24)]),
    ],
    ids=["hat", "hat x2, windows of 16", "hat x3", "drct", "drct, windows of 16", "dat", "dat x3, pixelshuffle"],
)
def test_equal_to_spandrel_in_fp32(make: Callable[[], Any], sizes: list[tuple[int, int]]) -> None:
    network = make()
    assert is_supported(network) and is_supported(network.model)
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    graph = as_graph(network)
    with torch.inference_mode():
        for size in sizes:
            image = torch.from_numpy(noise(*size).copy()).permute(2, 0, 1)[None]
            torch.testing.assert_close(graph(image).clamp(0, 1), network(image), atol=2e-5, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [partial(hat, 8, 16, 2), partial(drct, 8, 16, 2), partial(dat, 32, 4)], ids=["hat", "drct", "dat"]
)
def test_the_converted_graph_takes_images_of_every_size(make: Callable[[], Any], tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    from sr_demo.backends import openvino_backend
    from sr_demo.options import Options
    from sr_demo.progress import SILENT

    network = make()
    openvino_backend.convert(as_graph(network), tmp_path)
    converted = openvino_backend.ConvertedNetwork(tmp_path, "fp32", 4)
    with torch.inference_mode():
        for size in ((40, 33), (24, 40), (1, 7), (64, 16)):
            image = noise(*size)
            expected = network(torch.from_numpy(image.copy()).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
            np.testing.assert_allclose(converted.upscale(image, Options(), SILENT), expected, atol=1e-4)


def test_other_networks_and_variants_are_left_alone() -> None:
    from spandrel.architectures.HAT import HAT
    from spandrel.architectures.SwinIR import SwinIR

    assert not is_supported(SwinIR(img_size=16, embed_dim=12, depths=[2], num_heads=[3], window_size=8))
    others: tuple[dict[str, Any], ...] = (
        {"ape": True}, {"img_range": 255.0}, {"qkv_bias": False}, {"resi_connection": "identity"}
    )  # fmt: skip
    for other in others:
        small: dict[str, Any] = {"img_size": 16, "embed_dim": 12, "depths": (2,), "num_heads": (3,), "window_size": 8}
        small |= {"squeeze_factor": 6, "compress_ratio": 2}
        assert is_supported(HAT(**small))
        assert not is_supported(HAT(**small, **other)), other
