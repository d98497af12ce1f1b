"""spandrel's HAT and DRCT written for an engine that compiles whole networks: same weights, same result to rounding.

OpenVINO is quick at arithmetic and slow at moving data while heights and widths are open, and these networks as spandrel has
them move data around each of their layers. Here a shifted window is one of a grid that begins half a window outside of the
picture, so that nothing is rolled and only keys outside are masked; overlapping windows are fetched by a list of positions
made once for all layers; pictures and keys are turned in the one way that is quick there; and what follows from the weights
alone is in the weights: the scale of queries, normalisations in front of linear layers, the mean colour, and the last
convolution, which comes before its PixelShuffle instead of after it.
Legend: B windows, N positions in a window, M positions that it looks at, C channels, h heads, d width of a head.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.fused_attention import (
    FusedOverlappingAttention,
    FusedWindowAttention,
    fuse_attention,
    linear_of,
    position_bias,
)

_SMALLEST = 16
"""Pixels per side below which spandrel pads a picture for these networks."""
_SKIP = 0.2
"""What DRCT multiplies the result of a group with."""
_HIDDEN = -100.0
"""Added to the score of a key outside of the picture: what the network adds itself to keys of another part."""


def is_written(network: Any) -> bool:
    """Whether `network`, an nn.Module or a spandrel descriptor, is a HAT or DRCT of the kind that is written here: all
    published ones are."""
    from spandrel.architectures.DRCT import DRCT
    from spandrel.architectures.HAT import HAT

    model: Any = getattr(network, "model", network)
    if type(model) not in (HAT, DRCT) or model.ape or not model.patch_norm or model.img_range != 1:
        return False
    first: Any = model.layers[0]
    block = first.swin1 if type(model) is DRCT else first.residual_group.blocks[0]
    return (
        model.upsampler == "pixelshuffle"
        and isinstance(model.conv_after_body, nn.Conv2d)
        and block.attn.qkv.bias is not None
        and model.embed_dim % 4 == 0
        and model.window_size % 4 == 0
    )


def as_graph(network: Any) -> nn.Module:
    """What `network`, of which `is_written` is true, computes, on weights of its own in fp32: (1, 3, H, W) ->
    (1, 3, H * scale, W * scale), H and W of any size."""
    from spandrel.architectures.DRCT import DRCT

    model: Any = copy.deepcopy(getattr(network, "model", network)).float().eval()
    fuse_attention(model)
    if isinstance(model, DRCT):
        return _Network(model, [_DenseGroup(layer) for layer in model.layers], _SMALLEST, model.window_size).eval()
    reach: int = model.layers[0].residual_group.overlap_attn.reach
    return _Network(model, [_HybridGroup(layer, model) for layer in model.layers], model.window_size, reach).eval()


@dataclass(frozen=True)
class _Plan:
    """What all layers share for one size of picture."""

    height: Any
    width: Any
    mask: Tensor
    """(B, 1, 1, N) for shifted windows: 0 for keys in the picture, `_HIDDEN` for others."""
    around: Tensor
    """(B * M): the positions of the larger window around each one, in a padded picture."""


class _Network(nn.Module):
    """The whole network; its groups are what makes it HAT or DRCT."""

    mean: Tensor

    def __init__(self, model: Any, groups: list[nn.Module], multiple_of: int, reach: int) -> None:
        """Pictures are padded to sides that are a multiple of `multiple_of`; `reach` is the side of the larger windows."""
        super().__init__()
        self.scale: int = model.upscale
        self.window: int = model.window_size
        self.multiple_of, self.reach = multiple_of, reach
        self.register_buffer("mean", model.mean.view(1, 3, 1, 1).clone())
        self.first, self.norm_first = model.conv_first, model.patch_embed.norm
        self.groups = nn.ModuleList(groups)
        self.norm_last, self.after, self.before = model.norm, model.conv_after_body, model.conv_before_upsample
        *upsample, last, self.shuffle = model.upsample
        self.upsample = nn.Sequential(*upsample)
        self.last = _Pair(last, _before_shuffle(model.conv_last, self.shuffle.upscale_factor, model.mean.view(3)))

    def forward(self, x: Tensor) -> Tensor:
        full_height, full_width = x.shape[2], x.shape[3]
        x = _padded(_padded(x - self.mean, 2, self.multiple_of), 3, self.multiple_of)
        plan = _plan(x.shape[2], x.shape[3], self.window, self.reach)
        shallow = self.first(x)
        deep = self.norm_first(_flat(shallow))
        for group in self.groups:
            deep = group(deep, plan)
        x = self.after(_picture(self.norm_last(deep), plan)) + shallow
        x = self.shuffle(self.last(self.upsample(self.before(x))))
        return x[:, :, : full_height * self.scale, : full_width * self.scale]


class _HybridGroup(nn.Module):
    """HAT's: hybrid blocks, one overlapping block, a convolution, and a skip over all of them."""

    def __init__(self, layer: Any, model: Any) -> None:
        super().__init__()
        group = layer.residual_group
        self.blocks = nn.ModuleList(_Hybrid(block, model.relative_position_index_SA) for block in group.blocks)
        self.overlapping = _Overlapping(group.overlap_attn, model.relative_position_index_OCA)
        self.conv = layer.conv

    def forward(self, x: Tensor, plan: _Plan) -> Tensor:
        """x (1, H * W, C) -> the same shape, as for all that follows."""
        skip = x
        for block in self.blocks:
            x = block(x, plan)
        return _flat(self.conv(_picture(self.overlapping(x, plan), plan))) + skip


class _DenseGroup(nn.Module):
    """DRCT's: transformer blocks that each see what all before them gave, and a skip over all of them."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        blocks = [getattr(layer, f"swin{number}") for number in range(1, 6)]
        adjust = [getattr(layer, f"adjust{number}") for number in range(1, 6)]
        self.blocks = nn.ModuleList(_Swin(block) for block in blocks)
        self.adjust = nn.ModuleList(linear_of(conv.weight.flatten(1), conv.bias) for conv in adjust[:-1])
        self.last = linear_of(adjust[-1].weight.flatten(1) * _SKIP, adjust[-1].bias * _SKIP)
        self.activation = layer.lrelu

    def forward(self, x: Tensor, plan: _Plan) -> Tensor:
        found = [x]
        for block, linear in zip(self.blocks, self.adjust, strict=False):
            found.append(self.activation(linear(block(torch.cat(found, 2), plan))))
        return self.last(self.blocks[-1](torch.cat(found, 2), plan)) + x


class _Swin(nn.Module):
    """Attention in windows, then a perceptron."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.window, self.shift = block.window_size, block.shift_size
        self.norm, self.attention = block.norm1, _Attention(block.attn, block.attn.relative_position_index)
        self.perceptron = _Perceptron(block)

    def forward(self, x: Tensor, plan: _Plan) -> Tensor:
        x = x + self.attention.in_windows(self.norm(x), plan, self.window, self.shift)
        return x + self.perceptron(x)


class _Hybrid(nn.Module):
    """Attention in windows beside a convolution branch, then a perceptron."""

    def __init__(self, block: Any, index: Tensor) -> None:
        super().__init__()
        self.window, self.shift = block.window_size, block.shift_size
        self.norm, self.attention = block.norm1, _Attention(block.attn, index)
        self.convolutions, self.weigh = block.conv_block.cab[:3], block.conv_block.cab[3].attention
        self.factor: float = block.conv_scale
        self.perceptron = _Perceptron(block)

    def forward(self, x: Tensor, plan: _Plan) -> Tensor:
        normed = self.norm(x)
        branch = self.convolutions(_picture(normed, plan))
        weight = (self.weigh(branch) * self.factor).flatten(1).unsqueeze(1)
        x = _flat(branch) * weight + self.attention.in_windows(normed, plan, self.window, self.shift) + x
        return x + self.perceptron(x)


class _Overlapping(nn.Module):
    """Attention of windows to larger ones around them, then a perceptron."""

    def __init__(self, block: FusedOverlappingAttention, index: Tensor) -> None:
        super().__init__()
        self.window, self.pad = block.window, (block.reach - block.window) // 2
        self.norm, self.attention = block.norm1, _Attention(block, index)
        self.perceptron = _Perceptron(block)

    def forward(self, x: Tensor, plan: _Plan) -> Tensor:
        normed, attention = self.norm(x), self.attention
        queries, keys, values = (linear(normed) for linear in attention.qkv)
        queries = _parted(queries, plan, self.window)
        found = attention(queries, self._around(keys, plan), self._around(values, plan), None)
        x = x + _joined(found, plan, self.window)
        return x + self.perceptron(x)

    def _around(self, x: Tensor, plan: _Plan) -> Tensor:
        """(1, H * W, h * d) -> (B, M, h * d), 0 outside of the picture."""
        padded = _grid(x, plan, self.pad).flatten(0, 2)
        return padded.index_select(0, plan.around).view(-1, self.attention.looked_at, x.shape[-1])


class _Attention(nn.Module):
    """softmax(q k' + bias + mask) v of every head, and its projection."""

    def __init__(self, fused: FusedWindowAttention | FusedOverlappingAttention, index: Tensor) -> None:
        """`index` (N, M): where a pair of positions finds its bias in the table."""
        super().__init__()
        self.heads, self.proj = fused.heads, fused.proj
        self.width: int = fused.proj.in_features
        self.positions, self.looked_at = index.shape
        (q, k, v), (to_q, to_k, to_v) = fused.qkv.weight.split(self.width), fused.qkv.bias.split(self.width)
        linears = linear_of(q * fused.scale, to_q * fused.scale), linear_of(k, to_k), linear_of(v, to_v)
        self.qkv = nn.ModuleList(linears)
        bias = position_bias(fused.relative_position_bias_table, index)
        self.bias = nn.Parameter(bias.unsqueeze(0).detach().contiguous())

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """q (B, N, h * d), k and v (B, M, h * d), mask (B, 1, 1, M) -> (B, N, C)."""
        heads, depth = self.heads, self.width // self.heads
        queries = q.view(-1, self.positions, heads, depth).transpose(1, 2)
        values = v.view(-1, self.looked_at, heads, depth).transpose(1, 2)
        # (B, M, h * d) -> (B, h * d, M): quick where the last of four axes becomes the second, and no other way.
        keys = k.view(-1, 4, self.looked_at // 4, self.width).permute(0, 3, 1, 2)
        scores = queries @ keys.reshape(-1, heads, depth, self.looked_at) + self.bias
        if mask is not None:
            scores = scores + mask
        out = torch.softmax(scores, -1) @ values
        return self.proj(out.transpose(1, 2).reshape(-1, self.positions, self.width))

    def in_windows(self, x: Tensor, plan: _Plan, window: int, shift: int) -> Tensor:
        """x (1, H * W, C) -> the same shape: each window sees itself."""
        parts = _parted(x, plan, window, shift)
        found = self(*(linear(parts) for linear in self.qkv), plan.mask if shift else None)
        return _joined(found, plan, window, shift)


class _Perceptron(nn.Module):
    """A normalisation, whose scale and offset are in the layer after it, and two linear layers."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        norm, first = block.norm2, block.mlp.fc1
        self.epsilon: float = norm.eps
        self.first = linear_of(first.weight * norm.weight, first.bias + first.weight @ norm.bias)
        self.second = block.mlp.fc2

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.gelu(self.first(F.layer_norm(x, (self.first.in_features,), eps=self.epsilon))))


class _Pair(nn.Module):
    """Two convolutions of 3 x 3 with nothing in between, as one of 5 x 5, which has no hundred channels in between.

    At the border the second one sees zeros where the first would go on. There, both take their turns on strips of three.
    """

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d) -> None:
        super().__init__()
        assert first.bias is not None and second.bias is not None, "these networks' convolutions have one"
        self.both = nn.Sequential(first, second)
        self.joint = nn.Conv2d(first.in_channels, second.out_channels, 5, padding=1)
        weight = F.conv2d(first.weight.transpose(0, 1), second.weight.flip(2, 3), padding=2).transpose(0, 1)
        self.joint.weight = nn.Parameter(weight.detach().contiguous())
        self.joint.bias = nn.Parameter((second.weight.sum((2, 3)) @ first.bias + second.bias).detach())

    def forward(self, x: Tensor) -> Tensor:
        """x (1, C, H, W), H and W at least 3."""
        upper, lower = self.both(x[:, :, :3])[:, :, :1], self.both(x[:, :, -3:])[:, :, -1:]
        left, right = self.both(x[..., :3])[:, :, 1:-1, :1], self.both(x[..., -3:])[:, :, 1:-1, -1:]
        return torch.cat((upper, torch.cat((left, self.joint(x), right), 3), lower), 2)


def _plan(height: Any, width: Any, window: int, reach: int) -> _Plan:
    """For a picture whose sides are multiples of `window`; `reach` is the side of the larger windows."""
    near = torch.arange(reach)
    y = (torch.arange(height // window) * window).view(-1, 1, 1, 1) + near.view(-1, 1)
    x = (torch.arange(width // window) * window).view(-1, 1, 1) + near
    around = (y * (width + reach - window) + x).flatten()
    inside = torch.ones(1, height * width, 1)
    unmasked = _Plan(height, width, inside, around)
    mask = (1 - _parted(inside, unmasked, window, window // 2)) * _HIDDEN
    return replace(unmasked, mask=mask.view(-1, 1, 1, window * window))


def _padded(x: Tensor, axis: int, multiple_of: int) -> Tensor:
    """Mirrored at the end of `axis` up to a multiple of `multiple_of` and to `_SMALLEST`; where the picture is too small for
    that, its first row goes on. As spandrel pads."""
    length = x.shape[axis]
    wanted: Any = torch.as_tensor(length).clamp(min=_SMALLEST)  # no `max`: a recording would keep this picture's answer
    at = torch.arange((wanted + multiple_of - 1) // multiple_of * multiple_of)
    return x.index_select(axis, torch.minimum(at, (2 * (length - 1) - at).clamp(min=0)))


def _before_shuffle(conv: nn.Conv2d, factor: int, offset: Tensor) -> nn.Conv2d:
    """A convolution that does before PixelShuffle(`factor`) what `conv`, 3 x 3 and padded by 1, does after it; `offset`, one
    for each of its channels, is added."""
    count, channels = conv.out_channels, conv.in_channels
    weight = torch.zeros(count, factor, factor, channels, factor, factor, 3, 3)
    for y in range(factor):
        for x in range(factor):
            for tap_y in range(3):
                for tap_x in range(3):
                    (low_y, of_y), (low_x, of_x) = divmod(y + tap_y - 1, factor), divmod(x + tap_x - 1, factor)
                    weight[:, y, x, :, of_y, of_x, low_y + 1, low_x + 1] = conv.weight[:, :, tap_y, tap_x].detach()
    made = nn.Conv2d(channels * factor**2, count * factor**2, 3, padding=1)
    made.weight = nn.Parameter(weight.view(made.weight.shape))
    assert conv.bias is not None, "these networks' convolutions have one"
    made.bias = nn.Parameter((conv.bias + offset).detach().repeat_interleave(factor**2))
    return made


def _grid(x: Tensor, plan: _Plan, pad: int = 0) -> Tensor:
    """(1, H * W, C) -> (1, H + 2 * pad, W + 2 * pad, C), 0 around the picture."""
    x = x.view(1, plan.height, plan.width, -1)
    return F.pad(x, (0, 0, pad, pad, pad, pad)) if pad else x


def _parted(x: Tensor, plan: _Plan, window: int, shift: int = 0) -> Tensor:
    """(1, H * W, C) -> (B, N, C): windows of a grid that begins `shift` pixels above the picture and left of it, and ends as
    far behind it; twice `shift` is a window."""
    down, across = (plan.height + 2 * shift) // window, (plan.width + 2 * shift) // window
    cells = _grid(x, plan, shift).view(down, window, across, window, -1)
    return cells.permute(0, 2, 1, 3, 4).flatten(0, 1).flatten(1, 2)


def _joined(x: Tensor, plan: _Plan, window: int, shift: int = 0) -> Tensor:
    """(B, N, C) -> (1, H * W, C): `_parted` undone."""
    down, across = (plan.height + 2 * shift) // window, (plan.width + 2 * shift) // window
    cells = x.view(down, across, window, window, -1).permute(0, 2, 1, 3, 4)
    grid = cells.reshape(1, down * window, across * window, -1)
    return (
        grid[:, shift : shift + plan.height, shift : shift + plan.width].flatten(1, 2) if shift else grid.flatten(1, 2)
    )


def _picture(x: Tensor, plan: _Plan) -> Tensor:
    """(1, H * W, C) -> (1, C, H, W)."""
    return _grid(x, plan).permute(0, 3, 1, 2)


def _flat(x: Tensor) -> Tensor:
    """(1, C, H, W) -> (1, H * W, C), by the permutation that is quick."""
    return x.flatten(2).unflatten(1, (4, -1)).permute(0, 3, 1, 2).flatten(2)
