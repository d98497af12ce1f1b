"""What can be asked of the small diffusion model."""

from __future__ import annotations

from dataclasses import dataclass

from sr_demo.options import Options, option


@dataclass(frozen=True)
class DiffusionOptions(Options):
    """Steps and chance, and how far the result may leave what the picture says."""

    steps: int = option(
        8, "Steps", "More steps take longer and draw finer texture; 4 are often enough.", minimum=1, maximum=15
    )
    creativity: float = option(
        0.8,
        "Faithful to creative",
        "0 is the calm start picture, 1 the full guess; between them both are mixed.",
        minimum=0.0,
        maximum=1.0,
        step=0.05,
    )
    agreement: int = option(
        3,
        "Agreement with your picture",
        "Rounds of correction, so that the result shrinks back to what you gave.",
        minimum=0,
        maximum=10,
    )
    noise: float = option(
        0.9,
        "Noise",
        "How much chance there is. 0 leaves none: every seed gives the same; from 1 on, some of it stays as grain.",
        minimum=0.0,
        maximum=1.5,
        step=0.05,
    )
    seed: int = option(
        0, "Seed", "The same seed gives the same result; another one, another guess.", minimum=0, maximum=9999
    )
    samples: int = option(
        1,
        "Samples",
        "Guesses whose mean is the result: calmer and closer to the truth, less crisp.",
        minimum=1,
        maximum=8,
    )
    colour: str = option(
        "wavelet",
        "Colour fix",
        "Takes colours from the start picture: in broad areas (wavelet), on the whole (AdaIN), or not.",
        choices=("wavelet", "adain", "none"),
    )
