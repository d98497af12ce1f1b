"""spandrel's HAT, DRCT and DAT rewritten for graph compilers: same weights, same result to rounding.

With dynamic heights and widths, OpenVINO is fast at arithmetic but slow at moving data, and spandrel's networks move data in
every layer. Differences:

- A shifted window belongs to a grid that begins half a window outside of the image, so that nothing is rolled and only
  keys outside of the image are masked.
- Overlapping windows are gathered by an index that all layers share.
- Images and keys are transposed by the only permutation that is fast.
- Operations that depend only on weights are folded into them: the scale of the queries, normalisations before linear layers,
  the mean colour, and the convolutions of the upscaling (`linear_tail`).

DAT, which shares little with the others, is in `dat_graph`.

Legend: B windows, N positions in a window, M positions of its keys, C channels, h heads, d channels of a head.
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
from sr_demo.networks.linear_tail import LinearTail

_SMALLEST = 16
"""Sides in pixels below which spandrel pads an image for these networks."""
_SKIP = 0.2
"""DRCT's factor on the result of a group."""
MASKED = -100.0
"""Added to the score of a key outside of the image; the same value as in the original shift masks."""


def is_supported(network: Any) -> bool:
    """Return whether `as_graph` can rewrite `network`, an nn.Module or a spandrel descriptor.

    True for HAT, DRCT and DAT in the variants of all published checkpoints.
    """
    from spandrel.architectures.DAT import DAT
    from spandrel.architectures.DRCT import DRCT
    from spandrel.architectures.HAT import HAT

    from sr_demo.networks import dat_graph

    model: Any = getattr(network, "model", network)
    if type(model) is DAT:
        return dat_graph.is_supported(model)
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
    """Return a module that computes the same as `network`, in fp32 and with its own weights.

    Args:
        network: An nn.Module or descriptor for which `is_supported` is true; it is not changed.

    Returns:
        (1, 3, H, W) -> (1, 3, scale * H, scale * W), not clamped, for any H and W.
    """
    from spandrel.architectures.DAT import DAT
    from spandrel.architectures.DRCT import DRCT

    from sr_demo.networks import dat_graph

    model: Any = getattr(network, "model", network)
    if isinstance(model, DAT):
        return dat_graph.as_graph(model)
    model = copy.deepcopy(model).float().eval()
    fuse_attention(model)
    if isinstance(model, DRCT):
        return _Network(model, [_DenseGroup(layer) for layer in model.layers], _SMALLEST, model.window_size).eval()
    reach: int = model.layers[0].residual_group.overlap_attn.reach
    return _Network(model, [_HybridGroup(layer, model) for layer in model.layers], model.window_size, reach).eval()


@dataclass(frozen=True)
class _Layout:
    """Data that all layers share for one image size."""

    height: Any
    width: Any
    mask: Tensor
    """(B, 1, 1, N) for shifted windows: 0 for keys inside the image, `MASKED` for others."""
    overlapping: Tensor
    """(B * M,): indices of the positions of all overlapping windows in a padded image."""


class _Network(nn.Module):
    """The whole network; its groups determine whether it is HAT or DRCT."""

    mean: Tensor

    def __init__(self, model: Any, groups: list[nn.Module], multiple_of: int, reach: int) -> None:
        """Build the network; images are padded to multiples of `multiple_of`, overlapping windows have the side `reach`."""
        super().__init__()
        self.scale: int = model.upscale
        self.window: int = model.window_size
        self.multiple_of, self.reach = multiple_of, reach
        self.register_buffer("mean", model.mean.view(1, 3, 1, 1).clone())
        self.first, self.norm_first = model.conv_first, model.patch_embed.norm
        self.groups = nn.ModuleList(groups)
        self.norm_last, self.after, self.before = model.norm, model.conv_after_body, model.conv_before_upsample
        model.conv_last.bias = nn.Parameter((model.conv_last.bias + model.mean.view(3)).detach())
        self.tail = LinearTail(nn.Sequential(*model.upsample, model.conv_last))

    def forward(self, x: Tensor) -> Tensor:
        full_height, full_width = x.shape[2], x.shape[3]
        x = padded(padded(x - self.mean, 2, self.multiple_of), 3, self.multiple_of)
        layout = _layout(x.shape[2], x.shape[3], self.window, self.reach)
        shallow = self.first(x)
        deep = self.norm_first(_to_sequence(shallow))
        for group in self.groups:
            deep = group(deep, layout)
        x = self.after(_to_map(self.norm_last(deep), layout)) + shallow
        x = self.tail(self.before(x))
        return x[:, :, : full_height * self.scale, : full_width * self.scale]


class _HybridGroup(nn.Module):
    """HAT's group: hybrid blocks, one overlapping block, a convolution, and a skip connection over all of them."""

    def __init__(self, layer: Any, model: Any) -> None:
        super().__init__()
        group = layer.residual_group
        self.blocks = nn.ModuleList(_HybridBlock(block, model.relative_position_index_SA) for block in group.blocks)
        self.overlapping_block = _OverlappingBlock(group.overlap_attn, model.relative_position_index_OCA)
        self.conv = layer.conv

    def forward(self, x: Tensor, layout: _Layout) -> Tensor:
        """Process `x`, (1, H * W, C) -> the same shape, as in all groups and blocks."""
        skip = x
        for block in self.blocks:
            x = block(x, layout)
        return _to_sequence(self.conv(_to_map(self.overlapping_block(x, layout), layout))) + skip


class _DenseGroup(nn.Module):
    """DRCT's group: densely connected transformer blocks and a skip connection over all of them."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        blocks = [getattr(layer, f"swin{number}") for number in range(1, 6)]
        adjust = [getattr(layer, f"adjust{number}") for number in range(1, 6)]
        self.blocks = nn.ModuleList(_SwinBlock(block) for block in blocks)
        self.adjust = nn.ModuleList(linear_of(conv.weight.flatten(1), conv.bias) for conv in adjust[:-1])
        self.last = linear_of(adjust[-1].weight.flatten(1) * _SKIP, adjust[-1].bias * _SKIP)
        self.activation = layer.lrelu

    def forward(self, x: Tensor, layout: _Layout) -> Tensor:
        features = [x]
        for block, linear in zip(self.blocks, self.adjust, strict=False):
            features.append(self.activation(linear(block(torch.cat(features, 2), layout))))
        return self.last(self.blocks[-1](torch.cat(features, 2), layout)) + x


class _SwinBlock(nn.Module):
    """Window attention, then an MLP."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.window, self.shift = block.window_size, block.shift_size
        self.norm, self.attention = block.norm1, _Attention(block.attn, block.attn.relative_position_index)
        self.mlp = _MLP(block)

    def forward(self, x: Tensor, layout: _Layout) -> Tensor:
        x = x + self.attention.in_windows(self.norm(x), layout, self.window, self.shift)
        return x + self.mlp(x)


class _HybridBlock(nn.Module):
    """Window attention in parallel with a convolution branch (CAB), then an MLP."""

    def __init__(self, block: Any, index: Tensor) -> None:
        super().__init__()
        self.window, self.shift = block.window_size, block.shift_size
        self.norm, self.attention = block.norm1, _Attention(block.attn, index)
        self.convolutions, self.weigh = block.conv_block.cab[:3], block.conv_block.cab[3].attention
        self.factor: float = block.conv_scale
        self.mlp = _MLP(block)

    def forward(self, x: Tensor, layout: _Layout) -> Tensor:
        normed = self.norm(x)
        branch = self.convolutions(_to_map(normed, layout))
        weight = (self.weigh(branch) * self.factor).flatten(1).unsqueeze(1)
        x = _to_sequence(branch) * weight + self.attention.in_windows(normed, layout, self.window, self.shift) + x
        return x + self.mlp(x)


class _OverlappingBlock(nn.Module):
    """Attention of windows to larger windows around them (OCAB), then an MLP."""

    def __init__(self, block: FusedOverlappingAttention, index: Tensor) -> None:
        super().__init__()
        self.window, self.pad = block.window, (block.reach - block.window) // 2
        self.norm, self.attention = block.norm1, _Attention(block, index)
        self.mlp = _MLP(block)

    def forward(self, x: Tensor, layout: _Layout) -> Tensor:
        normed, attention = self.norm(x), self.attention
        queries, keys, values = (linear(normed) for linear in attention.qkv)
        queries = _to_windows(queries, layout, self.window)
        features = attention(queries, self._gather_windows(keys, layout), self._gather_windows(values, layout), None)
        x = x + _from_windows(features, layout, self.window)
        return x + self.mlp(x)

    def _gather_windows(self, x: Tensor, layout: _Layout) -> Tensor:
        """Gather the overlapping windows: (1, H * W, h * d) -> (B, M, h * d), with zeros outside of the image."""
        padded = _grid(x, layout, self.pad).flatten(0, 2)
        return padded.index_select(0, layout.overlapping).view(-1, self.attention.key_count, x.shape[-1])


class _Attention(nn.Module):
    """softmax(q k' + bias + mask) v for every head, and the output projection."""

    def __init__(self, fused: FusedWindowAttention | FusedOverlappingAttention, index: Tensor) -> None:
        """Build the module; `index` (N, M) is the entry of the bias table for each pair of positions."""
        super().__init__()
        self.heads, self.proj = fused.heads, fused.proj
        self.width: int = fused.proj.in_features
        self.positions, self.key_count = index.shape
        (q, k, v), (to_q, to_k, to_v) = fused.qkv.weight.split(self.width), fused.qkv.bias.split(self.width)
        linears = linear_of(q * fused.scale, to_q * fused.scale), linear_of(k, to_k), linear_of(v, to_v)
        self.qkv = nn.ModuleList(linears)
        bias = position_bias(fused.relative_position_bias_table, index)
        self.bias = nn.Parameter(bias.unsqueeze(0).detach().contiguous())

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Compute the attention.

        Args:
            q: (B, N, h * d), scaled.
            k: (B, M, h * d).
            v: (B, M, h * d).
            mask: (B, 1, 1, M) or None.

        Returns:
            (B, N, C).
        """
        heads, depth = self.heads, self.width // self.heads
        queries = q.view(-1, self.positions, heads, depth).transpose(1, 2)
        values = v.view(-1, self.key_count, heads, depth).transpose(1, 2)
        # (B, M, h * d) -> (B, h * d, M): OpenVINO has a fast path only for the permutation (0, 3, 1, 2) of four axes.
        keys = k.view(-1, 4, self.key_count // 4, self.width).permute(0, 3, 1, 2)
        scores = queries @ keys.reshape(-1, heads, depth, self.key_count) + self.bias
        if mask is not None:
            scores = scores + mask
        out = torch.softmax(scores, -1) @ values
        return self.proj(out.transpose(1, 2).reshape(-1, self.positions, self.width))

    def in_windows(self, x: Tensor, layout: _Layout, window: int, shift: int) -> Tensor:
        """Compute self-attention within windows that are shifted by `shift` pixels: (1, H * W, C) -> the same shape."""
        windows = _to_windows(x, layout, window, shift)
        features = self(*(linear(windows) for linear in self.qkv), layout.mask if shift else None)
        return _from_windows(features, layout, window, shift)


class _MLP(nn.Module):
    """Layer normalisation, with its affine part folded into the following layer, and two linear layers."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        norm, first = block.norm2, block.mlp.fc1
        self.epsilon: float = norm.eps
        self.first = linear_of(*behind_norm(norm, first))
        self.second = block.mlp.fc2

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.gelu(self.first(F.layer_norm(x, (self.first.in_features,), eps=self.epsilon))))


def _layout(height: Any, width: Any, window: int, reach: int) -> _Layout:
    """Return the layout for one image size.

    Args:
        height: Multiple of `window`.
        width: Multiple of `window`.
        window: Side of the windows.
        reach: Side of the overlapping windows.
    """
    near = torch.arange(reach)
    y = (torch.arange(height // window) * window).view(-1, 1, 1, 1) + near.view(-1, 1)
    x = (torch.arange(width // window) * window).view(-1, 1, 1) + near
    overlapping = (y * (width + reach - window) + x).flatten()
    inside = torch.ones(1, height * width, 1)
    unmasked = _Layout(height, width, inside, overlapping)
    mask = (1 - _to_windows(inside, unmasked, window, window // 2)) * MASKED
    return replace(unmasked, mask=mask.view(-1, 1, 1, window * window))


def behind_norm(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Return weight and bias of `linear` with the affine part of the preceding normalisation folded in."""
    return (linear.weight * norm.weight).detach(), (linear.bias + linear.weight @ norm.bias).detach()


def padded(x: Tensor, axis: int, multiple_of: int) -> Tensor:
    """Pad the end of `axis` by reflection, to a multiple of `multiple_of` and to at least `_SMALLEST`.

    If the image is too small for a reflection, its first row is repeated, as in spandrel.
    """
    length = x.shape[axis]
    target: Any = torch.as_tensor(length).clamp(min=_SMALLEST)  # no `max`: tracing would record this image's value
    at = torch.arange((target + multiple_of - 1) // multiple_of * multiple_of)
    return x.index_select(axis, torch.minimum(at, (2 * (length - 1) - at).clamp(min=0)))


def _grid(x: Tensor, layout: _Layout, pad: int = 0) -> Tensor:
    """Return a sequence as a zero-padded grid: (1, H * W, C) -> (1, H + 2 * pad, W + 2 * pad, C)."""
    x = x.view(1, layout.height, layout.width, -1)
    return F.pad(x, (0, 0, pad, pad, pad, pad)) if pad else x


def _to_windows(x: Tensor, layout: _Layout, window: int, shift: int = 0) -> Tensor:
    """Partition a sequence into windows: (1, H * W, C) -> (B, N, C).

    The grid of windows begins `shift` pixels above and left of the image, and ends as far below and right of it. `shift` is 0
    or half a window.
    """
    down, across = (layout.height + 2 * shift) // window, (layout.width + 2 * shift) // window
    cells = _grid(x, layout, shift).view(down, window, across, window, -1)
    return cells.permute(0, 2, 1, 3, 4).flatten(0, 1).flatten(1, 2)


def _from_windows(x: Tensor, layout: _Layout, window: int, shift: int = 0) -> Tensor:
    """Invert `_to_windows`: (B, N, C) -> (1, H * W, C)."""
    down, across = (layout.height + 2 * shift) // window, (layout.width + 2 * shift) // window
    cells = x.view(down, across, window, window, -1).permute(0, 2, 1, 3, 4)
    grid = cells.reshape(1, down * window, across * window, -1)
    return (
        grid[:, shift : shift + layout.height, shift : shift + layout.width].flatten(1, 2)
        if shift
        else grid.flatten(1, 2)
    )


def _to_map(x: Tensor, layout: _Layout) -> Tensor:
    """Return a sequence as a feature map: (1, H * W, C) -> (1, C, H, W)."""
    return _grid(x, layout).permute(0, 3, 1, 2)


def _to_sequence(x: Tensor) -> Tensor:
    """Return a feature map as a sequence, by the permutation with a fast path: (1, C, H, W) -> (1, H * W, C)."""
    return x.flatten(2).unflatten(1, (4, -1)).permute(0, 3, 1, 2).flatten(2)
