"""What a person can set, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from sr_demo.options import Options, option


@dataclass(frozen=True)
class MosaicOptions(Options):
    """Options of all variants; each says which variants it is for."""

    patch: int = option(
        8, "Patch size",
        "Side of the pieces in pixels of your picture: small ones follow it closely, large ones show what they are. "
        "Used by the tile mosaic (the fixed variants keep their own size).",
        minimum=4, maximum=64, step=1,
    )  # fmt: skip
    overlap: int = option(
        25, "Overlap in %",
        "How much neighbouring pieces overlap and fade into each other; 0 leaves hard edges, 75 is smooth and slow.",
        minimum=0, maximum=75, step=5,
    )  # fmt: skip
    colour: float = option(
        0.8, "Colour transfer",
        "How far each piece takes over the colour and contrast of its place; 0 leaves the pieces as they are.",
        minimum=0.0, maximum=1.0, step=0.05,
    )  # fmt: skip
    variety: float = option(
        0.3, "Variety",
        "How hard the mosaic avoids showing the same piece twice in one neighbourhood, at the price of worse matches.",
        minimum=0.0, maximum=1.0, step=0.05,
    )  # fmt: skip
    shrink: int = option(
        1, "Shrink the memory's photos",
        "The photos are shrunk by this factor before they are cut up: at 1 a piece holds texture, at 8 and more "
        "it holds whole things.",
        minimum=1, maximum=32, step=1,
    )  # fmt: skip
    polish: bool = option(
        False, "Polish with HAT x4",
        "Tile mosaic: the finished mosaic is shrunk to the size of your picture and enlarged by HAT, which closes the "
        "seams and draws what the pieces only hint at. Takes some seconds.",
    )  # fmt: skip
    memory: str = option(
        "", "Memory",
        "Name of a memory built with `python -m sr_demo memory build`; empty stands for the one that is always there.",
    )  # fmt: skip
    leave_out: bool = option(
        True, "Leave the same photo out",
        "Where your picture is one of the memory's own photos, that photo does not answer: it would know the result by "
        "heart.",
    )  # fmt: skip
    neighbours: int = option(
        9, "Neighbours",
        "Refined retrieval from photos: how many memories are averaged for each spot.",
        minimum=1, maximum=32, step=1,
    )  # fmt: skip
    steps: int = option(
        4, "Back-projection steps",
        "Refined retrieval: how often the result is shrunk, compared with your picture and corrected.",
        minimum=0, maximum=20, step=1,
    )  # fmt: skip
    seed: int = option(
        0, "Seed",
        "Another number breaks ties between equally good pieces differently; the same number gives the same picture.",
        minimum=0, maximum=9999, step=1,
    )  # fmt: skip
