"""Walks through the latent: from one digit to another, and along one of its numbers."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from sr_demo.digits.data import Pixels
from sr_demo.digits.lab import Gray, draw
from sr_demo.digits.options import System
from sr_demo.errors import SRError
from sr_demo.image import readonly
from sr_demo.progress import SILENT, Progress

FRAMES = 20
"""Pictures from one digit to the other; the animation goes there and back."""
_FRAME_MS = 70
REACH = 3.0
"""Latent numbers are varied from -3 to 3: nearly all of a normal distribution."""


def between(start: Gray, end: Gray, size: int, system: System, progress: Progress = SILENT) -> list[Pixels]:
    """`FRAMES` pictures (size, size) uint8 on the straight line from one latent to the other. Raises Cancelled on Stop."""
    frames: list[Pixels] = []
    for index in range(FRAMES):
        progress(index / FRAMES, f"picture {index + 1} of {FRAMES}")
        share = np.float32(index / (FRAMES - 1))
        frames.append(to_bytes(draw(readonly(start * (1 - share) + end * share), size, system)))
    return frames


def gif(frames: list[Pixels]) -> bytes:
    """The frames forth and back as an endless GIF."""
    there_and_back = [Pillow.fromarray(frame) for frame in [*frames, *frames[-2:0:-1]]]
    out = io.BytesIO()
    there_and_back[0].save(
        out, "GIF", save_all=True, append_images=there_and_back[1:], duration=_FRAME_MS, loop=0, optimize=False
    )
    return out.getvalue()


def mp4(frames: list[Pixels], file: Path) -> None:
    """The frames forth and back, three times, as a film without sound (MPEG-4). Raises SRError where it cannot be written."""
    side = frames[0].shape[0]
    film = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 1000 / _FRAME_MS, (side, side))
    if not film.isOpened():
        raise SRError("The film could not be written: OpenCV has no MPEG-4 encoder here. Take the GIF instead.")
    for frame in [*frames, *frames[-2:0:-1]] * 3:
        film.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    film.release()


def along(latent: Gray, number: int, count: int, size: int, system: System) -> Pixels:
    """(size, count * size): the digit with its latent number `number` (from 0) set to -3 .. 3, everything else kept."""
    pictures: list[Pixels] = []
    for value in np.linspace(-REACH, REACH, count, dtype=np.float32):
        changed = np.array(latent)
        changed[number] = value
        pictures.append(to_bytes(draw(readonly(changed), size, system)))
    return np.concatenate(pictures, axis=1)


def to_bytes(picture: Gray) -> Pixels:
    """[0, 1] -> uint8, rounded."""
    return np.rint(picture * np.float32(255)).astype(np.uint8)
