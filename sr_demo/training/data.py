"""Photos for training: read once, kept as 8-bit arrays in memory, cut into random aligned patches.

The LR picture is made from the whole HR picture (antialiased bicubic, rounded to 8 bit): shrinking patches would teach
the network their borders. Legend: N = batch, p = side of the LR patch, s = scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from sr_demo.errors import BadInput
from sr_demo.image import Image, quantize
from sr_demo.imaging.resize import downscale

TrainingImage = NDArray[np.uint8]
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Pairs:
    """HR pictures (s*h, s*w, 3) and their LR twins (h, w, 3), both uint8, in the order of their file names."""

    names: tuple[str, ...]
    hr: tuple[TrainingImage, ...]
    lr: tuple[TrainingImage, ...]
    skipped: tuple[str, ...]
    """One sentence for each file that could not be used."""
    kind: str = "folder of pictures"
    """What the pictures came as, in a few words, for the card."""
    track: Literal["bicubic", "unknown"] = "bicubic"
    """How the LR pictures were made; "unknown" ones came with the data."""

    @property
    def smallest(self) -> int:
        """The shortest side of an LR picture: no patch can be larger."""
        return min(min(lr.shape[:2]) for lr in self.lr)

    def some(self, which: Sequence[int]) -> Pairs:
        """The pairs at these places."""
        names, hr, lr = (tuple(values[i] for i in which) for values in (self.names, self.hr, self.lr))
        return replace(self, names=names, hr=hr, lr=lr)


def load_folder(folder: Path, scale: int, smallest: int, report: Callable[[str], None] = print) -> Pairs:
    """All pictures of `folder` as pairs. A file that is no picture, or is under `smallest` LR pixels, is skipped.

    `report` receives one sentence for each skipped file. Raises BadInput where nothing usable is left.
    """
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}: training needs a folder of high-resolution pictures.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise BadInput(f"The folder {folder} holds no pictures ({', '.join(SUFFIXES)}).")
    names: list[str] = []
    hr: list[TrainingImage] = []
    lr: list[TrainingImage] = []
    skipped: list[str] = []
    for path in files:
        try:
            big = _cropped(read_rgb(path), scale)
            if min(big.shape[:2]) < smallest * scale:
                side = smallest * scale
                raise BadInput(f"{path.name} is smaller than {side} x {side} pixels, the size of one training patch.")
        except BadInput as problem:
            skipped.append(str(problem))
            report(f"skipped: {problem}")
            continue
        names.append(path.name)
        hr.append(np.ascontiguousarray(big))
        lr.append(downscale_8bit(big, scale))
    if not hr:
        raise BadInput(f"None of the {len(files)} pictures in {folder} could be used; the first: {skipped[0]}")
    return Pairs(tuple(names), tuple(hr), tuple(lr), tuple(skipped))


def read_rgb(path: Path) -> TrainingImage:
    """A picture file as (H, W, 3) uint8 RGB. Raises BadInput in one sentence naming the file."""
    try:
        with Pillow.open(path) as opened:
            return np.asarray(opened.convert("RGB"))
    except UnidentifiedImageError:
        raise BadInput(f"{path.name} is not a picture that can be read.") from None
    except (OSError, ValueError, Pillow.DecompressionBombError) as problem:
        raise BadInput(f"{path.name} could not be read ({problem}).") from problem


def downscale_8bit(picture: TrainingImage, scale: int) -> TrainingImage:
    """(s*h, s*w, 3) -> (h, w, 3), antialiased bicubic, rounded to 8 bit."""
    return quantize(downscale(as_float(picture), scale))


def as_float(picture: TrainingImage) -> Image:
    """0..255 -> [0, 1]."""
    return np.divide(picture, 255, dtype=np.float32)


def sample(
    pairs: Pairs, count: int, patch: int, scale: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """`count` random aligned patches, flipped and turned at random: (N, p, p, 3) LR and (N, s*p, s*p, 3) HR."""
    small = np.empty((count, patch, patch, 3), np.uint8)
    large = np.empty((count, patch * scale, patch * scale, 3), np.uint8)
    for i in range(count):
        which = int(rng.integers(len(pairs.hr)))
        lr, hr = pairs.lr[which], pairs.hr[which]
        top, left = (int(rng.integers(side - patch + 1)) for side in lr.shape[:2])
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        small[i] = _turn(lr[top : top + patch, left : left + patch], turns, mirror)
        rows, columns = slice(top * scale, (top + patch) * scale), slice(left * scale, (left + patch) * scale)
        large[i] = _turn(hr[rows, columns], turns, mirror)
    return small, large


def centre_crops(pairs: Pairs, patch: int, scale: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The middle of every picture, for validation: (N, p, p, 3) LR and (N, s*p, s*p, 3) HR."""
    small: list[TrainingImage] = []
    large: list[TrainingImage] = []
    for lr, hr in zip(pairs.lr, pairs.hr, strict=True):
        top, left = (lr.shape[0] - patch) // 2, (lr.shape[1] - patch) // 2
        small.append(lr[top : top + patch, left : left + patch])
        large.append(hr[top * scale : (top + patch) * scale, left * scale : (left + patch) * scale])
    return np.stack(small), np.stack(large)


def _cropped(picture: TrainingImage, multiple: int) -> TrainingImage:
    height, width = (side // multiple * multiple for side in picture.shape[:2])
    return picture[:height, :width]


def _turn(picture: TrainingImage, turns: int, mirror: bool) -> TrainingImage:
    turned = np.rot90(picture, turns)
    return turned[:, ::-1] if mirror else turned
