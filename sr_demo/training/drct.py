"""A small DRCT (Hsu et al., CVPRW 2024, arXiv 2404.00722) in spandrel's layout, prepared for short training runs.

As for HAT, the network is initialised as a smooth interpolation, and attention stays in the precision of its input. The
shipped network is spandrel's class with the same weights. That class accepts whole windows only; other sizes are padded as
in spandrel's descriptor.
"""

from __future__ import annotations

from types import MethodType

import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.fused_attention import position_bias
from sr_demo.training.hat import attend, blocks, start_from_interpolation

SETTINGS: dict[str, int | float | str | list[int]] = {
    "img_size": 32,
    "embed_dim": 64,
    "depths": [6, 6],
    "num_heads": [2, 2],
    "window_size": 8,
    "mlp_ratio": 2.0,
    "gc": 16,
    "upscale": 4,
    "upsampler": "pixelshuffle",
}
"""The length of `depths` is the number of groups; each has five densely connected transformer blocks."""
_MULTIPLE = 16
"""spandrel pads heights and widths to multiples of this, by reflection."""


def plain_drct(settings: dict[str, int | float | str | list[int]]) -> nn.Module:
    """Return spandrel's DRCT with random weights, for images of any size above 15 x 15."""
    from spandrel.architectures.DRCT import DRCT

    values = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    network = DRCT(**values, drop_path_rate=0.0)  # type: ignore[arg-type]
    network.forward = MethodType(_padded, network)
    return network


def build_drct(settings: dict[str, int | float | str | list[int]]) -> nn.Module:
    """Return spandrel's DRCT, prepared for training."""
    network = plain_drct(settings)
    start_from_interpolation(network)
    for module in blocks(network, "WindowAttention"):
        module.forward = MethodType(_window_attention, module)
    return network


def as_shipped(network: nn.Module, settings: dict[str, int | float | str | list[int]]) -> nn.Module:
    """Return spandrel's DRCT with the weights of `network` (from `build_drct`)."""
    shipped = plain_drct(settings)
    shipped.load_state_dict(network.state_dict())
    return shipped


def _padded(self: nn.Module, x: Tensor) -> Tensor:
    height, width = x.shape[-2:]
    whole = F.pad(x, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE), "reflect")
    result = type(self).forward(self, whole)
    scale = result.shape[-1] // whole.shape[-1]
    return result[..., : height * scale, : width * scale]


def _window_attention(self: nn.Module, x: Tensor, mask: Tensor | None = None) -> Tensor:
    parts, heads = dict(self.named_children()), int(self.num_heads)  # type: ignore[arg-type]
    windows, n, c = x.shape
    q, k, v = parts["qkv"](x).reshape(windows, n, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
    bias = position_bias(self.relative_position_bias_table, self.relative_position_index)  # type: ignore[arg-type]
    out = attend(q * float(self.scale), k, v, bias, mask)  # type: ignore[arg-type]
    return parts["proj"](out.transpose(1, 2).reshape(windows, n, c))
