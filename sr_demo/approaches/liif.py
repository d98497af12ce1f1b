"""LIIF: upscaling by any factor, whole or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sr_demo.checkpoint import OWN, Tiling, card, embedded
from sr_demo.image import Image, Size
from sr_demo.imaging.tiling import Span, TilePlan
from sr_demo.options import Options, option
from sr_demo.progress import Progress
from sr_demo.spec import Approach, Request, Upscaler

if TYPE_CHECKING:
    from sr_demo.networks.liif import LIIF, Axis

_SIDE = 192
"""Side of a tile that is encoded at once, in LR pixels."""
# The 3x3 convolutions could reach 1 + 16 blocks x 2 + 1 + 1 = 35 pixels; as in our EDSR, 14 matter (`bench halos`).
_TILING = Tiling("tiles", halo=14)


@dataclass(frozen=True)
class LiifOptions(Options):
    """Options of LIIF."""

    scale: float = option(
        4.0, "Scale",
        "How many times larger; any value. To test against the original, leave it at 4 and choose a size such as 2x.",
        minimum=1.0, maximum=8.0, step=0.1,
    )  # fmt: skip


class LiifUpscaler:
    """Encodes tiles with their full context, so that no seams are visible, and renders the SR pixels of each tile."""

    backend = "torch"
    loss_db = None

    def __init__(self, network: LIIF, precision: str) -> None:
        import torch

        from sr_demo.backends.torch_backend import device

        self.precision = precision
        self.network = network.eval().to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload]

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """Upscale by the `scale` of the options: (h, w, 3) -> (round(scale * h), round(scale * w), 3).

        Raises:
            OutOfMemory: The image does not fit into memory.
        """
        return self.upscale_to(image, Size(*APPROACH.size_with(options, *image.shape[:2])), options, progress)

    def upscale_to(self, image: Image, size: Size, options: Options, progress: Progress) -> Image:
        """See `spec.SizedUpscaler`."""
        import torch

        from sr_demo.backends.torch_backend import DTYPES, device, out_of_memory_translated, to_array, to_tensor
        from sr_demo.networks.liif import along, base

        height, width = Size.of(image)
        where = device()
        tiles = TilePlan((height, width), _TILING, _SIDE).tiles
        with (
            out_of_memory_translated(),
            torch.inference_mode(),
            torch.autocast(where.type, DTYPES[self.precision], enabled=self.precision != "fp32"),
        ):
            lr = to_tensor(image).to(where)
            out = base(lr, size)
            y, x = along(height, size[0], where), along(width, size[1], where)
            for index, tile in enumerate(tiles):
                progress(index / len(tiles), f"tile {index + 1} of {len(tiles)}" if len(tiles) > 1 else "")
                tile_input = lr[:, :, tile.rows.low : tile.rows.high, tile.columns.low : tile.columns.high]
                encoded = self.network.encoded(tile_input.contiguous(memory_format=torch.channels_last))
                rows, part_y = _within(y, tile.rows)
                columns, part_x = _within(x, tile.columns)
                out[:, :, rows, columns] += self.network.added(*encoded, part_y, part_x)
            return to_array(out)


def _within(axis: Axis, span: Span) -> tuple[slice, Axis]:
    """Return the SR pixels that belong to the span of a tile, and their axis relative to the first LR pixel of the tile."""
    start, stop = np.searchsorted(axis.which.cpu().numpy(), (span.start, span.stop))
    chosen = slice(int(start), int(stop))
    which, within, cell = (values[chosen] for values in axis)
    return chosen, type(axis)(which - span.low, within, cell)


def _load(request: Request) -> Upscaler:
    from sr_demo.backends import embedded as own
    from sr_demo.backends.torch_backend import choose_precision, load_safetensors

    file = request.files[0]
    network: Any = load_safetensors(file, own.build(card(file.stem)["architecture"]))
    return LiifUpscaler(network, choose_precision(request.precision, ("fp32", "bf16")))


_OWN = embedded("own", "liif", "ours, on EDSR's encoder", bytes_per_pixel=2600)

APPROACH = Approach(
    id="liif",
    title="LIIF",
    summary="any scale from 1 to 8",
    about="A local implicit function (Chen et al. 2021, arXiv 2012.09161) on the encoder of our EDSR: your picture "
    "becomes a function that returns a colour at any point, so 3.3 times works as well as 4 times.",
    family="implicit",
    load=_load,
    # Encoding is counted per LR pixel; rendering adds three layers of 128 for each of 16 SR pixels.
    checkpoints=(replace(_OWN, flops_per_pixel=_OWN.flops_per_pixel + 16 * 2 * 3 * 128 * 128),),
    options=LiifOptions,
    tiling=OWN,
    rendered=0.85,  # processor time at 2, 4 and 8 times, 192 x 192 pixels
    preselected=False,
)
