"""Options of the small diffusion model."""

from __future__ import annotations

from dataclasses import dataclass

from sr_demo.options import GenerativeOptions, option, share


@dataclass(frozen=True)
class DiffusionOptions(GenerativeOptions):
    """Number of steps, amount of randomness, and how far the result may deviate from the input."""

    steps: int = option(
        8,
        "Steps",
        "1 is quick and crisp, with small dots; more take longer and draw cleaner texture.",
        minimum=1,
        maximum=15,
    )
    creativity: float = share(
        0.7,
        "Faithful to creative",
        "0 is the start picture without any guess, 1 the full guess; in between, a mixture of both.",
    )
    agreement: int = option(
        1,
        "Agreement with your picture",
        "Rounds of correction, so that the result, made small again, matches your picture.",
        minimum=0,
        maximum=10,
    )
    noise: float = option(
        0.9,
        "Noise",
        "How much randomness there is. At 0 every seed gives the same result, at 1 the guesses differ most.",
        minimum=0.0,
        maximum=1.0,
        step=0.05,
    )
    seed: int = option(
        0, "Seed", "The same seed gives the same result; another seed, another guess.", minimum=0, maximum=9999
    )
    samples: int = option(
        1,
        "Samples",
        "The result is the mean of this many guesses: closer to the original, less crisp.",
        minimum=1,
        maximum=8,
    )
    colour: str = option(
        "wavelet",
        "Colour fix",
        "Takes colours from the start picture: of large areas (wavelet), of the whole picture (AdaIN), or not at all.",
        choices=("wavelet", "adain", "none"),
    )


QUICK = DiffusionOptions(steps=1, creativity=0.85)
"""One step: as close to the photo as the default and sharper, with small dots in fine texture (docs/diffusion.md)."""
