"""HAT as it is written for compilers computes what spandrel's HAT computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sr_demo.networks.hat_graph import as_graph, is_written
from tests.conftest import noise

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning")


def hat(window: int, channels: int, heads: int, **others: Any) -> Any:
    """A descriptor: it pads small pictures. Normalisations, biases and tables as if learned."""
    from spandrel import ModelLoader
    from spandrel.architectures.HAT import HAT

    torch.manual_seed(0)
    settings: dict[str, Any] = {"compress_ratio": 3, "squeeze_factor": 6, "upscale": 4, "num_feat": 64} | others
    net = HAT(
        img_size=32, embed_dim=channels, depths=(2, 2), num_heads=(heads, heads), window_size=window, overlap_ratio=0.5,
        mlp_ratio=2, upsampler="pixelshuffle", resi_connection="1conv", **settings,
    )  # fmt: skip
    for parameter in net.parameters():
        if parameter.ndim == 1 or parameter.shape[1] == heads:
            torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.5)
    return ModelLoader(device="cpu").load_from_state_dict(net.state_dict())


@pytest.mark.parametrize(
    ("window", "channels", "heads", "scale", "sizes"),
    [
        (8, 12, 3, 4, [(32, 24), (13, 41), (1, 1), (5, 40)]),  # heads of 4, which are made 8 wide
        (16, 24, 3, 2, [(32, 48), (20, 33), (3, 50)]),
        (8, 16, 2, 3, [(17, 24)]),
    ],
)
def test_equal_to_spandrel_in_fp32(
    window: int, channels: int, heads: int, scale: int, sizes: list[tuple[int, int]]
) -> None:
    network = hat(window, channels, heads, upscale=scale)
    assert is_written(network) and is_written(network.model)
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    graph = as_graph(network)
    with torch.inference_mode():
        for size in sizes:
            picture = torch.from_numpy(noise(*size).copy()).permute(2, 0, 1)[None]
            torch.testing.assert_close(graph(picture).clamp(0, 1), network(picture), atol=2e-5, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())


def test_converted_it_takes_pictures_of_every_size(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    from sr_demo import openvino_runtime
    from sr_demo.options import Options
    from sr_demo.progress import SILENT

    network = hat(8, 16, 2)
    openvino_runtime.convert(as_graph(network), tmp_path)
    converted = openvino_runtime.ConvertedNetwork(tmp_path, "fp32", 4)
    with torch.inference_mode():
        for size in ((40, 33), (24, 40), (1, 7), (64, 16)):
            picture = noise(*size)
            expected = network(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
            np.testing.assert_allclose(converted.upscale(picture, Options(), SILENT), expected, atol=1e-4)


def test_other_networks_and_variants_are_left_alone() -> None:
    from spandrel.architectures.DRCT import DRCT
    from spandrel.architectures.HAT import HAT

    assert not is_written(DRCT(img_size=16, embed_dim=12, depths=(2,), num_heads=(3,), window_size=8, gc=4))
    for other in ({"ape": True}, {"img_range": 255.0}, {"qkv_bias": False}, {"resi_connection": "identity"}):
        small: dict[str, Any] = {"img_size": 16, "embed_dim": 12, "depths": (2,), "num_heads": (3,), "window_size": 8}
        small |= {"squeeze_factor": 6, "compress_ratio": 2}
        assert is_written(HAT(**small))
        assert not is_written(HAT(**small, **other)), other
