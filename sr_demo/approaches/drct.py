"""DRCT: a transformer with dense connections."""

from __future__ import annotations

from sr_demo.checkpoint import Tiling, embedded
from sr_demo.spec import Approach, Request, Upscaler

_SCALE = 4


def _load(request: Request) -> Upscaler:
    from sr_demo.backends.spandrel_loader import attention_upscaler

    return attention_upscaler(request, "DRCT", _SCALE)


APPROACH = Approach(
    id="drct",
    title="DRCT",
    summary="faithful; a small transformer",
    about="A transformer whose groups are densely connected (Hsu et al. 2024, arXiv 2404.00722), so that information "
    "from the first layers is not lost on the way. This one is tiny; the full model needs a GPU.",
    family="attention",
    load=_load,
    checkpoints=(embedded("tiny", "drct-tiny-x4", "ours, tiny", bytes_per_pixel=14_000),),
    # Windows of 16: by `bench halos`, one window of context is enough, and a narrower blend leaves fainter seams.
    tiling=Tiling("tiles", halo=16, multiple_of=16, blend=8),
    scale=_SCALE,
    preselected=False,
)
