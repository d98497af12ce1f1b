"""Walks through the latent space: between two digits, and along one latent dimension."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from sr_demo.digits.data import Pixels
from sr_demo.digits.inference import Gray, draw
from sr_demo.digits.options import DigitModel
from sr_demo.errors import SRError
from sr_demo.image import readonly
from sr_demo.progress import SILENT, Progress

FRAMES = 20
"""Frames from one digit to the other; the animation plays them forwards and backwards."""
_FRAME_MS = 70
REACH = 3.0
"""Latent values are varied in -3..3, which covers nearly all of a standard normal distribution."""


def interpolate_latents(
    start: Gray, end: Gray, size: int, system: DigitModel, progress: Progress = SILENT
) -> list[Pixels]:
    """Interpolate linearly between two latents.

    Args:
        start: (Z,).
        end: (Z,).
        size: Pixels per side of a frame.
        system: Which CPPN draws.
        progress: Reports the frames; raises Cancelled on Stop.

    Returns:
        `FRAMES` frames (size, size) uint8.
    """
    frames: list[Pixels] = []
    for index in range(FRAMES):
        progress(index / FRAMES, f"picture {index + 1} of {FRAMES}")
        share = np.float32(index / (FRAMES - 1))
        frames.append(to_bytes(draw(readonly(start * (1 - share) + end * share), size, system, progress=progress)))
    return frames


def gif(frames: list[Pixels]) -> bytes:
    """Encode the frames, forwards and backwards, as an endless GIF."""
    there_and_back = [Pillow.fromarray(frame) for frame in [*frames, *frames[-2:0:-1]]]
    out = io.BytesIO()
    there_and_back[0].save(
        out, "GIF", save_all=True, append_images=there_and_back[1:], duration=_FRAME_MS, loop=0, optimize=False
    )
    return out.getvalue()


def mp4(frames: list[Pixels], file: Path) -> None:
    """Write the frames, forwards and backwards, three times, as an MPEG-4 film without sound.

    Raises:
        SRError: OpenCV has no MPEG-4 encoder.
    """
    side = frames[0].shape[0]
    film = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 1000 / _FRAME_MS, (side, side))
    if not film.isOpened():
        raise SRError("The film could not be written: OpenCV has no MPEG-4 encoder here. Take the GIF instead.")
    for frame in [*frames, *frames[-2:0:-1]] * 3:
        film.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    film.release()


def vary_latent(
    latent: Gray, number: int, count: int, size: int, system: DigitModel, progress: Progress = SILENT
) -> Pixels:
    """Draw a digit with one latent value replaced by `count` values in -3..3.

    Args:
        latent: (Z,).
        number: Index of the latent value, from 0.
        count: Number of images.
        size: Pixels per side of each.
        system: Which CPPN draws.
        progress: Reports the images; raises Cancelled on Stop.

    Returns:
        (size, count * size) uint8, the images side by side.
    """
    images: list[Pixels] = []
    for index, value in enumerate(np.linspace(-REACH, REACH, count, dtype=np.float32)):
        changed = np.array(latent)
        changed[number] = value
        part = progress.part(index / count, (index + 1) / count)
        images.append(to_bytes(draw(readonly(changed), size, system, progress=part)))
    return np.concatenate(images, axis=1)


def to_bytes(image: Gray) -> Pixels:
    """Convert [0, 1] to uint8, rounded."""
    return np.rint(image * np.float32(255)).astype(np.uint8)
