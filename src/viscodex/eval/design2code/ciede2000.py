"""The difference of colours as people see it: CIEDE2000 with k = 1, for many pairs at once.

Source: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula" (2005); the mean hue as Lindbloom writes it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rows = NDArray[np.float64]

TO_XYZ = np.array([[0.412424, 0.357579, 0.180464], [0.212656, 0.715158, 0.0721856], [0.0193324, 0.119193, 0.950444]])
"""Linear sRGB to XYZ under D65, with the six digits that the published scorer's library has."""
WHITE = np.array([0.95047, 1.0, 1.08883])
EPSILON = 216 / 24389


def lab(rgb: ArrayLike) -> Rows:
    """sRGB, 0 to 255, as CIE L*a*b*: (n, 3)."""
    value = np.asarray(rgb, dtype=np.float64).reshape(-1, 3) / 255
    linear = np.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)
    scaled = linear @ TO_XYZ.T / WHITE
    x, y, z = np.where(scaled > EPSILON, np.cbrt(scaled), 7.787 * scaled + 16 / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def difference(one: Rows, other: Rows) -> Rows:
    """ΔE of two lists of colours in L*a*b*: (n, 3), (n, 3) → (n,)."""
    (l1, a1, b1), (l2, a2, b2) = one.T, other.T
    c_mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = np.abs(h1 - h2) > 180
    h_mean = (h1 + h2 + 360 * turn) / 2
    step = h2 - h1 + np.where(turn, np.where(h2 > h1, -360, 360), 0)
    l_mean, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1 - 0.17 * _cos(h_mean - 30) + 0.24 * _cos(2 * h_mean) + 0.32 * _cos(3 * h_mean + 6)
    t -= 0.20 * _cos(4 * h_mean - 63)
    d_l, d_c, d_h = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(step / 2))
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    turned = 30 * np.exp(-(((h_mean - 275) / 25) ** 2))
    r_t = -2 * np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7)) * np.sin(np.radians(2 * turned))
    whole = (d_l / s_l) ** 2 + (d_c / s_c) ** 2 + (d_h / s_h) ** 2 + r_t * (d_c / s_c) * (d_h / s_h)
    return np.asarray(np.sqrt(np.maximum(whole, 0.0)))


def likeness(one: Sequence[ArrayLike], other: Sequence[ArrayLike]) -> Rows:
    """1 for the same colour, falling to 0 at a ΔE of 100."""
    return np.maximum(0.0, 1 - difference(lab(np.array(one)), lab(np.array(other))) / 100)


def _cos(degrees: Rows) -> Rows:
    return np.asarray(np.cos(np.radians(degrees)))
