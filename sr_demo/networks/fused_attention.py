"""Window attention of spandrel's HAT, SwinIR, DRCT and DAT on torch's fused scaled-dot-product attention.

The weights are the same, and the result is the same up to rounding: softmax, bias and products run in one kernel instead of
five passes over memory. There are few distinct shift masks: one for inner windows, one each for the right border, the lower
border and the corner. Windows with the same mask share one bias and one call. spandrel computes the mask for every image, and
in some networks for every layer, which took a tenth of the time; here it is cached by the shape of the image.

Legend: B windows (of all images), N positions in a window, M positions in its overlapping neighbourhood, C channels,
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

_CACHED_SHAPES = 32
"""Number of image shapes whose masks are cached, tens of kB each; the tiles of one image have at most nine shapes."""


@dataclass(frozen=True)
class MaskGroup:
    """Windows of one image that have the same mask."""

    windows: tuple[slice, ...]
    mask: Tensor | None
    """(N, N), or None if nothing is masked."""


class ShiftMasks:
    """The shift masks of one network, computed once for each shape of image."""

    def __init__(self) -> None:
        self.regions = lru_cache(_CACHED_SHAPES)(regions)
        self.groups = lru_cache(_CACHED_SHAPES)(_groups)
        """Cached by the identity of the tensor that `regions` returned, so that both caches need the same size."""

    def replace(self, module: Any) -> None:
        """Patch `module`, which computes masks for its attention, to return `regions` instead."""
        original: Callable[..., Tensor] = module.calculate_mask

        def calculate_mask(size: tuple[int, int], *rest: Any, **named: Any) -> Tensor:
            if _is_exporting():  # an exported graph accepts images of any shape, so that it must compute the mask
                return original(size, *rest, **named)
            return self.regions(*size, module.window_size, module.shift_size, next(module.parameters()).device)

        module.calculate_mask = calculate_mask
        if getattr(module, "attn_mask", None) is not None:  # the mask for the input resolution of the constructor
            height, width = module.input_resolution
            module.attn_mask = regions(height, width, module.window_size, module.shift_size)

    def replace_both(self, module: Any) -> None:
        """Patch DAT's attention like `replace`; it has wide and high windows and computes the masks of both."""
        original: Callable[..., tuple[Tensor, Tensor]] = module.calculate_mask
        window, shift = tuple(module.split_size), tuple(module.shift_size)

        def calculate_mask(height: int, width: int, dtype: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
            if _is_exporting():
                return original(height, width, dtype)
            device = module.qkv.weight.device
            return (
                self.regions(height, width, window, shift, device),
                self.regions(height, width, window[::-1], shift[::-1], device),
            )

        module.calculate_mask = calculate_mask
        module.patches_resolution = 0  # matches no image, so that the module's stored masks are never used


def regions(
    height: int, width: int, window: int | tuple[int, int], shift: int | tuple[int, int],
    device: torch.device | None = None,
) -> Tensor:  # fmt: skip
    """Return which of nine parts of the image each position belongs to after the cyclic shift.

    Positions of one window attend to each other if they belong to the same part.

    Args:
        height: Multiple of the windows' height.
        width: Multiple of the windows' width.
        window: Side of the windows, or their height and width.
        shift: Cyclic shift in pixels, or the shifts of rows and of columns.
        device: Device of the result.

    Returns:
        (windows, N) uint8.
    """
    window = (window, window) if isinstance(window, int) else window
    shift = (shift, shift) if isinstance(shift, int) else shift

    def along(length: int, window: int, shift: int) -> Tensor:
        part = torch.zeros(length, dtype=torch.uint8, device=device)
        part[-window:] = 1
        part[-shift:] = 2  # all positions if the shift is 0
        return part

    parts = 3 * along(height, window[0], shift[0])[:, None] + along(width, window[1], shift[1])[None, :]
    cells = parts.view(height // window[0], window[0], width // window[1], window[1])
    return cells.transpose(1, 2).reshape(-1, window[0] * window[1])


def _mask(regions: Tensor) -> Tensor:
    """Return the additive mask of windows: (..., N) -> (..., N, N) of 0 and -100."""
    return (regions.unsqueeze(-1) != regions.unsqueeze(-2)) * -100.0


def _groups(regions: Tensor) -> tuple[MaskGroup, ...]:
    """Group the windows by their masks: `regions` (windows, N) -> every window in exactly one group."""
    kinds, of_window = torch.unique(regions, dim=0, return_inverse=True)
    numbers = of_window.tolist()
    return tuple(
        MaskGroup(
            _slices([window for window, number in enumerate(numbers) if number == kind]),
            _mask(parts) if bool((parts != parts[0]).any()) else None,
        )
        for kind, parts in enumerate(kinds)
    )


def _slices(numbers: list[int]) -> tuple[slice, ...]:
    """Return increasing numbers as slices of constant step.

    A row, a column or a single window is then a view, not a copy.
    """
    slices: list[slice] = []
    first = 0
    while first < len(numbers):
        step = numbers[first + 1] - numbers[first] if first + 1 < len(numbers) else 1
        last = first
        while last + 1 < len(numbers) and numbers[last + 1] - numbers[last] == step:
            last += 1
        slices.append(slice(numbers[first], numbers[last] + 1, step))
        first = last + 1
    return tuple(slices)


def fuse_attention(model: nn.Module) -> int:
    """Replace the attention modules of spandrel's HAT, SwinIR, DRCT and DAT inside `model`, in place.

    Other architectures are not changed. For inference only, since biases are computed once and cached.

    Returns:
        The number of replaced modules.
    """
    from spandrel.architectures.DAT.__arch.DAT import Adaptive_Spatial_Attention, Spatial_Attention
    from spandrel.architectures.DRCT.__arch.drct_arch import SwinTransformerBlock as DrctBlock
    from spandrel.architectures.DRCT.__arch.drct_arch import WindowAttention as DrctAttention
    from spandrel.architectures.HAT.__arch.HAT import HAT, OCAB, WindowAttention
    from spandrel.architectures.SwinIR.__arch.SwinIR import SwinTransformerBlock as SwinBlock
    from spandrel.architectures.SwinIR.__arch.SwinIR import WindowAttention as SwinAttention

    replaced, masks = 0, ShiftMasks()
    for parent in list(model.modules()):
        if type(parent) in (HAT, SwinBlock, DrctBlock):
            masks.replace(parent)
        if type(parent) is Adaptive_Spatial_Attention:
            masks.replace_both(parent)
        for name, child in list(parent.named_children()):
            if type(child) is WindowAttention:
                setattr(parent, name, FusedWindowAttention(child, masks))
            elif type(child) is OCAB:
                setattr(parent, name, FusedOverlappingAttention(child))
            elif type(child) in (SwinAttention, DrctAttention):
                setattr(parent, name, FusedIndexedAttention(child, masks))
            elif type(child) is Spatial_Attention:
                setattr(parent, name, FusedRectangularAttention(child, masks))
            else:
                continue
            replaced += 1
    return replaced


def _attend(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor, mask: Tensor | None, masks: ShiftMasks, scale: float
) -> Tensor:
    """Compute attention within windows; shifted windows with the same mask are processed together.

    Args:
        q: (B, h, N, d).
        k: (B, h, N, d).
        v: (B, h, N, d).
        bias: (1, h, N, N).
        mask: See `FusedWindowAttention.attend`.
        masks: Shift masks of the network.
        scale: Factor on the products of queries and keys.

    Returns:
        (B, N, h, d).
    """
    if mask is None or _is_exporting():
        # A graph cannot group windows by the values of their masks, so that each window of the image has its own mask.
        full = bias if mask is None else bias + (_mask(mask) if mask.ndim == 2 else mask).unsqueeze(1).to(q.dtype)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=full, scale=scale).transpose(1, 2)
    groups = masks.groups(mask)
    out = q.new_empty(q.transpose(1, 2).shape)
    for group in groups:
        full = bias if group.mask is None else bias + group.mask.to(q.dtype)
        if len(groups) == 1:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=full, scale=scale).transpose(1, 2)
        for first in range(0, len(q), len(mask)):
            for at in group.windows:
                here = slice(first + at.start, first + at.stop, at.step)
                part = F.scaled_dot_product_attention(q[here], k[here], v[here], attn_mask=full, scale=scale)
                out[here] = part.transpose(1, 2)
    return out


def _is_exporting() -> bool:
    """Return whether the operations are being traced or exported."""
    return torch.compiler.is_exporting() or torch.jit.is_tracing()


def position_bias(table: Tensor, index: Tensor) -> Tensor:
    """Look up the relative position bias: table (entries, h), index (N, M) -> (h, N, M)."""
    return table[index.reshape(-1)].view(*index.shape, -1).permute(2, 0, 1)


def _bias(table: Tensor, index: Tensor) -> Tensor:
    """Return the bias for all windows, contiguous: (1, h, N, M)."""
    return position_bias(table, index).unsqueeze(0).contiguous()


def _with_padded_heads(qkv: Any, proj: Any, heads: int) -> tuple[nn.Linear, nn.Linear]:
    """Return `qkv` and `proj` with d rounded up to a multiple of 8.

    The new rows and columns are zero, so that the result is the same. With d = 30 as in HAT and SwinIR, torch has no fused
    kernel with a bias on GPUs in bf16 and fp16, and is up to a tenth slower on a CPU than with 32.

    Args:
        qkv: Linear, C -> 3 h d.
        proj: Linear, h d -> C.
        heads: Number of heads, h.
    """
    inputs, extra = qkv.in_features, -(proj.in_features // heads) % 8
    if not extra:
        return qkv, proj
    rows = F.pad(qkv.weight.view(3, heads, -1, inputs), (0, 0, 0, extra)).reshape(-1, inputs)
    columns = F.pad(proj.weight.view(proj.out_features, heads, -1), (0, extra)).flatten(1)
    bias = None if qkv.bias is None else F.pad(qkv.bias.view(3, heads, -1), (0, extra)).flatten()
    return linear_of(rows, bias), linear_of(columns, proj.bias)


def linear_of(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Return a linear layer of the weights (out, in) and the bias (out,), for inference only."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, weight.device, weight.dtype)
    linear.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        linear.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return linear


class FusedWindowAttention(nn.Module):
    """Window self-attention, plain or shifted (Swin, Liu et al. 2021, arXiv 2103.14030)."""

    def __init__(self, original: Any, masks: ShiftMasks) -> None:
        super().__init__()
        self._masks = masks
        self.heads: int = original.num_heads
        self.qkv, self.proj = _with_padded_heads(original.qkv, original.proj, self.heads)
        self.scale: float = original.scale
        self.relative_position_bias_table = original.relative_position_bias_table
        self._bias_cache: Tensor | None = None

    def forward(self, x: Tensor, rpi: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute the attention of all windows; see `attend`."""
        return self.attend(x, rpi, mask)

    def attend(self, x: Tensor, rpi: Tensor, mask: Tensor | None) -> Tensor:
        """Compute the attention of all windows.

        Args:
            x: (B, N, C).
            rpi: (N, N), relative position index.
            mask: Regions (windows per image, N), or None for windows without a mask; during export, also (windows per
                image, N, N) of 0 and -100.

        Returns:
            (B, N, C).
        """
        count, positions, _ = x.shape
        q, k, v = self.qkv(x).view(count, positions, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self._bias_for(rpi, x.dtype)
        out = _attend(q, k, v, bias, mask, self._masks, self.scale)
        return self.proj(out.reshape(count, positions, -1))

    def _bias_for(self, rpi: Tensor, dtype: torch.dtype) -> Tensor:
        if _is_exporting():
            return _bias(self.relative_position_bias_table, rpi).to(dtype)
        if self._bias_cache is None or self._bias_cache.dtype != dtype:
            self._bias_cache = _bias(self.relative_position_bias_table, rpi).to(dtype)
        return self._bias_cache


class FusedIndexedAttention(FusedWindowAttention):
    """Window self-attention of SwinIR and DRCT, whose modules hold the relative position index."""

    relative_position_index: Tensor

    def __init__(self, original: Any, masks: ShiftMasks) -> None:
        super().__init__(original, masks)
        self.register_buffer("relative_position_index", original.relative_position_index)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Compute the attention of all windows, with the stored index; see `attend`."""
        return self.attend(x, self.relative_position_index, mask)


class FusedRectangularAttention(nn.Module):
    """DAT's attention within windows that are not square (Chen et al. 2023, arXiv 2308.03364), for half of its channels."""

    bias: Tensor
    """(1, h, N, N)."""

    def __init__(self, original: Any, masks: ShiftMasks) -> None:
        super().__init__()
        self._masks = masks
        self.heads: int = original.num_heads
        self.scale: float = original.scale
        self.window: tuple[int, int] = (original.H_sp, original.W_sp)
        with torch.no_grad():
            table = original.pos(original.rpe_biases)
        self.register_buffer("bias", _bias(table, original.relative_position_index))

    def forward(self, qkv: Tensor, height: int, width: int, mask: Tensor | None = None) -> Tensor:
        """Compute the attention of all windows.

        Args:
            qkv: (3, images, height * width, C).
            height: Multiple of the windows' height.
            width: Multiple of the windows' width.
            mask: See `FusedWindowAttention.attend`.

        Returns:
            (images, height, width, C).
        """
        (rows, columns), count = self.window, qkv.shape[1]
        down, across = height // rows, width // columns
        cells = qkv.reshape(3, count, down, rows, across, columns, self.heads, -1).permute(0, 1, 2, 4, 6, 3, 5, 7)
        q, k, v = cells.reshape(3, count * down * across, self.heads, rows * columns, -1)
        out = _attend(q, k, v, self.bias.to(q.dtype), mask, self._masks, self.scale)
        out = out.reshape(count, down, across, rows, columns, -1).transpose(2, 3)
        return out.reshape(count, height, width, -1)


class FusedOverlappingAttention(nn.Module):
    """Overlapping cross-attention (OCAB): each window attends to a larger one around it.

    HAT, Chen et al. 2023, arXiv 2205.04437.
    """

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.norm1, self.norm2, self.mlp = original.norm1, original.norm2, original.mlp
        self.heads: int = original.num_heads
        self.qkv, self.proj = _with_padded_heads(original.qkv, original.proj, self.heads)
        self.scale: float = original.scale
        self.window: int = original.window_size
        self.reach: int = original.overlap_win_size
        self.relative_position_bias_table = original.relative_position_bias_table
        self._bias_cache: Tensor | None = None

    def forward(self, x: Tensor, x_size: tuple[int, int], rpi: Tensor) -> Tensor:
        """Compute the attention for x (images, H * W, C), H and W multiples of the window, and rpi (N, M); shape of x."""
        height, width = x_size
        count, channels = len(x), self.proj.in_features
        side, down, across = self.window, height // self.window, width // self.window
        qkv = self.qkv(self.norm1(x)).view(count, height, width, 3 * channels)
        q = qkv[..., :channels].reshape(count, down, side, across, side, self.heads, -1)
        q = q.permute(0, 1, 3, 5, 2, 4, 6).reshape(count * down * across, self.heads, side * side, -1)
        # Channels stay the innermost axis, so that each window is copied once, in long contiguous runs.
        pad = (self.reach - side) // 2
        neighbourhoods = F.pad(qkv[..., channels:], (0, 0, pad, pad, pad, pad)).unfold(1, self.reach, side)
        neighbourhoods = neighbourhoods.unfold(2, self.reach, side).permute(0, 1, 2, 4, 5, 3)
        k, v = neighbourhoods.reshape(count * down * across, self.reach**2, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=self._bias_for(rpi, x.dtype), scale=self.scale)
        out = out.view(count, down, across, self.heads, side, side, -1).permute(0, 1, 4, 2, 5, 3, 6)
        x = self.proj(out.reshape(count, height * width, channels)) + x
        return x + self.mlp(self.norm2(x))

    def _bias_for(self, rpi: Tensor, dtype: torch.dtype) -> Tensor:
        if _is_exporting():
            return _bias(self.relative_position_bias_table, rpi).to(dtype)
        if self._bias_cache is None or self._bias_cache.dtype != dtype:
            self._bias_cache = _bias(self.relative_position_bias_table, rpi).to(dtype)
        return self._bias_cache
