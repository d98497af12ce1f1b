"""The patch memory: a picture rebuilt from other photos, as an honest mosaic or as residuals over bicubic."""

from __future__ import annotations

from sr_demo.approaches.mosaic.settings import MosaicOptions
from sr_demo.spec import OWN, Approach, Checkpoint, Request, Upscaler


def load(request: Request) -> Upscaler:
    """The variant of the checkpoint. Builds the default memory at first use."""
    from sr_demo.approaches.mosaic import upscalers

    return upscalers.load(request)


APPROACH = Approach(
    id="mosaic",
    title="Patch mosaic",
    summary="rebuilds the picture from pieces of other photos that it remembers",
    about=(
        "Photos are shrunk, cut into pieces and indexed with FAISS; every piece of the picture is answered by the "
        "most similar memory. The tile mosaic pastes the large side of that memory, and shows it. Refined retrieval "
        "adds only the fine detail that similar spots had over bicubic (Freeman et al. 2002, Zeyde et al. 2010)."
    ),
    family="retrieval",
    load=load,
    checkpoints=(
        Checkpoint(
            "tiles", "Tile mosaic, any patch size", variant="tiles",
            note="Visibly made of other photos: move the patch size.",
        ),
        Checkpoint(
            "refined", "Refined retrieval", variant="refined",
            note="Only the detail that bicubic misses comes from memory.",
        ),
        Checkpoint("tiles-8", "Tile mosaic, 8 px", variant="tiles-8", note="Follows the picture closely."),
        Checkpoint("tiles-64", "Tile mosaic, 64 px", variant="tiles-64", note="Large pieces of other photos."),
    ),
    options=MosaicOptions,
    tiling=OWN,
    invents=True,
)  # fmt: skip
