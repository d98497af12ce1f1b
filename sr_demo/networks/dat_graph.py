"""spandrel's DAT rewritten for graph compilers: same weights, same result to rounding.

As in `attention_graph`, data is moved as little as possible. Differences from spandrel's network:

- A shifted window belongs to a grid that begins half a window outside of the image, so that nothing is rolled and only
  keys outside of the image are masked.
- Attention between channels is computed as two products of the whole image with (C, C) matrices, in which other heads are
  masked, so that nothing is transposed.
- Batch normalisations are folded into the preceding convolutions, layer normalisations into the following linear layers, and
  position biases are computed once.

Legend: P positions of the image (H * W), B windows, N positions in a window, C channels, h heads, d channels of a head.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sr_demo.networks.attention_graph import MASKED, behind_norm, padded
from sr_demo.networks.fused_attention import FusedRectangularAttention, fuse_attention, linear_of
from sr_demo.networks.linear_tail import LinearTail

_LEAST_NORM = 1e-12
"""Smallest norm of a channel, as in `torch.nn.functional.normalize`."""


def is_supported(model: Any) -> bool:
    """Return whether `as_graph` can rewrite `model`, spandrel's DAT; True for the variants of all published checkpoints."""
    attention = model.layers[0].blocks[0].attn
    return (
        model.img_range == 1 and attention.qkv.bias is not None and attention.split_size[0] <= attention.split_size[1]
    )


def as_graph(model: Any) -> nn.Module:
    """Rewrite spandrel's DAT like `attention_graph.as_graph`; `model` is not changed."""
    model = copy.deepcopy(model).float().eval()
    fuse_attention(model)
    return _Network(model).eval()


@dataclass(frozen=True)
class _Window:
    """The shape of windows, and the distances by which their grid begins above and left of the image."""

    height: int
    width: int
    above: int = 0
    beside: int = 0


@dataclass(frozen=True)
class _Layout:
    """The size of one image, and the padding and masks of its windows."""

    height: Any
    width: Any
    bottom: Any
    """Rows of zeros below the image, which count as part of it in attention."""
    right: Any
    """Columns of zeros right of the image, likewise."""
    masks: tuple[Tensor, ...] = ()
    """Masks of wide and high shifted windows, (B, 1, 1, N): 0 for keys in the image or its zeros, `MASKED` for others."""

    def map(self, x: Tensor) -> Tensor:
        """Return a sequence as a feature map: (1, P, C) -> (1, C, H, W)."""
        return x.view(1, self.height, self.width, -1).permute(0, 3, 1, 2)

    def windows(self, x: Tensor, window: _Window) -> Tensor:
        """Partition a sequence into windows: (1, P, C) -> (B, N, C)."""
        above, beside = window.above, window.beside
        x = x.view(1, self.height, self.width, -1)
        x = F.pad(x, (0, 0, beside, self.right + beside, above, self.bottom + above))
        cells = x.view(self._down(window), window.height, self._across(window), window.width, -1)
        return cells.permute(0, 2, 1, 3, 4).flatten(0, 1).flatten(1, 2)

    def image(self, x: Tensor, window: _Window) -> Tensor:
        """Invert `windows`: (B, N, C) -> (1, P, C)."""
        down, across, above, beside = self._down(window), self._across(window), window.above, window.beside
        cells = x.view(down, across, window.height, window.width, -1).permute(0, 2, 1, 3, 4)
        grid = cells.reshape(1, down * window.height, across * window.width, -1)
        return grid[:, above : above + self.height, beside : beside + self.width].flatten(1, 2)

    def _down(self, window: _Window) -> Any:
        return (self.height + self.bottom + 2 * window.above) // window.height

    def _across(self, window: _Window) -> Any:
        return (self.width + self.right + 2 * window.beside) // window.width


class _Network(nn.Module):
    """The whole network: (1, 3, H, W) -> (1, 3, scale * H, scale * W), not clamped, for any H and W."""

    mean: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.scale: int = model.upscale
        self.register_buffer("mean", model.mean.view(1, 3, 1, 1).clone())
        self.first, self.norm_first = model.conv_first, model.before_RG[1]
        self.groups = nn.ModuleList(_Group(layer) for layer in model.layers)
        self.split: tuple[int, int] = tuple(model.layers[0].blocks[0].attn.split_size)
        self.norm_last, self.after, self.upsample = model.norm, model.conv_after_body, model.upsample
        if model.upsampler == "pixelshuffle":
            tail = LinearTail(nn.Sequential(*model.upsample, model.conv_last))
            self.upsample = nn.Sequential(model.conv_before_upsample, tail)

    def forward(self, x: Tensor) -> Tensor:
        full_height, full_width = x.shape[2], x.shape[3]
        shallow = self.first(padded(padded(x - self.mean, 2, 1), 3, 1))
        layout = _layout(shallow.shape[2], shallow.shape[3], self.split)
        deep = self.norm_first(_to_sequence(shallow))
        for group in self.groups:
            deep = group(deep, layout)
        x = self.upsample(self.after(layout.map(self.norm_last(deep))) + shallow) + self.mean
        return x[:, :, : full_height * self.scale, : full_width * self.scale]


class _Group(nn.Module):
    """Blocks with attention within windows and between channels in alternation, a convolution, and a skip connection."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(block) for block in layer.blocks)
        self.conv = layer.conv

    def forward(self, x: Tensor, layout: _Layout) -> Tensor:
        """Process `x`, (1, P, C) -> the same shape, as in all modules below."""
        skip = x
        for block in self.blocks:
            x = block(x, layout)
        return _to_sequence(self.conv(layout.map(x))) + skip


class _Block(nn.Module):
    """Attention, then a feed-forward network whose second half of channels gates the first."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        kind = _WindowAttention if hasattr(block.attn, "attns") else _ChannelAttention
        self.attention = kind(block.attn, block.norm1)
        self.epsilon: float = block.norm2.eps
        first, gate = block.ffn.fc1, block.ffn.sg
        half = first.out_features // 2
        weight, bias = behind_norm(block.norm2, first)
        self.first, self.second = linear_of(weight[:half], bias[:half]), linear_of(weight[half:], bias[half:])
        self.norm, self.conv, self.last = gate.norm, gate.conv, block.ffn.fc2

    def forward(self, x: Tensor, layout: _Layout) -> Tensor:
        x = x + self.attention(x, layout)
        normed = F.layer_norm(x, (x.shape[-1],), eps=self.epsilon)
        gate = _to_sequence(self.conv(layout.map(self.norm(F.gelu(self.second(normed))))))
        return x + self.last(F.gelu(self.first(normed)) * gate)


class _Joined(nn.Module):
    """Attention and a convolution of its values, each weighted by a function of the other, and the output projection."""

    def __init__(self, attention: Any, norm: nn.LayerNorm, *, by_channel: bool) -> None:
        """Build the module.

        Args:
            attention: spandrel's module.
            norm: The normalisation before it.
            by_channel: Whether the convolution weights the channels of the attention, which weights the positions of the
                convolution; otherwise the roles are reversed.
        """
        super().__init__()
        self.by_channel, self.channels, self.epsilon = by_channel, attention.proj.in_features, norm.eps
        conv, batch, _ = attention.dwconv
        self.conv = fuse_conv_bn_eval(conv, batch)
        _, first, batch, _, second = attention.channel_interaction
        self.channel_first, self.channel_second = _linear(fuse_conv_bn_eval(first, batch)), _linear(second)
        first, batch, _, second = attention.spatial_interaction
        self.position_first, self.position_second = _linear(fuse_conv_bn_eval(first, batch)), _linear(second)
        self.proj = attention.proj

    def normed(self, x: Tensor) -> Tensor:
        """Normalise each position; the affine part is folded into the following linear layers."""
        return F.layer_norm(x, (self.channels,), eps=self.epsilon)

    def join(self, attended: Tensor, values: Tensor, layout: _Layout) -> Tensor:
        """Combine the attention with the convolution of `values` and project; both arguments are (1, P, C)."""
        convolved = _to_sequence(F.gelu(self.conv(layout.map(values))))
        for_channels, for_positions = (convolved, attended) if self.by_channel else (attended, convolved)
        mean = for_channels.mean(1, keepdim=True)
        channels = torch.sigmoid(self.channel_second(F.gelu(self.channel_first(mean))))
        positions = torch.sigmoid(self.position_second(F.gelu(self.position_first(for_positions))))
        if self.by_channel:
            return self.proj(attended * channels + convolved * positions)
        return self.proj(attended * positions + convolved * channels)


class _WindowAttention(_Joined):
    """Attention within wide windows for half of the channels, and within high windows for the others."""

    def __init__(self, attention: Any, norm: nn.LayerNorm) -> None:
        super().__init__(attention, norm, by_channel=True)
        short, long = attention.split_size
        shift = attention.shift_size if attention.attn_mask_0 is not None else (0, 0)
        windows = (_Window(short, long, *shift), _Window(long, short, *reversed(shift)))
        weight, bias = behind_norm(norm, attention.qkv)
        half = self.channels // 2
        halves = [torch.arange(3 * self.channels).view(3, 2, half)[:, side].flatten() for side in (0, 1)]
        self.branches = nn.ModuleList(
            _Branch(linear_of(weight[rows], bias[rows]), branch, window, side)
            for side, (rows, branch, window) in enumerate(zip(halves, attention.attns, windows, strict=True))
        )

    def forward(self, x: Tensor, layout: _Layout) -> Tensor:
        normed = self.normed(x)
        parts = [branch(normed, layout) for branch in self.branches]
        return self.join(torch.cat([one for one, _ in parts], 2), torch.cat([values for _, values in parts], 2), layout)


class _Branch(nn.Module):
    """Window attention for half of the channels."""

    def __init__(self, qkv: nn.Linear, attention: FusedRectangularAttention, window: _Window, side: int) -> None:
        """Build the branch; `side` is 0 for wide windows, 1 for high ones."""
        super().__init__()
        self.side = side
        self.heads, self.window, self.width = attention.heads, window, qkv.out_features // 3
        with torch.no_grad():
            qkv.weight[: self.width] *= attention.scale
            qkv.bias[: self.width] *= attention.scale
        self.qkv, self.bias = qkv, nn.Parameter(attention.bias, requires_grad=False)

    def forward(self, x: Tensor, layout: _Layout) -> tuple[Tensor, Tensor]:
        """Return the result and the values, both (1, P, C / 2), for the normalised `x` (1, P, C)."""
        qkv, positions = self.qkv(x), self.window.height * self.window.width
        windows = layout.windows(qkv, self.window).view(-1, positions, 3, self.heads, self.width // self.heads)
        queries, keys, values = windows.permute(2, 0, 3, 1, 4)
        scores = queries @ keys.transpose(-2, -1) + self.bias
        if self.window.above:
            scores = scores + layout.masks[self.side]
        out = (torch.softmax(scores, -1) @ values).transpose(1, 2).reshape(-1, positions, self.width)
        return layout.image(out, self.window), qkv[:, :, 2 * self.width :]


class _ChannelAttention(_Joined):
    """Attention between the channels of each head, over all positions of the image."""

    others: Tensor

    def __init__(self, attention: Any, norm: nn.LayerNorm) -> None:
        super().__init__(attention, norm, by_channel=False)
        weight, bias = behind_norm(norm, attention.qkv)
        parts = zip(weight.split(self.channels), bias.split(self.channels), strict=True)
        self.queries, self.keys, self.values = (linear_of(*part) for part in parts)
        head = torch.arange(self.channels) // (self.channels // attention.num_heads)
        self.register_buffer("others", (head.view(-1, 1) != head) * MASKED)
        self.temperature = nn.Parameter(attention.temperature.detach().view(-1)[head].view(-1, 1), requires_grad=False)

    def forward(self, x: Tensor, layout: _Layout) -> Tensor:
        normed = self.normed(x)
        queries, keys, values = self.queries(normed), self.keys(normed), self.values(normed)
        norms = [one.square().sum(1).sqrt().clamp(min=_LEAST_NORM) for one in (queries, keys)]
        scores = queries.transpose(1, 2) @ keys / (norms[0].unsqueeze(2) * norms[1].unsqueeze(1))
        weights = torch.softmax(scores * self.temperature + self.others, -1)
        return self.join(values @ weights.transpose(1, 2), values, layout)


def _layout(height: Any, width: Any, split: tuple[int, int]) -> _Layout:
    """Return the layout for one image size; `split` has the shorter and the longer side of the windows."""
    short, long = split
    bottom, right = ((length + long - 1) // long * long - length for length in (height, width))
    layout = _Layout(height, width, bottom, right)
    whole = _Layout(height + bottom, width + right, 0, 0)
    inside = torch.ones(1, whole.height * whole.width, 1)
    shifted = _Window(short, long, short // 2, long // 2), _Window(long, short, long // 2, short // 2)
    masks = ((1 - whole.windows(inside, window)).view(-1, 1, 1, short * long) * MASKED for window in shifted)
    return replace(layout, masks=tuple(masks))


def _to_sequence(x: Tensor) -> Tensor:
    """Return a feature map as a sequence: (1, C, H, W) -> (1, P, C)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _linear(conv: nn.Conv2d) -> nn.Linear:
    """Return a 1 x 1 convolution as a linear layer."""
    return linear_of(conv.weight.flatten(1), conv.bias)
