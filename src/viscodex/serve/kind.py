"""What a picture shows when nobody says: a web page or a chart."""

from __future__ import annotations

import numpy as np
import PIL.Image

from viscodex.core.sample import Kind

PHONES = (320, 360, 375, 390, 393, 412, 414, 428, 430)
TABLETS = (768, 810, 820, 834, 1024, 1080, 1112, 1180, 1194)
DESKTOPS = (1280, 1366, 1440, 1470, 1512, 1536, 1600, 1680, 1710, 1728, 1792, 1920, 2048, 2560, 2880, 3024, 3456, 3840)
SCREENS = frozenset((*PHONES, *TABLETS, *DESKTOPS))
"""Widths of windows and screens, in pixels."""
EDGE = 0.01
"""Of the shorter side: how far one colour must reach in from every edge of a chart."""
TOLERANCE = 8
LONGEST = 3.0
"""Charts are not longer than this, for their shorter side; long pages are."""


def kind_of(picture: PIL.Image.Image) -> Kind:
    """A chart has a margin of one colour all round, is not as wide as a screen, nor very long; else it is a page."""
    width, height = picture.size
    if width in SCREENS or max(width, height) > LONGEST * min(width, height):
        return "html"
    return "chart" if _has_margin(np.asarray(picture.convert("RGB"), dtype=np.int16)) else "html"


def _has_margin(pixels: np.ndarray) -> bool:
    edge = max(1, round(EDGE * min(pixels.shape[:2])))
    strips = (pixels[:edge], pixels[-edge:], pixels[:, :edge], pixels[:, -edge:])
    return all(int(np.abs(strip - pixels[0, 0]).max()) <= TOLERANCE for strip in strips)
