"""Options of the large diffusion models."""

from __future__ import annotations

from dataclasses import dataclass

from sr_demo.options import GenerativeOptions, option, text

_PROMPT_HELP = "What is in the picture, in plain words. It steers what is invented; about 60 words count."
_NEGATIVE_HELP = "What should not be drawn."


@dataclass(frozen=True)
class GuidedOptions(GenerativeOptions):
    """Options of all large models: the prompt, and how closely it is followed."""

    prompt: str = text("", "Prompt", _PROMPT_HELP)
    negative: str = text("blurry, noise, compression artefacts", "Negative prompt", _NEGATIVE_HELP)
    steps: int = option(30, "Steps", "More take longer and are cleaner.", minimum=1, maximum=100)
    guidance: float = option(
        7.0, "Text guidance", "How closely the words are followed; 1 ignores them.", minimum=1.0, maximum=15.0, step=0.5
    )
    seed: int = option(
        0, "Seed", "The same seed gives the same result; another one, another guess.", minimum=0, maximum=9999
    )
    colour: str = option(
        "wavelet",
        "Colour fix",
        "Takes colours from your picture: in broad areas (wavelet), on the whole (AdaIN), or not.",
        choices=("wavelet", "adain", "none"),
    )


@dataclass(frozen=True)
class X4Options(GuidedOptions):
    """Options of the Stable Diffusion x4 upscaler."""

    noise: int = option(
        20,
        "Noise on the input",
        "Higher values let it repair and invent more, and stay less faithful.",
        minimum=0,
        maximum=350,
    )


@dataclass(frozen=True)
class FaithDiffOptions(GuidedOptions):
    """Options of FaithDiff, with its authors' defaults."""

    negative: str = text("", "Negative prompt", _NEGATIVE_HELP)
    steps: int = option(20, "Steps", "More take longer and are cleaner.", minimum=1, maximum=100)
    guidance: float = option(
        5.0, "Text guidance", "How closely the words are followed; 1 ignores them.", minimum=1.0, maximum=15.0, step=0.5
    )
    begin: str = option(
        "picture",
        "Begin with",
        "Your picture under noise stays closer to it; noise alone leaves more freedom.",
        choices=("picture", "noise"),
    )


@dataclass(frozen=True)
class SupirOptions(GuidedOptions):
    """Options of SUPIR, with the names and ranges of its own page."""

    prompt: str = text(
        "",
        "Prompt",
        "What is in the picture, in plain words. Used as typed, also without SUPIR's captioner.",
    )
    added: str = text(
        "highly detailed photo, sharp focus, natural texture", "Added to the prompt", "Words about quality."
    )
    negative: str = text(
        "painting, drawing, blurring, dirty, low quality, over-smooth", "Negative prompt", _NEGATIVE_HELP
    )
    preset: str = option(
        "quality",
        "Preset",
        "Quality uses the weights v0-Q for poor photos, fidelity v0-F for better ones. "
        "Guidance from 1 to 15 replaces the preset's own.",
        choices=("quality", "fidelity"),
    )
    steps: int = option(50, "Steps", "More take longer and are cleaner.", minimum=1, maximum=200)
    guidance: float = option(
        0.0,
        "Text guidance, s_cfg",
        "0 takes the preset's: 7.5 for quality, 4 for fidelity. Lower values keep faces more like themselves.",
        minimum=0.0,
        maximum=15.0,
        step=0.5,
    )
    control: float = option(
        1.0,
        "Control, s_stage2",
        "How strongly your picture holds the result; 1 is faithful, 0.93 handsomer.",
        minimum=0.0,
        maximum=1.0,
        step=0.01,
    )
    restoration: float = option(
        -1.0,
        "Pull to the first stage, s_stage1",
        "-1 is off; higher values stay closer to the cleaned picture.",
        minimum=-1.0,
        maximum=6.0,
        step=0.5,
    )
    tiled: bool = option(True, "Tiled encoder", "Saves GPU memory on large pictures, and takes longer.")
