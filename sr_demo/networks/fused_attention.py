"""Attention of spandrel's HAT, SwinIR and DRCT, computed with torch's fused scaled-dot-product attention, window by window.

Same weights, same result (to rounding): the softmax, the bias and the products run in one kernel instead of five passes
over memory. On a CPU a block goes from its first norm to its last sum with a few windows at a time: what it computes on the
way stays in the processor's cache, where the networks as they come write each step of the whole picture to memory and read it
back. A shift mask takes few values: one for the windows inside, one each for the right border, the lower border and the
corner. Windows with the same mask share one bias and are answered together.
Legend: B windows (all pictures), N positions in a window, M positions in its overlapping neighbourhood, C channels,
h heads, d = C / h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SHAPES = 32
"""Shapes whose layouts are kept, two numbers of 8 bytes for each position: the tiles of one picture come in at most nine."""
_AT_ONCE = 4096
"""Positions of all pictures that a CPU works on together: 4096 x 192 values of bf16 are 1.5 MB."""


@dataclass(frozen=True)
class Alike:
    """Neighbours in a `Layout` that have the same mask."""

    windows: int
    mask: Tensor | None
    """(N, N) of 0 and -100, or None where nothing is masked."""


@dataclass(frozen=True)
class Layout:
    """The positions of a picture window by window, shifted ones rolled before; windows with the same mask side by side."""

    order: Tensor
    """(H * W,): where each position of each window lies in the picture, row by row."""
    back: Tensor
    """(H * W,): where each position of the picture lies in `order`."""
    groups: tuple[Alike, ...]

    def pieces(self, most: int) -> Iterator[tuple[slice, Tensor | None]]:
        """Ranges of `order` with their masks: whole windows of one group, up to `most` positions but at least one window."""
        start = 0
        size = len(self.order) // sum(group.windows for group in self.groups)
        for group in self.groups:
            stop, step = start + group.windows * size, max(most // size, 1) * size
            for first in range(start, stop, step):
                yield slice(first, min(first + step, stop)), group.mask
            start = stop


def layout(height: int, width: int, window: int, shift: int, device: torch.device | None = None) -> Layout:
    """Of a picture of `height` x `width` positions, multiples of `window`, rolled by `shift` up and to the left."""
    kinds, of_window = torch.unique(_regions(height, width, window, shift), dim=0, return_inverse=True)
    positions = torch.arange(height * width).view(height, width).roll((-shift, -shift), (0, 1))
    order = _windows(positions, window)[of_window.argsort(stable=True)].flatten().to(device)
    groups = [
        Alike(int((of_window == kind).sum()), _mask(parts).to(device) if bool((parts != parts[0]).any()) else None)
        for kind, parts in enumerate(kinds)
    ]
    return Layout(order, order.argsort(), tuple(groups))


def _windows(positions: Tensor, window: int) -> Tensor:
    """(H, W) -> (windows, N), row by row."""
    height, width = positions.shape
    return positions.view(height // window, window, width // window, window).transpose(1, 2).reshape(-1, window**2)


def _regions(height: int, width: int, window: int, shift: int) -> Tensor:
    """(windows, N): which of nine parts of the picture each position comes from, once it was rolled by `shift`.

    Positions of one window see each other where they come from the same part.
    """

    def along(length: int) -> Tensor:
        part = torch.zeros(length, dtype=torch.uint8)
        part[-window:] = 1
        part[-shift:] = 2  # all of them where nothing is rolled
        return part

    return _windows(3 * along(height)[:, None] + along(width)[None, :], window)


def _mask(regions: Tensor) -> Tensor:
    """(N,) -> (N, N) of 0 and -100."""
    return (regions[:, None] != regions[None, :]) * -100.0


def fuse_attention(model: nn.Module) -> int:
    """Replace the attention modules of spandrel's HAT, SwinIR and DRCT inside `model`, in place; returns how many.

    Other architectures are left as they are. For inference only: biases are computed once and kept.
    """
    from spandrel.architectures.DRCT.__arch.drct_arch import SwinTransformerBlock as DrctBlock
    from spandrel.architectures.DRCT.__arch.drct_arch import WindowAttention as DrctAttention
    from spandrel.architectures.HAT.__arch.HAT import HAB, HAT, OCAB, WindowAttention
    from spandrel.architectures.SwinIR.__arch.SwinIR import SwinTransformerBlock as SwinBlock
    from spandrel.architectures.SwinIR.__arch.SwinIR import WindowAttention as SwinAttention

    replaced, layouts = 0, lru_cache(_SHAPES)(layout)
    for parent in list(model.modules()):
        if type(parent) is HAT:
            _leave_out_masks(parent)
        elif type(parent) in (HAB, SwinBlock, DrctBlock):
            parent.forward = _InWindows(parent, layouts)  # type: ignore[method-assign]
        for name, child in list(parent.named_children()):
            if type(child) is WindowAttention:
                setattr(parent, name, FusedWindowAttention(child))
            elif type(child) is OCAB:
                setattr(parent, name, FusedOverlappingAttention(child))
            elif type(child) in (SwinAttention, DrctAttention):
                setattr(parent, name, FusedIndexedAttention(child))
            else:
                continue
            replaced += 1
    return replaced


def _is_recorded() -> bool:
    """Whether the operations are being written down for a file instead of run for a result."""
    return torch.compiler.is_exporting() or torch.jit.is_tracing()


def _leave_out_masks(model: Any) -> None:
    """HAT writes down one mask for all its blocks, which took a tenth of the time: they know better from their layouts."""
    original: Callable[..., Tensor] = model.calculate_mask

    def calculate_mask(*size: Any, **named: Any) -> Tensor:
        # A file takes pictures of any shape: it must hold how a mask is made.
        return original(*size, **named) if _is_recorded() else torch.empty(0)

    model.calculate_mask = calculate_mask


class _InWindows:
    """The forward pass of a block of HAT, SwinIR or DRCT, a few windows at a time. The block keeps its parts."""

    def __init__(self, block: Any, layouts: Callable[..., Layout]) -> None:
        self._block = block
        self._plain: Callable[..., Tensor] = block.forward
        self._layouts = layouts

    def __call__(self, x: Tensor, x_size: tuple[int, int], *rest: Any) -> Tensor:
        """x (pictures, H * W, C) -> the same shape. `rest` is what HAT's blocks take too: position index and mask."""
        if _is_recorded():  # a file cannot choose windows by looking at the picture's shape
            return self._plain(x, x_size, *rest)
        block, (pictures, positions, channels) = self._block, x.shape
        where = self._layouts(*x_size, block.window_size, block.shift_size, x.device)
        beside = normed = None
        if hasattr(block, "conv_block"):
            normed = block.norm1(x)
            beside = block.conv_block(normed.view(pictures, *x_size, channels).permute(0, 3, 1, 2))
            beside = beside.permute(0, 2, 3, 1).reshape(x.shape)
        index = rest[0] if rest else block.attn.relative_position_index
        made = torch.empty_like(x)
        for here, mask in where.pieces(_AT_ONCE // pictures if x.device.type == "cpu" else positions):
            taken = partial(torch.index_select, dim=1, index=where.order[here])
            part = taken(x)
            asked = block.norm1(part) if normed is None else taken(normed)
            found = block.attn.attend(asked.view(-1, block.window_size**2, channels), index, mask).view(part.shape)
            found.add_(part)
            if beside is not None:
                found.add_(taken(beside), alpha=block.conv_scale)
            torch.add(found, block.mlp(block.norm2(found)), out=made[:, here])
        return made.index_select(1, where.back)


def _bias(table: Tensor, index: Tensor) -> Tensor:
    """Relative position bias: table (entries, h) looked up by index (N, M) -> (1, h, N, M)."""
    return table[index.reshape(-1)].view(*index.shape, -1).permute(2, 0, 1).unsqueeze(0).contiguous()


def _widened(qkv: Any, proj: Any, heads: int) -> tuple[nn.Linear, nn.Linear]:
    """Both with d rounded up to a multiple of 8, the new rows and columns 0: the result is the same.

    qkv (C -> 3 h d), proj (h d -> C), nn.Linear. With HAT's and SwinIR's d of 30 torch has no fused kernel with a bias on
    GPUs in bf16 and fp16, and a CPU's is up to a tenth slower than with 32.
    """
    inputs, extra = qkv.in_features, -(proj.in_features // heads) % 8
    if not extra:
        return qkv, proj
    rows = F.pad(qkv.weight.view(3, heads, -1, inputs), (0, 0, 0, extra)).reshape(-1, inputs)
    columns = F.pad(proj.weight.view(proj.out_features, heads, -1), (0, extra)).flatten(1)
    bias = None if qkv.bias is None else F.pad(qkv.bias.view(3, heads, -1), (0, extra)).flatten()
    return _linear(rows, bias), _linear(columns, proj.bias)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, weight.device, weight.dtype)
    made.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return made


class FusedWindowAttention(nn.Module):
    """Window self-attention, plain or shifted (Liu et al. 2021, arXiv 2103.14030)."""

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.heads: int = original.num_heads
        self.qkv, self.proj = _widened(original.qkv, original.proj, self.heads)
        self.scale: float = original.scale
        self.relative_position_bias_table = original.relative_position_bias_table
        self._kept: Tensor | None = None

    def forward(self, x: Tensor, rpi: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (B, N, C), rpi (N, N), mask as for `attend` -> (B, N, C)."""
        return self.attend(x, rpi, mask)

    def attend(self, x: Tensor, rpi: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, N, C), rpi (N, N) -> (B, N, C). mask: (N, N) of 0 and -100 for all windows, None where they see all of
        themselves, or, while a file is written, (B, N, N)."""
        count, positions, _ = x.shape
        q, k, v = self.qkv(x).view(count, positions, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self._bias_for(rpi, x.dtype)
        full = bias if mask is None else bias + mask.unsqueeze(-3).to(x.dtype)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=full, scale=self.scale)
        return self.proj(out.transpose(1, 2).reshape(count, positions, -1))

    def _bias_for(self, rpi: Tensor, dtype: torch.dtype) -> Tensor:
        if _is_recorded():
            return _bias(self.relative_position_bias_table, rpi).to(dtype)
        if self._kept is None or self._kept.dtype != dtype:
            self._kept = _bias(self.relative_position_bias_table, rpi).to(dtype)
        return self._kept


class FusedIndexedAttention(FusedWindowAttention):
    """The same for SwinIR and DRCT, whose modules keep the index of the position bias themselves."""

    relative_position_index: Tensor

    def __init__(self, original: Any) -> None:
        super().__init__(original)
        self.register_buffer("relative_position_index", original.relative_position_index)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """x (B, N, C), mask as for `attend` -> (B, N, C)."""
        return self.attend(x, self.relative_position_index, mask)


class FusedOverlappingAttention(nn.Module):
    """Overlapping cross-attention: each window asks a larger window around it (Chen et al. 2023, arXiv 2205.04437)."""

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.norm1, self.norm2, self.mlp = original.norm1, original.norm2, original.mlp
        self.heads: int = original.num_heads
        self.qkv, self.proj = _widened(original.qkv, original.proj, self.heads)
        self.scale: float = original.scale
        self.window: int = original.window_size
        self.reach: int = original.overlap_win_size
        self.relative_position_bias_table = original.relative_position_bias_table
        self._kept: Tensor | None = None

    def forward(self, x: Tensor, x_size: tuple[int, int], rpi: Tensor) -> Tensor:
        """x (pictures, H * W, C) with H, W multiples of the window, rpi (N, M) -> the same shape."""
        height, width = x_size
        count, channels = len(x), self.proj.in_features
        side, across = self.window, width // self.window
        pad = (self.reach - side) // 2
        qkv = self.qkv(self.norm1(x)).view(count, height, width, 3 * channels)
        known = F.pad(qkv[..., channels:], (0, 0, pad, pad, pad, pad))
        bias = self._bias_for(rpi, x.dtype)

        def band(top: int, bottom: int) -> Tensor:
            """Rows of the picture from `top` to `bottom`, multiples of the window: (pictures, rows * W, C)."""
            down = (bottom - top) // side
            q = qkv[:, top:bottom, :, :channels].reshape(count, down, side, across, side, self.heads, -1)
            q = q.permute(0, 1, 3, 5, 2, 4, 6).reshape(count * down * across, self.heads, side * side, -1)
            # Channels stay innermost, so that a window is copied in long runs, once.
            around = known[:, top : bottom + 2 * pad].unfold(1, self.reach, side).unfold(2, self.reach, side)
            around = around.permute(0, 1, 2, 4, 5, 3).reshape(count * down * across, self.reach**2, 2, self.heads, -1)
            k, v = around.permute(2, 0, 3, 1, 4)
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=self.scale)
            out = out.view(count, down, across, self.heads, side, side, -1).permute(0, 1, 4, 2, 5, 3, 6)
            part = self.proj(out.reshape(count, -1, channels)) + x[:, top * width : bottom * width]
            return part + self.mlp(self.norm2(part))

        if _is_recorded() or x.device.type != "cpu":
            return band(0, height)
        step = max(_AT_ONCE // (count * width * side), 1) * side
        return torch.cat([band(top, min(top + step, height)) for top in range(0, height, step)], dim=1)

    def _bias_for(self, rpi: Tensor, dtype: torch.dtype) -> Tensor:
        if _is_recorded():
            return _bias(self.relative_position_bias_table, rpi).to(dtype)
        if self._kept is None or self._kept.dtype != dtype:
            self._kept = _bias(self.relative_position_bias_table, rpi).to(dtype)
        return self._kept
