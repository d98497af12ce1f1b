"""The transfer function of sRGB, between encoded values and linear light.

Source: IEC 61966-2-1, section 5.2. Averaging is physically correct in linear light: a fine black and white pattern becomes
half the light, which is the encoded value 0.735 rather than 0.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


def srgb_to_linear(values: Values) -> Values:
    """Return the linear light of sRGB `values`: float32 in [0, 1], of any shape."""
    light = np.power((values + np.float32(0.055)) / np.float32(1.055), np.float32(2.4), dtype=np.float32)
    return np.where(values <= np.float32(0.04045), values / np.float32(12.92), light)


def linear_to_srgb(light: Values) -> Values:
    """Return the sRGB values of linear `light`: float32 in [0, 1], of any shape."""
    values = np.power(light, np.float32(1 / 2.4), dtype=np.float32) * np.float32(1.055) - np.float32(0.055)
    return np.where(light <= np.float32(0.0031308), light * np.float32(12.92), values)
