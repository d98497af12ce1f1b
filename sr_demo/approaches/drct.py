"""DRCT: densely connected transformer."""

from __future__ import annotations

from sr_demo.spec import Approach, Request, Tiling, Upscaler, embedded

_SCALE = 4


def _load(request: Request) -> Upscaler:
    from sr_demo.spandrel_loader import attention_upscaler

    return attention_upscaler(request, "DRCT", _SCALE)


APPROACH = Approach(
    id="drct",
    title="DRCT",
    summary="attention with dense connections",
    about="A transformer whose groups are densely connected (Hsu et al. 2024, arXiv 2404.00722), so that what the first "
    "layers saw is not lost on the way. Tiny here: the full one needs a GPU.",
    family="attention",
    load=_load,
    checkpoints=(embedded("tiny", "drct-tiny-x4", "ours, tiny", bytes_per_pixel=14_000),),
    tiling=Tiling("tiles", halo=32, multiple_of=16, blend=16, largest=192),
    scale=_SCALE,
    preselected=False,
)
