"""The 4,096 colours that tell text elements apart, and how pages write colours."""

from __future__ import annotations

import re

import PIL.ImageColor

STEP, LOWEST, LEVELS = 16, 10, 16
"""Channel values 10, 26, … 250."""
SIZE = LEVELS**3
SHIFT = 50
"""What is added to every channel, modulo 256, in the second copy."""
TOLERANCE = 4
"""Per channel: pixels this near have the colour."""

RGB = tuple[int, int, int]
HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)
CALL = re.compile(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)", re.IGNORECASE)


def color_of(index: int) -> RGB:
    """The colour of the text element with this number: the brightest first, blue changing fastest."""
    code = SIZE - 1 - index
    return (
        LOWEST + STEP * (code // LEVELS**2),
        LOWEST + STEP * (code // LEVELS % LEVELS),
        LOWEST + STEP * (code % LEVELS),
    )


def shifted(color: RGB) -> RGB:
    """The same element's colour in the second copy."""
    red, green, blue = ((value + SHIFT) % 256 for value in color)
    return red, green, blue


def written(color: RGB) -> str:
    """`#FAFAFA`."""
    return "#{:02X}{:02X}{:02X}".format(*color)


def read_color(text: str) -> RGB | None:
    """A colour written as `#rgb`, `#rrggbb`, `rgb(r, g, b)` or by its name; None for everything else."""
    text = text.replace("!important", "").strip()
    if call := CALL.fullmatch(text):
        red, green, blue = (int(value) for value in call.groups())
        return (red, green, blue) if max(red, green, blue) <= 255 else None
    if not HEX.fullmatch(text) and text.lower() not in PIL.ImageColor.colormap:
        return None
    found = PIL.ImageColor.getrgb(text)
    return found[0], found[1], found[2]
