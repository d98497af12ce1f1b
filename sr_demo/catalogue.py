"""The list of approaches, in the order in which people see them."""

from __future__ import annotations

from sr_demo.approaches import baselines, edsr, hat, liif, mosaic, rdn, real_esrgan, rrdn, srgan
from sr_demo.spec import Approach

APPROACHES: tuple[Approach, ...] = (
    baselines.BICUBIC,
    baselines.LANCZOS,
    edsr.APPROACH,
    rdn.APPROACH,
    rrdn.APPROACH,
    real_esrgan.APPROACH,
    srgan.APPROACH,
    hat.APPROACH,
    liif.APPROACH,
    mosaic.APPROACH,
)
