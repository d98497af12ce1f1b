"""Attention of spandrel's HAT, SwinIR and DRCT, computed with torch's fused scaled-dot-product attention.

Same weights, same result (to rounding): the softmax, the bias and the products run in one kernel instead of five passes
over memory. Shift masks concern only the windows at the lower and right border, so those are answered apart and the
others share one bias. Legend: B windows (all pictures), N positions in a window, M positions in its overlapping
neighbourhood, C channels, h heads, d = C / h.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fuse_attention(model: nn.Module) -> int:
    """Replace the attention modules of spandrel's HAT, SwinIR and DRCT inside `model`, in place; returns how many.

    Other architectures are left as they are. For inference only: biases are computed once and kept.
    """
    from spandrel.architectures.DRCT.__arch.drct_arch import WindowAttention as DrctAttention
    from spandrel.architectures.HAT.__arch.HAT import OCAB, WindowAttention
    from spandrel.architectures.SwinIR.__arch.SwinIR import WindowAttention as SwinAttention

    replaced = 0
    for parent in list(model.modules()):
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


def _bias(table: Tensor, index: Tensor) -> Tensor:
    """Relative position bias: table (entries, h) looked up by index (N, M) -> (1, h, N, M)."""
    return table[index.reshape(-1)].view(*index.shape, -1).permute(2, 0, 1).unsqueeze(0).contiguous()


class FusedWindowAttention(nn.Module):
    """Window self-attention, plain or shifted (Liu et al. 2021, arXiv 2103.14030)."""

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.qkv = original.qkv
        self.proj = original.proj
        self.heads: int = original.num_heads
        self.scale: float = original.scale
        self.relative_position_bias_table = original.relative_position_bias_table
        self._kept: Tensor | None = None

    def forward(self, x: Tensor, rpi: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (B, N, C), rpi (N, N), mask (windows per picture, N, N) or None -> (B, N, C)."""
        return self.attend(x, rpi, mask)

    def attend(self, x: Tensor, rpi: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, N, C), rpi (N, N), mask (windows per picture, N, N) of 0 and -100, or None -> (B, N, C)."""
        count, positions, channels = x.shape
        q, k, v = self.qkv(x).view(count, positions, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self._bias_for(rpi, x.dtype)
        if mask is not None and _is_recorded():
            # A file cannot choose windows by looking at the mask: each window brings its own, for one picture.
            bias = bias + mask.unsqueeze(1).to(x.dtype)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=self.scale)
        if mask is not None and not _is_recorded():
            border = mask.flatten(1).any(dim=1).nonzero().squeeze(1)
            masked = bias + mask[border].unsqueeze(1).to(x.dtype)
            for first in range(0, count, mask.shape[0]):
                at = border + first
                out[at] = F.scaled_dot_product_attention(q[at], k[at], v[at], attn_mask=masked, scale=self.scale)
        return self.proj(out.transpose(1, 2).reshape(count, positions, channels))

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
        """x (B, N, C), mask (windows per picture, N, N) or None -> (B, N, C)."""
        return self.attend(x, self.relative_position_index, mask)


class FusedOverlappingAttention(nn.Module):
    """Overlapping cross-attention: each window asks a larger window around it (Chen et al. 2023, arXiv 2205.04437)."""

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.norm1, self.norm2, self.mlp = original.norm1, original.norm2, original.mlp
        self.qkv, self.proj, self.unfold = original.qkv, original.proj, original.unfold
        self.heads: int = original.num_heads
        self.scale: float = original.scale
        self.window: int = original.window_size
        self.reach: int = original.overlap_win_size
        self.relative_position_bias_table = original.relative_position_bias_table
        self._kept: Tensor | None = None

    def forward(self, x: Tensor, x_size: tuple[int, int], rpi: Tensor) -> Tensor:
        """x (pictures, H * W, C) with H, W multiples of the window, rpi (N, M) -> the same shape."""
        height, width = x_size
        count, _, channels = x.shape
        side, down, across = self.window, height // self.window, width // self.window
        qkv = self.qkv(self.norm1(x)).view(count, height, width, 3 * channels)
        q = qkv[..., :channels].reshape(count, down, side, across, side, self.heads, -1)
        q = q.permute(0, 1, 3, 5, 2, 4, 6).reshape(count * down * across, self.heads, side * side, -1)
        # (pictures, 2C * M, windows) -> key and value, each (B, h, M, d)
        around = self.unfold(qkv[..., channels:].permute(0, 3, 1, 2))
        around = around.view(count, 2, self.heads, channels // self.heads, self.reach**2, down * across)
        # For one picture `reshape` would be a view, whose stride keeps torch from its fused kernel.
        around = around.permute(1, 0, 5, 2, 4, 3).contiguous()
        k, v = around.view(2, count * down * across, self.heads, self.reach**2, -1)
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
