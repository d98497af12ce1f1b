"""The options of the patch mosaic, with the labels and help texts of their controls."""

from __future__ import annotations

from dataclasses import dataclass

from sr_demo.options import Options, option, share


@dataclass(frozen=True)
class MosaicOptions(Options):
    """Options of all variants; the help text names the variants that use an option."""

    patch: int = option(
        8, "Patch size",
        "Side of a patch, in pixels of your picture. Small patches follow the picture closely; large ones show what they "
        "are. Used by the tile mosaic (the 8 px and 64 px variants keep their own size).",
        minimum=4, maximum=64, step=1,
    )  # fmt: skip
    overlap: int = option(
        25, "Overlap in %",
        "How far neighbouring patches overlap and fade into each other: 0 leaves hard edges, 75 is smooth but slow.",
        minimum=0, maximum=75, step=5,
    )  # fmt: skip
    colour: float = share(
        0.8, "Colour transfer",
        "How far each patch takes on the colour and contrast of its place in your picture; 0 leaves patches unchanged.",
    )  # fmt: skip
    variety: float = share(
        0.3, "Variety",
        "How strongly the mosaic avoids showing the same patch twice close together. More variety means worse matches.",
    )  # fmt: skip
    shrink: int = option(  # words: ok
        1, "Reduce the memory's photos",
        "Makes the photos this many times smaller before they are cut into patches: at 1 a patch holds texture, at 8 and "
        "above it holds whole objects.",
        minimum=1, maximum=32, step=1,
    )  # fmt: skip
    polish: bool = option(
        False, "Polish with HAT x4",
        "Tile mosaic: reduces the finished mosaic to the size of your picture and lets our HAT enlarge it again, which "
        "hides the seams and sharpens what the patches only hint at. Takes a few seconds.",
    )  # fmt: skip
    memory: str = option(
        "", "Memory",
        "Name of a memory built with `python -m sr_demo memory build`. Leave it empty to use the default memory.",
    )  # fmt: skip
    leave_out: bool = option(
        True, "Leave out the same photo",
        "If your picture is itself one of the memory's photos, that photo is not used: it would simply be copied.",
    )  # fmt: skip
    neighbours: int = option(
        9, "Neighbours",
        "Refined retrieval from photos: how many similar spots are averaged for each spot of your picture.",
        minimum=1, maximum=32, step=1,
    )  # fmt: skip
    steps: int = option(
        4, "Back-projection steps",
        "Refined retrieval: how often the result is reduced, compared with your picture and corrected.",
        minimum=0, maximum=20, step=1,
    )  # fmt: skip
    seed: int = option(
        0, "Seed",
        "Decides between equally good patches. The same number always gives the same result.",
        minimum=0, maximum=9999, step=1,
    )  # fmt: skip

    @property
    def downscale(self) -> int:
        """Factor by which the database's photos are downscaled; the option keeps its public name."""
        return self.shrink  # words: ok
