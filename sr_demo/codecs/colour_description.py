"""Conversion of other colour descriptions (PNG's gAMA, cHRM and cICP, and nclx of HEIF and AVIF) to ICC profiles.

Results carry a profile, which every viewer applies; pixel values stay as they are in the file.

Sources: PNG specification (third edition), section 11.3.2; ITU-T H.273, tables 2 and 3; ICC.1:2022.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_demo.codecs.iso_media import Properties

_MOST_CHUNK = 64
"""Largest size in bytes of the chunks that are read; the largest known one, cHRM, has 32."""


class Chromaticities(NamedTuple):
    """CIE x and y of the white point and of the primaries."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]


class Curve(NamedTuple):
    """Curve from an encoded value x to linear light: (a x + b) ** gamma from x = d on, c x below."""

    gamma: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0


_D65 = (0.3127, 0.3290)
_BT709 = Chromaticities(_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_PRIMARIES: dict[int, Chromaticities] = {
    1: _BT709,
    4: Chromaticities((0.310, 0.316), (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: Chromaticities(_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: Chromaticities(_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: Chromaticities(_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: Chromaticities(_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: Chromaticities((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: Chromaticities(_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""Chromaticities by ColourPrimaries of ITU-T H.273."""
_SRGB = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_CAMERA = Curve(1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: dict[int, Curve] = {
    1: _CAMERA, 4: Curve(2.2), 5: Curve(2.8), 6: _CAMERA, 8: Curve(1.0), 13: _SRGB, 14: _CAMERA, 15: _CAMERA,
}  # fmt: skip
"""Curves by TransferCharacteristics of ITU-T H.273."""
_HDR = {16: "PQ", 18: "HLG"}
_CLOSE = 0.003
"""Invisible difference of chromaticities. PNG rounds them to 0.00001, and programs round them before."""
_CLOSE_GAMMA = 0.01
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
CARRIED = "Its colours are not sRGB (the file gives gamma or primaries): the result carries them as a colour profile."


@dataclass(frozen=True)
class ColourSpace:
    """A colour space: primaries, and the curve from values to linear light."""

    primaries: Chromaticities
    curve: Curve

    @property
    def is_srgb(self) -> bool:
        """Whether the colour space is sRGB or so close that sRGB is meant, which viewers assume without a description."""
        pairs = zip(self.primaries, _BT709, strict=True)
        same = all(abs(a - b) <= _CLOSE for ours, theirs in pairs for a, b in zip(ours, theirs, strict=True))
        # Viewers show BT.709 as sRGB, and PNG writes 0.45455 for sRGB.
        shown_so = self.curve in (_SRGB, _CAMERA) or (
            self.curve == Curve(self.curve.gamma) and abs(1 / self.curve.gamma - 0.45455) <= _CLOSE_GAMMA
        )
        return same and shown_so


class ColourDescription(NamedTuple):
    """The colours of a file without an ICC profile."""

    colour: ColourSpace | None = None
    """None if the file has no description, or describes sRGB."""
    note: str = ""
    """A sentence for the user if the result cannot carry the description."""


def of_png(file: IO[bytes]) -> ColourDescription:
    """Read the chunks of a PNG that describe its colours: cICP, else sRGB, else gAMA and cHRM. Raises ValueError."""
    chunks = _chunks(file)
    if len(chunks.get(b"cICP", b"")) == 4:
        return _described(chunks[b"cICP"][0], chunks[b"cICP"][1])
    if b"sRGB" in chunks or not chunks.keys() & {b"gAMA", b"cHRM"}:
        return ColourDescription()
    curve, primaries = _SRGB, _BT709
    if len(chunks.get(b"gAMA", b"")) == 4:
        stored = int.from_bytes(chunks[b"gAMA"], "big")
        if not 5_000 <= stored <= 1_000_000:
            raise ValueError(f"gAMA {stored}")
        curve = Curve(100_000 / stored)
    if len(chunks.get(b"cHRM", b"")) == 32:
        x = [value / 100_000 for value in struct.unpack(">8I", chunks[b"cHRM"])]
        primaries = Chromaticities((x[0], x[1]), (x[2], x[3]), (x[4], x[5]), (x[6], x[7]))
    return _unless_srgb(ColourSpace(primaries, curve))


def of_properties(found: Properties) -> ColourDescription:
    """Return the colours of an nclx description of HEIF or AVIF."""
    if found.primaries is None or found.transfer is None:
        return ColourDescription()
    return _described(found.primaries, found.transfer)


def _described(primaries: int, transfer: int) -> ColourDescription:
    if transfer in _HDR:
        return ColourDescription(
            note=f"This picture is HDR ({_HDR[transfer]}): its values are kept, but the saved file is not marked as HDR "
            "and looks flat. Convert it to SDR first."
        )
    return _unless_srgb(ColourSpace(_PRIMARIES.get(primaries, _BT709), _CURVES.get(transfer, _SRGB)))


def _unless_srgb(colour: ColourSpace) -> ColourDescription:
    return ColourDescription() if colour.is_srgb else ColourDescription(colour)


def _chunks(file: IO[bytes]) -> dict[bytes, bytes]:
    """Return the small chunks before the pixels, the first of each kind; the position in the file is restored."""
    place, at = file.tell(), 8
    found: dict[bytes, bytes] = {}
    while True:
        file.seek(at)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or kind in (b"IDAT", b"IEND"):
            break
        if length <= _MOST_CHUNK:
            found.setdefault(kind, file.read(length))
        at += 12 + length
    file.seek(place)
    return found


def profile(colour: ColourSpace, *, gray: bool) -> bytes:
    """Return an ICC profile (version 4, matrix and curves).

    Args:
        colour: The colour space to describe.
        gray: Whether the profile is for one channel, which has a curve but no primaries.

    Raises:
        ValueError: The primaries are linearly dependent.
    """
    curve = _curve(colour.curve)
    tags = [(b"desc", _text("From gamma and primaries in the file")), (b"cprt", _text("Public domain"))]
    tags.append((b"wtpt", _xyz(_D50)))
    if gray:
        tags.append((b"kTRC", curve))
    else:
        columns = _to_d50(colour.primaries)
        tags += [(name, _xyz(columns[:, i])) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
        tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    size = 128 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"", 0x04300000, b"mntr", b"GRAY" if gray else b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s28x", 2026, 1, 1, 0, 0, 0, b"acsp") + _xyz(_D50)[8:] + bytes(48)
    return header + table + body


def _to_d50(primaries: Chromaticities) -> NDArray[np.float64]:
    """Return the XYZ of the primaries in columns, adapted from the white point to D50 (Bradford) as in ICC profiles."""
    white, *colours = [np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in primaries if y > 0]
    if len(colours) != 3:
        raise ValueError("a primary without light")
    columns = np.stack(colours, axis=1)
    columns = columns * np.linalg.solve(columns, white)
    adapted = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD @ columns
    if not np.isfinite(adapted).all() or np.abs(adapted).max() > 100:
        raise ValueError("primaries that span no colours")
    return adapted


def _curve(curve: Curve) -> bytes:
    """Return a parametric curve of type 0 (gamma only) or type 3."""
    if curve == Curve(curve.gamma):
        return b"para\0\0\0\0\0\0\0\0" + struct.pack(">i", round(curve.gamma * 65536))
    return b"para\0\0\0\0\0\3\0\0" + struct.pack(">5i", *(round(value * 65536) for value in curve))


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65536) for value in values))


def _text(text: str) -> bytes:
    content = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(content), 28) + content
