"""Bicubic and Lanczos interpolation, the baselines that every method must beat."""

from __future__ import annotations

from dataclasses import dataclass

from sr_demo.checkpoint import Checkpoint, Tiling
from sr_demo.image import Image, Size
from sr_demo.imaging.resize import Kernel, resize
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.timing import Timing

_SCALE = 4
# Measured by `python -m sr_demo bench costs show`; stored here, since methods without weights have no card.
_TIMING = Timing("", 0, (96, 192, 384), first=(0.0073, 0.0266, 0.0951), again=(0.0064, 0.026, 0.0891))
_NO_WEIGHTS = (
    Checkpoint(
        "default", "no weights", licence="none needed", bytes_per_pixel=700, flops_per_pixel=2e4, timings=(_TIMING,)
    ),
)  # fmt: skip
# The halo is the reach of the kernel: tiles give exactly the result of the whole image.
_BICUBIC, _LANCZOS = (Tiling("tiles", halo=reach, largest=512, max_aspect=2) for reach in (2, 3))


@dataclass(frozen=True)
class Resampler:
    """An `Upscaler` that interpolates."""

    kernel: Kernel
    precision: str = "fp32"
    backend: str = ""
    loss_db: float | None = None

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """See `spec.Upscaler`."""
        progress.check()
        return resize(image, (image.shape[0] * _SCALE, image.shape[1] * _SCALE), self.kernel)

    def upscale_to(self, image: Image, size: Size, options: Options, progress: Progress) -> Image:
        """See `spec.SizedUpscaler`."""
        return resize(image, size, self.kernel, progress=progress)


def _load_bicubic(request: Request) -> Upscaler:
    return Resampler("bicubic")


def _load_lanczos(request: Request) -> Upscaler:
    return Resampler("lanczos")


BICUBIC = Approach(
    id="bicubic",
    title="Bicubic",
    summary="plain enlargement, the baseline",
    about="Interpolates with a cubic kernel over 4 x 4 pixels (Keys 1981, a = -0.5; Pillow). It knows nothing about "
    "pictures and invents nothing; every other method has to beat it.",
    family="baseline",
    load=_load_bicubic,
    checkpoints=_NO_WEIGHTS,
    tiling=_BICUBIC,
    scale=_SCALE,
    rendered=1.0,
)

LANCZOS = Approach(
    id="lanczos",
    title="Lanczos",
    summary="plain enlargement, a little crisper",
    about="Interpolates with a windowed sinc over 6 x 6 pixels (Duchon 1979; Pillow). Slightly sharper than bicubic, "
    "with faint ringing at hard edges.",
    family="baseline",
    load=_load_lanczos,
    checkpoints=_NO_WEIGHTS,
    tiling=_LANCZOS,
    scale=_SCALE,
    rendered=1.0,
    preselected=False,
)
