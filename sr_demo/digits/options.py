"""What people can set in the digits lab. No torch here: the page reads this when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sr_demo.options import Options, option

System = Literal["vaegan", "cppn-gan", "cppn-l2"]
"""VAE-GAN, the CPPN taught with a critic, and the same CPPN taught without."""

NETWORKS = ("digits-vaegan", "digits-cppn-vaegan", "digits-cppn-l2", "digits-reader")
"""Names of the embedded weights and cards."""

SMALLEST, LARGEST = 28, 1800
"""Pixels a side of what a CPPN draws here."""


@dataclass(frozen=True)
class Art(Options):
    """A random CPPN: no training, only random weights."""

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
    """A network that learns one photo as a function of x and y."""

    seconds: int = option(20, "Seconds of learning", "Stop ends it earlier; what is learned so far stays.",
                          minimum=3, maximum=120, step=1)  # fmt: skip
    width: int = option(96, "Width", "Units in each layer: more is finer and slower.", minimum=32, maximum=192, step=32)
    frequency: float = option(30.0, "Frequency", "Of the first sine (SIREN's omega): low stays blurred, high turns noisy.",
                              minimum=5.0, maximum=60.0, step=5.0)  # fmt: skip
