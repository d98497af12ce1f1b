"""Make the images of `docs/invention.md` with the embedded networks.

From the root of the repository: `PYTHONPATH=. .venv/bin/python assets/invention/make_images.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from skimage import data

from sr_demo.catalogue import APPROACHES
from sr_demo.image import Image, ImageData, Output, Size, from_array, readonly, write
from sr_demo.imaging.resize import downscale, resize
from sr_demo.inference.faithful import allowed_detail
from sr_demo.inference.jobs import job_for
from sr_demo.inference.runner import Runner
from sr_demo.reports.invention_overlay import reference_overlay, unsupported_overlay

FOLDER = Path(__file__).parent
GENERATIVE = "cyclegan"
GAP = 4
"""White pixels between two images of a row."""


def main() -> None:
    """Write the three files."""
    hr = from_array(data.astronaut()[48:208, 144:304]).rgb
    lr, runner = ImageData(downscale(hr, 4)), Runner()

    def made(name: str, **options: object) -> Image:
        return runner.run(job_for(APPROACHES, name, dict(options)), lr).rgb

    plain, drawn = made("bicubic"), made(GENERATIVE)
    details = [made(GENERATIVE, detail=detail) for detail in (0.0, 0.5)]
    _save("slider", [hr, plain, *details, drawn])
    maps = [_over(image, reference_overlay(image, lr.rgb, hr)) for image in (plain, made("rdn"), drawn)]
    _save("maps", [*maps, _over(drawn, unsupported_overlay(drawn, lr.rgb, [made("edsr")]))])

    white = np.zeros((*hr.shape[:2], 3), np.float32)
    white[20:84, 44:112] = 1
    masked = runner.run(job_for(APPROACHES, GENERATIVE), lr, allowed=allowed_detail(readonly(white))).rgb
    _save("mask", [hr, _over(drawn, _striped(white)), masked, drawn])


def _striped(white: Image) -> ImageData:
    """Return what is painted as the page shows it: blue with white stripes."""
    y, x = np.ogrid[: white.shape[0], : white.shape[1]]
    stripes = ((x - y) % 8 < 2)[..., None]
    colours = np.where(stripes, np.float32(1), np.asarray([0, 90, 200], np.float32) / 255)
    return ImageData(readonly(np.asarray(colours, np.float32)), alpha=readonly(white[..., 0] * np.float32(0.55)))


def _over(image: Image, layer: ImageData) -> Image:
    assert layer.alpha is not None
    opacity = layer.alpha[..., None]
    return readonly(image * (1 - opacity) + layer.rgb * opacity)


def _save(name: str, images: list[Image]) -> None:
    white = np.ones((2 * images[0].shape[0], GAP, 3), np.float32)
    parts = [part for image in images for part in (resize(image, Size(*(2 * side for side in image.shape[:2]))), white)]
    row = ImageData(readonly(np.clip(np.concatenate(parts[:-1], axis=1), 0, 1)))
    write(row, FOLDER / f"{name}.webp", Output("webp", quality=85))


if __name__ == "__main__":
    main()
