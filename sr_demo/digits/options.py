"""Options of the digits lab, without torch: the page reads this at start-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sr_demo.options import Options, option

DigitModel = Literal["vaegan", "cppn-gan", "cppn-l2"]
"""VAE-GAN, CPPN trained with a discriminator, and the same CPPN trained without."""

SMALLEST, LARGEST = 28, 1800
"""Smallest and largest side in pixels of an image that a CPPN draws."""


@dataclass(frozen=True)
class Art(Options):
    """Options of an image drawn by a random, untrained CPPN."""

    seed: int = option(7, "Seed", "Another number, another picture.", minimum=0, maximum=9999, step=1)
    scale: float = option(8.0, "Scale", "How far the coordinates reach: larger shows more of the pattern.",
                          minimum=0.5, maximum=30.0, step=0.5)  # fmt: skip
    depth: int = option(4, "Depth", "Hidden layers.", minimum=1, maximum=8, step=1)
    width: int = option(32, "Width", "Units in each hidden layer.", minimum=4, maximum=64, step=4)
    activation: str = option("tanh", "Activation", "tanh: soft bands; sine: ripples; bell: spots.",
                             choices=("tanh", "sine", "bell"))  # fmt: skip
    colour: bool = option(True, "Colour", "Three outputs instead of one.")
    size: int = option(600, "Size", "Pixels a side.", minimum=SMALLEST, maximum=LARGEST, step=4)


@dataclass(frozen=True)
class Fit(Options):
    """Options of a network that is fitted to one photo as a function of x and y."""

    seconds: int = option(20, "Seconds of learning", "Stop ends it earlier and keeps what was learned so far.",
                          minimum=3, maximum=120, step=1)  # fmt: skip
    width: int = option(96, "Width", "Units in each layer: more is finer and slower.", minimum=32, maximum=192, step=32)
    frequency: float = option(30.0, "Frequency", "Of the first sine (SIREN's omega): low stays blurred, high gets noisy.",
                              minimum=5.0, maximum=60.0, step=5.0)  # fmt: skip
