"""Checks what a door made of a file against the table."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from sr_demo.codecs.sniff import display_name
from tests.walk.table import Case

SECONDS = 10.0
"""Longest time for one file, on a computer that is busy with tests."""
LONGEST = 300
"""Characters of a sentence."""


@dataclass(frozen=True)
class Made:
    """What a door made of a file: a picture, or a sentence."""

    seconds: float
    png: bytes | None = None
    """The result, or on the page the preview."""
    sentence: str = ""
    said: str = ""
    """What was said beside the picture."""
    upscaled: int = 4
    """Size of the picture in sizes of the file's image."""
    foreign: str = ""
    """Lines on standard error that are not ours."""


def complaints(case: Case, made: Made, *, secrets: tuple[str, ...] = ()) -> list[str]:
    """Return what is wrong with `made`; `secrets` are paths that no sentence may contain."""
    wrong: list[str] = []
    if made.seconds > SECONDS:
        wrong.append(f"took {made.seconds:.1f} s")
    if made.foreign:
        wrong.append(f"foreign lines: {made.foreign[:200]!r}")
    if (made.png is None) == (not made.sentence):
        wrong.append(f"not either a picture or a sentence: {made.sentence!r}")
    if made.png is not None:
        return wrong + _of_image(case, made, made.png)
    return wrong + _of_sentence(case, made.sentence, secrets)


def _of_image(case: Case, made: Made, png: bytes) -> list[str]:
    if case.outcome == "sentence":
        return [f"a picture, where a sentence is right ({made.said})"]
    wrong: list[str] = []
    with Pillow.open(io.BytesIO(png)) as image:
        wanted = None if case.size is None else tuple(side * made.upscaled for side in case.size)
        if wanted not in (None, image.size):
            wrong.append(f"{image.size} instead of {wanted}")
    if case.said and not re.search(case.said, made.said):
        wrong.append(f"{case.said!r} is not said: {made.said!r}")
    wrong += [f"not {name}" for name in case.holds if not PROPERTIES[name](png, made.said)]
    return wrong


def _of_sentence(case: Case, sentence: str, secrets: tuple[str, ...]) -> list[str]:
    wrong = [f"refused: {sentence}"] if case.outcome == "picture" else []
    if len(sentence) > LONGEST:
        wrong.append(f"{len(sentence)} characters: {sentence[:400]}")
    if "\n" in sentence or not sentence.endswith("."):
        wrong.append(f"not one sentence: {sentence!r}")
    if re.search("Traceback|Something went wrong|Error:|Errno|None", sentence):
        wrong.append(f"not for people: {sentence!r}")
    if any(secret in sentence for secret in secrets):
        wrong.append(f"reveals a path: {sentence!r}")
    if sentence.count(display_name(case.name)) > 1:
        wrong.append(f"names the file twice: {sentence!r}")
    if case.never and re.search(case.never, sentence):
        wrong.append(f"untrue: {sentence!r}")
    return wrong


def _chunks(png: bytes) -> set[bytes]:
    """The types of the chunks of a PNG file."""
    place, found = 8, set[bytes]()
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        found.add(png[place + 4 : place + 8])
        place += 12 + length
    return found


def _samples(png: bytes) -> np.ndarray:
    with Pillow.open(io.BytesIO(png)) as image:
        return np.asarray(image, np.float64)


def _partly_transparent(png: bytes, said: str) -> bool:
    with Pillow.open(io.BytesIO(png)) as image:
        low, high = image.convert("RGBA").getchannel("A").getextrema()
    return (low, high) == (0, 255)


def _300_dpi(png: bytes, said: str) -> bool:
    with Pillow.open(io.BytesIO(png)) as image:
        return max(image.info.get("dpi", (0,))) > 299


def _wide_range(png: bytes, said: str) -> bool:
    """Real values are most of the range: percentiles far apart. What has no data is transparent."""
    samples = _samples(png)
    if samples.ndim == 3 and samples.shape[2] == 4:
        samples = samples[samples[..., 3] > 0][:, :3]
    low, high = np.percentile(samples, (10, 90))
    white = 255 if samples.ndim == 2 and samples.shape[1] == 3 else 65535  # Pillow reads colour in 8 bits
    return bool(high - low > 0.3 * white)


PROPERTIES: dict[str, Callable[[bytes, str], bool]] = {
    "16 bit": lambda png, said: png[24] == 16,
    "gray": lambda png, said: _samples(png).ndim == 2 or bool(np.ptp(_samples(png), axis=2).max() == 0),
    "white": lambda png, said: bool((_samples(png) == 255).all()),
    "partly transparent": _partly_transparent,
    "300 dpi": _300_dpi,
    "wide range": _wide_range,
    "cHRM, iCCP or said": lambda png, said: bool(_chunks(png) & {b"cHRM", b"iCCP"} or "colo" in said),
    "gAMA, iCCP or said": lambda png, said: bool(_chunks(png) & {b"gAMA", b"iCCP"} or "gamma" in said.lower()),
}
"""Name -> whether a result, with what is said beside it, has that property."""
