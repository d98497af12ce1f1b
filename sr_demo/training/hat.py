"""A small HAT (Chen et al., CVPR 2023, arXiv 2205.04437) in spandrel's layout, prepared for short training runs.

Training differs from that of spandrel's class in three points, none of which affects the shipped file:

- The convolution branch is added with weight 1 instead of 0.01, with which it hardly learns in a short run; `as_shipped`
  folds the factor into its weights.
- The network is initialised as a smooth interpolation (`start_from_interpolation`) instead of having to learn one.
- Attention stays in the precision of its input (`keep_precision`): adding an fp32 bias would convert everything to fp32.
"""

from __future__ import annotations

import warnings
from types import MethodType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.fused_attention import position_bias

SETTINGS: dict[str, int | float | str | list[int]] = {
    "embed_dim": 64,
    "depths": [3, 3],
    "num_heads": [2, 2],
    "window_size": 8,
    "compress_ratio": 1,
    "squeeze_factor": 16,
    "overlap_ratio": 0.5,
    "mlp_ratio": 2.0,
    "num_feat": 32,
    "upscale": 4,
}
_CONV_SCALE = 0.01
"""Weight of the convolution branch in the paper, which spandrel assumes: checkpoints do not contain it."""


def build_hat(settings: dict[str, int | float | str | list[int]]) -> nn.Module:
    """Return spandrel's HAT with random weights, prepared for training; `as_shipped` converts it back."""
    network = _plain(settings)
    for block in blocks(network, "HAB"):
        block.conv_scale = 1.0  # type: ignore[assignment]
    start_from_interpolation(network)
    return keep_precision(network)


def as_shipped(network: nn.Module, settings: dict[str, int | float | str | list[int]]) -> nn.Module:
    """Return spandrel's HAT with weights for which it computes the same function as `network` (from `build_hat`).

    The branch is x -> v * sigmoid(f(mean(v))) with v = conv(x). spandrel's class multiplies its output by 0.01, so v is
    scaled by 100, and the first layer of f by 0.01.
    """
    shipped = _plain(settings)
    weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
    for name in weights:
        if ".cab.2." in name:
            weights[name] /= _CONV_SCALE
        elif name.endswith(".cab.3.attention.1.weight"):
            weights[name] *= _CONV_SCALE
    shipped.load_state_dict(weights)
    return shipped


def start_from_interpolation(network: nn.Module) -> None:
    """Initialise some of the weights so that the untrained network upscales by quadratic interpolation.

    The image passes through channels 0..2, and negated through 3..5 so that the LeakyReLU f of slope a can be undone:
    (f(x) - f(-x)) / (1 + a) = x. All other layers keep their random weights; their output is added through two layers that
    are initialised to zero: the convolution after the body, and the last one.
    """
    parts = dict(network.named_modules())
    first, after, before = parts["conv_first"], parts["conv_after_body"], parts["conv_before_upsample.0"]
    last, slope = parts["conv_last"], 0.01
    with torch.no_grad():
        for module in (after, last):
            for parameter in module.parameters():
                parameter.zero_()
        signs = (1.0, 1.0, 1.0, -1.0, -1.0, -1.0)
        _clear(first, 3)
        _clear(before, 6)
        for c, sign in enumerate(signs):
            if c < 3:
                _weight(first)[c, c, 1, 1] = 1.0
            _weight(before)[c, c % 3, 1, 1] = sign
            _weight(last)[c % 3, c, 1, 1] = sign / (1.0 + slope)
        for stage in ("upsample.0", "upsample.2"):
            _clear(parts[stage], 24)
            for c in range(6):
                _weight(parts[stage])[4 * c : 4 * c + 4, c] = _quadratic()


def keep_precision(network: nn.Module) -> nn.Module:
    """Replace `forward` of both kinds of attention by one that stays in the precision of its input, with equal results."""
    for module in blocks(network, "WindowAttention"):
        module.forward = MethodType(_window_attention, module)
    for module in blocks(network, "OCAB"):
        module.forward = MethodType(_overlapping_attention, module)
    return network


def _plain(settings: dict[str, int | float | str | list[int]]) -> nn.Module:
    from spandrel.architectures.HAT import HAT

    values = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    with warnings.catch_warnings():
        # The constructor calls torch.meshgrid without `indexing`, which is deprecated.
        warnings.simplefilter("ignore", UserWarning)
        return HAT(**values, conv_scale=_CONV_SCALE, drop_path_rate=0.0)  # type: ignore[arg-type]


def blocks(network: nn.Module, kind: str) -> list[nn.Module]:
    """Return the modules of `network` whose class is called `kind`."""
    return [module for module in network.modules() if type(module).__name__ == kind]


def _weight(conv: nn.Module) -> Tensor:
    assert isinstance(conv, nn.Conv2d)
    return conv.weight


def _clear(conv: nn.Module, channels: int) -> None:
    """Zero the first `channels` outputs."""
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None
    conv.weight[:channels] = 0.0
    conv.bias[:channels] = 0.0


def _quadratic() -> Tensor:
    """Return the kernels of quadratic interpolation, (4, 3, 3).

    Lagrange interpolation through three pixels at -1/4 and +1/4, for the four phases of PixelShuffle(2).
    """
    before = torch.tensor((0.15625, 0.9375, -0.09375))
    phases = (before, before.flip(0))
    return torch.stack([torch.outer(v, h) for v in phases for h in phases])


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, mask: Tensor | None) -> Tensor:
    """Return softmax(q k' + bias + mask) v.

    Args:
        q: (B, heads, n, d), scaled.
        k: (B, heads, m, d).
        v: (B, heads, m, d).
        bias: (heads, n, m).
        mask: (windows, n, m), or None.
    """
    scores = q @ k.transpose(-2, -1)
    bias = bias.to(scores.dtype)
    if mask is None:
        return (scores + bias).softmax(-1) @ v
    both = bias + mask[:, None].to(scores.dtype)
    shape = scores.shape
    scores = (scores.view(-1, len(mask), *shape[1:]) + both).view(shape)
    return scores.softmax(-1) @ v


def _window_attention(self: nn.Module, x: Tensor, rpi: Tensor, mask: Tensor | None = None) -> Tensor:
    parts, heads = dict(self.named_children()), int(self.num_heads)  # type: ignore[arg-type]
    windows, n, c = x.shape
    q, k, v = parts["qkv"](x).reshape(windows, n, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
    bias = position_bias(self.relative_position_bias_table, rpi)  # type: ignore[arg-type]
    out = attend(q * float(self.scale), k, v, bias, mask)  # type: ignore[arg-type]
    return parts["proj"](out.transpose(1, 2).reshape(windows, n, c))


def _overlapping_attention(self: nn.Module, x: Tensor, x_size: tuple[int, int], rpi: Tensor) -> Tensor:
    parts, heads = dict(self.named_children()), int(self.num_heads)  # type: ignore[arg-type]
    side, large = int(self.window_size), int(self.overlap_win_size)  # type: ignore[arg-type]
    (height, width), (b, _, c) = x_size, x.shape
    rows, columns, d, pad = height // side, width // side, c // heads, (large - side) // 2
    qkv = parts["qkv"](parts["norm1"](x)).view(b, height, width, 3 * c)
    q = qkv[..., :c].reshape(b, rows, side, columns, side, heads, d).permute(0, 1, 3, 5, 2, 4, 6)
    kv = F.pad(qkv[..., c:], (0, 0, pad, side - pad, pad, side - pad))
    kv = _overlapping(_overlapping(kv, 1, side, large), 3, side, large)
    kv = kv.view(b, rows, large, columns, large, 2, heads, d).permute(5, 0, 1, 3, 6, 2, 4, 7)
    k, v = kv.reshape(2, -1, heads, large * large, d)
    bias = position_bias(self.relative_position_bias_table, rpi)  # type: ignore[arg-type]
    out = attend(q.reshape(-1, heads, side * side, d) * float(self.scale), k, v, bias, None)  # type: ignore[arg-type]
    out = out.reshape(b, rows, columns, heads, side, side, d).permute(0, 1, 4, 2, 5, 3, 6)
    x = parts["proj"](out.reshape(b, height * width, c)) + x
    return x + parts["mlp"](parts["norm2"](x))


def _overlapping(x: Tensor, dim: int, side: int, large: int) -> Tensor:
    """Unfold axis `dim` of x, of length side * (n + 1), to (n, large): windows at intervals of `side`, large <= 2 * side.

    Equals `Tensor.unfold`, whose gradient is slower: it took a tenth of a training step.
    """
    tiles, count = x.unflatten(dim, (-1, side)), x.shape[dim] // side - 1
    here, next_ones = tiles.narrow(dim, 0, count), tiles.narrow(dim, 1, count)
    return torch.cat((here, next_ones.narrow(dim + 1, 0, large - side)), dim + 1)
