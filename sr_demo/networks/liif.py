"""LIIF (Chen et al. 2021, arXiv 2012.09161): an image as a local implicit function, for upscaling by any factor.

Each LR pixel has a feature vector. An MLP of this vector, the position inside the pixel and the size of an SR pixel gives the
colour. The MLP's first layer reads 3 x 3 neighbouring vectors; this part is a convolution on the LR grid, computed once per
LR pixel instead of once per SR pixel. In parallel, a continuous PixelShuffle (the idea of Meta-SR, Hu et al. 2019, arXiv
1903.00875) weights 4 x 4 values per LR pixel by a function of the position. It is initialised as cubic interpolation through
the 4 x 4 points of EDSR's PixelShuffle, so that the untrained network equals EDSR at 4x.

Legend: N images of h x w LR pixels, H x W SR pixels, Q points, C features. Places are in LR pixels from the upper left
corner of the image; cell = side of an SR pixel in LR pixels, 1 / scale.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.edsr import EDSR, ResidualBlock

NODES = (-0.75, -0.25, 0.25, 0.75)
"""Positions of the four values per axis of a PixelShuffle by 4: -1 is one edge of the LR pixel, 1 the other."""
_DEFAULT_SCALE = 4
POINTS = 8192
"""SR pixels per evaluation; their activations fit into the processor's cache."""


class Axis(NamedTuple):
    """Rows or columns of SR pixels, one value each."""

    which: Tensor
    """Index of the LR pixel."""
    within: Tensor
    """Position inside the LR pixel: -1 is one edge, 1 the other."""
    cell: Tensor


class Kernel(nn.Module):
    """Weights of the four values along one axis: Lagrange's cubic polynomials plus a learned correction."""

    nodes: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("nodes", torch.tensor(NODES), persistent=False)
        self.change = nn.Sequential(
            nn.Linear(2, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 4)
        )
        last = cast(nn.Linear, self.change[-1])
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, place: Tensor, cell: Tensor) -> Tensor:
        """Return the weights (..., 4) in fp32 for `place` (...) in [-1, 1] and `cell` (...)."""
        with torch.autocast(place.device.type, enabled=False):
            weights: list[Tensor] = []
            for i, node in enumerate(NODES):
                others = [NODES[j] for j in range(4) if j != i]
                weights.append(torch.stack([(place - other) / (node - other) for other in others]).prod(0))
            return torch.stack(weights, -1) + self.change(torch.stack([place, cell], -1))


class LIIF(nn.Module):
    """(N, 3, h, w) RGB in [0, 1] -> (N, 3, H, W) of any size, not clamped; 4 times as large if no size is given."""

    def __init__(self, blocks: int, features: int, width: int, layers: int) -> None:
        """Build the network: EDSR with `blocks` and `features`, a local function of `layers` hidden layers of `width`."""
        super().__init__()
        self.head = nn.Conv2d(3, features, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(features) for _ in range(blocks)))
        self.body_end = nn.Conv2d(features, features, 3, padding=1)
        self.tail = nn.Conv2d(features, 3 * 16, 3, padding=1)
        self.first = nn.Conv2d(features, width, 3, padding=1)
        self.kernel = Kernel(32)
        self.place = nn.Linear(4, width, bias=False)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(layers - 1))
        self.last = nn.Linear(width, 3)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def load_encoder(self, edsr: EDSR) -> None:
        """Copy the trained weights of a 4x EDSR of the same size."""
        own = ("head", "blocks", "body_end", "tail")
        taken = {name: value for name, value in edsr.state_dict().items() if name.split(".")[0] in own}
        missing, unexpected = self.load_state_dict(taken, strict=False)
        assert not unexpected and not [name for name in missing if name.split(".")[0] in own]

    def encoded(self, lr: Tensor) -> tuple[Tensor, Tensor]:
        """Encode `lr` (N, 3, h, w).

        Returns:
            4 x 4 colours of each LR pixel, (N, 48, h, w), and the LR part of the first layer, (N, width, h, w).
        """
        head = self.head(lr)
        deep = head + self.body_end(self.blocks(head))
        return self.tail(deep), self.first(deep)

    def forward(self, lr: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Encode `lr` and evaluate every SR pixel of a result with the height and width `size`."""
        height, width = size or (lr.shape[2] * _DEFAULT_SCALE, lr.shape[3] * _DEFAULT_SCALE)
        y, x = along(lr.shape[2], height, lr.device), along(lr.shape[3], width, lr.device)
        return base(lr, (height, width)) + self.added(*self.encoded(lr), y, x)

    def added(self, colours: Tensor, codes: Tensor, y: Axis, x: Axis) -> Tensor:
        """Return the values to add to `base` at the SR pixels of some rows and columns, computed a few rows at a time.

        Args:
            colours: First result of `encoded`.
            codes: Second result of `encoded`.
            y: The rows.
            x: The columns.

        Returns:
            (N, 3, rows, columns) float32.
        """
        count, height, width = len(colours), len(y.which), len(x.which)
        out = torch.empty((count, 3, height, width), device=colours.device)
        weights_y, weights_x = self.kernel(y.within, y.cell), self.kernel(x.within, x.cell)
        # The linear layer of the place is split into a part for the row and one for the column, which are added.
        zero_y, zero_x = torch.zeros_like(y.within), torch.zeros_like(x.within)
        part_y = self.place(torch.stack([y.within, zero_y, y.cell, zero_y], -1))
        part_x = self.place(torch.stack([zero_x, x.within, zero_x, x.cell], -1))
        colours = colours.float().unflatten(1, (3, 4, 4))
        codes = codes.permute(0, 2, 3, 1)
        lines = max(POINTS // (width * count), 1)
        for top in range(0, height, lines):
            rows = slice(top, min(top + lines, height))
            # (N, 3, 4, rows, w): the four values along y are weighted before columns are looked up.
            mixed = torch.einsum("ncijrw,ri->ncjrw", colours[:, :, :, :, y.which[rows]], weights_y[rows])
            shuffled = torch.einsum("ncjrw,wj->ncrw", mixed[..., x.which], weights_x)
            hidden = codes[:, y.which[rows]][:, :, x.which] + (part_y[rows][:, None] + part_x[None])
            out[:, :, rows] = shuffled + self._rest(hidden).permute(0, 3, 1, 2).float()
        return out

    def query(self, lr: Tensor, places: Tensor, cells: Tensor) -> Tensor:
        """Evaluate single points, for training.

        Args:
            lr: (N, 3, h, w) in [0, 1].
            places: (N, Q, 2), row and column in LR pixels, inside the images.
            cells: (N,), side of an SR pixel in LR pixels, 1 / scale, of each image.

        Returns:
            Colours (N, Q, 3) float32.
        """
        colours, codes = self.encoded(lr)
        count, _, height, width = lr.shape
        whole = torch.stack(
            [places[..., 0].floor().clamp(0, height - 1), places[..., 1].floor().clamp(0, width - 1)], -1
        )
        within = (places - whole - 0.5) * 2.0
        cell = cells.view(-1, 1, 1).expand_as(within)
        number = torch.arange(count, device=lr.device)[:, None] * (height * width)
        index = (number + whole[..., 0] * width + whole[..., 1]).long()
        # An embedding lookup in a table of all LR pixels, whose gradient is much faster than that of indexing.
        found = F.embedding(index, colours.float().permute(0, 2, 3, 1).reshape(-1, 48)).unflatten(2, (3, 4, 4))
        weights = self.kernel(within, cell)
        out = torch.einsum("nqcij,nqi,nqj->nqc", found, weights[:, :, 0], weights[:, :, 1])
        hidden = F.embedding(index, codes.permute(0, 2, 3, 1).reshape(-1, codes.shape[1]))
        out = out + self._rest(hidden + self.place(torch.cat([within, cell], -1))).float()
        scale = torch.tensor([2.0 / width, 2.0 / height], device=lr.device)
        grid = (places.flip(-1) * scale - 1.0).unsqueeze(1)
        bicubic = F.grid_sample(lr.float(), grid, "bicubic", "border", align_corners=False)
        return bicubic.squeeze(2).transpose(1, 2) + out

    def _rest(self, hidden: Tensor) -> Tensor:
        """Apply the layers after the first: (..., width) -> (..., 3)."""
        hidden = F.silu(hidden)
        for layer in self.hidden:
            hidden = F.silu(layer(hidden))
        return self.last(hidden)


def along(lr: int, sr: int, device: torch.device) -> Axis:
    """Return the coordinates of `sr` pixels along an axis of `lr` pixels."""
    middle = (torch.arange(sr, device=device) + 0.5) * (lr / sr)
    which = middle.floor().clamp(0, lr - 1)
    return Axis(which.long(), (middle - which - 0.5) * 2.0, torch.full_like(middle, lr / sr))


def base(lr: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the bicubic upscaling that the network's output is added to: (N, 3, h, w) -> (N, 3, H, W) in fp32."""
    return F.interpolate(lr.float(), size=size, mode="bicubic", align_corners=False)
