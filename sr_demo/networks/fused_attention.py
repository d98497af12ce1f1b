"""Attention of spandrel's HAT, SwinIR and DRCT, computed with torch's fused scaled-dot-product attention.

Same weights, same result (to rounding): the softmax, the bias and the products run in one kernel instead of five passes
over memory. A shift mask takes few values: one for the windows inside, one each for the right border, the lower border and
the corner. Windows with the same mask share one bias and are answered in one call, from where they lie. The networks as
they come write the mask down anew for every picture, and some for every layer, which took a tenth of the time; here it is
known by the shape of the picture.
Legend: B windows (all pictures), N positions in a window, M positions in its overlapping neighbourhood, C channels,
h heads, d = C / h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SHAPES = 32
"""Shapes whose masks are kept, tens of kB each: the tiles of one picture come in at most nine."""


@dataclass(frozen=True)
class Alike:
    """Windows of one picture that have the same mask."""

    windows: tuple[slice, ...]
    mask: Tensor | None
    """(N, N), or None where nothing is masked."""


class Masks:
    """The shift masks of one network, found once for each shape of picture."""

    def __init__(self) -> None:
        self.regions = lru_cache(_SHAPES)(regions)
        self.groups = lru_cache(_SHAPES)(_groups)
        """By the very tensor that `regions` returned, which is why both keep as many."""

    def replace(self, module: Any) -> None:
        """Let `module`, which writes down masks for its attention, say `regions` instead."""
        original: Callable[..., Tensor] = module.calculate_mask

        def calculate_mask(size: tuple[int, int], *rest: Any, **named: Any) -> Tensor:
            if _is_recorded():  # a file takes pictures of any shape: it must hold how a mask is made
                return original(size, *rest, **named)
            return self.regions(*size, module.window_size, module.shift_size, next(module.parameters()).device)

        module.calculate_mask = calculate_mask
        if getattr(module, "attn_mask", None) is not None:  # that of the shape it was trained with
            height, width = module.input_resolution
            module.attn_mask = regions(height, width, module.window_size, module.shift_size)


def regions(height: int, width: int, window: int, shift: int, device: torch.device | None = None) -> Tensor:
    """(windows, N): which of nine parts of the picture each position comes from, once it was rolled by `shift`.

    Positions of one window see each other where they come from the same part.
    """

    def along(length: int) -> Tensor:
        part = torch.zeros(length, dtype=torch.uint8, device=device)
        part[-window:] = 1
        part[-shift:] = 2  # all of them where nothing is rolled
        return part

    parts = 3 * along(height)[:, None] + along(width)[None, :]
    return parts.view(height // window, window, width // window, window).transpose(1, 2).reshape(-1, window**2)


def _mask(regions: Tensor) -> Tensor:
    """(..., N) -> (..., N, N) of 0 and -100."""
    return (regions.unsqueeze(-1) != regions.unsqueeze(-2)) * -100.0


def _groups(regions: Tensor) -> tuple[Alike, ...]:
    """regions (windows, N) -> every window in exactly one group."""
    kinds, of_window = torch.unique(regions, dim=0, return_inverse=True)
    numbers = of_window.tolist()
    return tuple(
        Alike(
            _slices([window for window, number in enumerate(numbers) if number == kind]),
            _mask(parts) if bool((parts != parts[0]).any()) else None,
        )
        for kind, parts in enumerate(kinds)
    )


def _slices(numbers: list[int]) -> tuple[slice, ...]:
    """Rising numbers as slices of even steps: a row, a column or one alone is a view, and nothing is copied."""
    found: list[slice] = []
    first = 0
    while first < len(numbers):
        step = numbers[first + 1] - numbers[first] if first + 1 < len(numbers) else 1
        last = first
        while last + 1 < len(numbers) and numbers[last + 1] - numbers[last] == step:
            last += 1
        found.append(slice(numbers[first], numbers[last] + 1, step))
        first = last + 1
    return tuple(found)


def fuse_attention(model: nn.Module) -> int:
    """Replace the attention modules of spandrel's HAT, SwinIR and DRCT inside `model`, in place; returns how many.

    Other architectures are left as they are. For inference only: biases are computed once and kept.
    """
    from spandrel.architectures.DRCT.__arch.drct_arch import SwinTransformerBlock as DrctBlock
    from spandrel.architectures.DRCT.__arch.drct_arch import WindowAttention as DrctAttention
    from spandrel.architectures.HAT.__arch.HAT import HAT, OCAB, WindowAttention
    from spandrel.architectures.SwinIR.__arch.SwinIR import SwinTransformerBlock as SwinBlock
    from spandrel.architectures.SwinIR.__arch.SwinIR import WindowAttention as SwinAttention

    replaced, masks = 0, Masks()
    for parent in list(model.modules()):
        if type(parent) in (HAT, SwinBlock, DrctBlock):
            masks.replace(parent)
        for name, child in list(parent.named_children()):
            if type(child) is WindowAttention:
                setattr(parent, name, FusedWindowAttention(child, masks))
            elif type(child) is OCAB:
                setattr(parent, name, FusedOverlappingAttention(child))
            elif type(child) in (SwinAttention, DrctAttention):
                setattr(parent, name, FusedIndexedAttention(child, masks))
            else:
                continue
            replaced += 1
    return replaced


def _is_recorded() -> bool:
    """Whether the operations are being written down for a file instead of run for a result."""
    return torch.compiler.is_exporting() or torch.jit.is_tracing()


def position_bias(table: Tensor, index: Tensor) -> Tensor:
    """Relative position bias: table (entries, h) looked up by index (N, M) -> (h, N, M)."""
    return table[index.reshape(-1)].view(*index.shape, -1).permute(2, 0, 1)


def _bias(table: Tensor, index: Tensor) -> Tensor:
    """The same for all windows: (1, h, N, M), in one piece."""
    return position_bias(table, index).unsqueeze(0).contiguous()


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
    return linear_of(rows, bias), linear_of(columns, proj.bias)


def linear_of(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A layer of these weights (out, in) and offsets (out), for inference only."""
    made = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, weight.device, weight.dtype)
    made.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return made


class FusedWindowAttention(nn.Module):
    """Window self-attention, plain or shifted (Liu et al. 2021, arXiv 2103.14030)."""

    def __init__(self, original: Any, masks: Masks) -> None:
        super().__init__()
        self._masks = masks
        self.heads: int = original.num_heads
        self.qkv, self.proj = _widened(original.qkv, original.proj, self.heads)
        self.scale: float = original.scale
        self.relative_position_bias_table = original.relative_position_bias_table
        self._kept: Tensor | None = None

    def forward(self, x: Tensor, rpi: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (B, N, C), rpi (N, N), mask as for `attend` -> (B, N, C)."""
        return self.attend(x, rpi, mask)

    def attend(self, x: Tensor, rpi: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, N, C), rpi (N, N) -> (B, N, C). mask: regions (windows per picture, N), or None for windows that see all
        of themselves; while a file is written, (windows per picture, N, N) of 0 and -100."""
        count, positions, _ = x.shape
        q, k, v = self.qkv(x).view(count, positions, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self._bias_for(rpi, x.dtype)
        if mask is None or _is_recorded():
            # A file cannot choose windows by looking at the mask: each window brings its own, for one picture.
            full = bias if mask is None else bias + (_mask(mask) if mask.ndim == 2 else mask).unsqueeze(1).to(x.dtype)
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=full, scale=self.scale).transpose(1, 2)
        else:
            out = self._shifted(q, k, v, bias, mask)
        return self.proj(out.reshape(count, positions, -1))

    def _shifted(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, regions: Tensor) -> Tensor:
        """q, k, v (B, h, N, d), bias (1, h, N, N), regions (windows per picture, N) -> (B, N, h, d)."""
        groups = self._masks.groups(regions)
        out = q.new_empty(q.transpose(1, 2).shape)
        for alike in groups:
            full = bias if alike.mask is None else bias + alike.mask.to(q.dtype)
            if len(groups) == 1:
                return F.scaled_dot_product_attention(q, k, v, attn_mask=full, scale=self.scale).transpose(1, 2)
            for first in range(0, len(q), len(regions)):
                for at in alike.windows:
                    here = slice(first + at.start, first + at.stop, at.step)
                    part = F.scaled_dot_product_attention(q[here], k[here], v[here], attn_mask=full, scale=self.scale)
                    out[here] = part.transpose(1, 2)
        return out

    def _bias_for(self, rpi: Tensor, dtype: torch.dtype) -> Tensor:
        if _is_recorded():
            return _bias(self.relative_position_bias_table, rpi).to(dtype)
        if self._kept is None or self._kept.dtype != dtype:
            self._kept = _bias(self.relative_position_bias_table, rpi).to(dtype)
        return self._kept


class FusedIndexedAttention(FusedWindowAttention):
    """The same for SwinIR and DRCT, whose modules keep the index of the position bias themselves."""

    relative_position_index: Tensor

    def __init__(self, original: Any, masks: Masks) -> None:
        super().__init__(original, masks)
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
        side, down, across = self.window, height // self.window, width // self.window
        qkv = self.qkv(self.norm1(x)).view(count, height, width, 3 * channels)
        q = qkv[..., :channels].reshape(count, down, side, across, side, self.heads, -1)
        q = q.permute(0, 1, 3, 5, 2, 4, 6).reshape(count * down * across, self.heads, side * side, -1)
        # Channels stay innermost, so that a window is copied in long runs, once.
        pad = (self.reach - side) // 2
        around = F.pad(qkv[..., channels:], (0, 0, pad, pad, pad, pad)).unfold(1, self.reach, side)
        around = around.unfold(2, self.reach, side).permute(0, 1, 2, 4, 5, 3)
        k, v = around.reshape(count * down * across, self.reach**2, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=self._bias_for(rpi, x.dtype), scale=self.scale)
        out = out.view(count, down, across, self.heads, side, side, -1).permute(0, 1, 4, 2, 5, 3, 6)
        x = self.proj(out.reshape(count, height * width, channels)) + x
        return x + self.mlp(self.norm2(x))

    def _bias_for(self, rpi: Tensor, dtype: torch.dtype) -> Tensor:
        if _is_recorded():
            return _bias(self.relative_position_bias_table, rpi).to(dtype)
        if self._kept is None or self._kept.dtype != dtype:
            self._kept = _bias(self.relative_position_bias_table, rpi).to(dtype)
        return self._kept
