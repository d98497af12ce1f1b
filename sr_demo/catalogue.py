"""The list of approaches, in the order in which people see them."""

from __future__ import annotations

from sr_demo.approaches import baselines, edsr, hat, liif, mosaic, rdn, real_esrgan
from sr_demo.spec import Approach

APPROACHES: tuple[Approach, ...] = (
    baselines.BICUBIC,
    baselines.LANCZOS,
    edsr.APPROACH,
    rdn.APPROACH,
    real_esrgan.APPROACH,
    hat.APPROACH,
    liif.APPROACH,
    mosaic.APPROACH,
)
