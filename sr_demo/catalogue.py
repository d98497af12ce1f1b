"""The catalogue: every approach, in the order of the page."""

from __future__ import annotations

from sr_demo.approaches import (
    baselines,
    cyclegan,
    dat,
    diffusion,
    drct,
    edsr,
    espcn,
    face_restore,
    faithdiff,
    hat,
    liif,
    mosaic,
    rdn,
    real_esrgan,
    rrdn,
    sd_x4_upscaler,
    span,
    srgan,
    srresnet,
    supir,
)
from sr_demo.spec import Approach

APPROACHES: tuple[Approach, ...] = (
    baselines.BICUBIC,
    baselines.LANCZOS,
    espcn.APPROACH,
    span.APPROACH,
    srresnet.APPROACH,
    edsr.APPROACH,
    rdn.APPROACH,
    rrdn.APPROACH,
    real_esrgan.APPROACH,
    srgan.APPROACH,
    cyclegan.APPROACH,
    hat.APPROACH,
    dat.APPROACH,
    drct.APPROACH,
    liif.APPROACH,
    diffusion.APPROACH,
    face_restore.APPROACH,
    mosaic.APPROACH,
    sd_x4_upscaler.APPROACH,
    faithdiff.APPROACH,
    supir.APPROACH,
)
