"""Where painted text lies: three pictures of a page, one colour per text element, and the boxes of all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from viscodex.core.errors import VisCodexError
from viscodex.eval.design2code import palette
from viscodex.eval.design2code.block import Block, Box, Color
from viscodex.eval.design2code.palette import RGB
from viscodex.eval.design2code.source_text import TextNode

Picture = NDArray[np.uint8]
"""(height, width, RGB)."""
ALIKE = 8
"""Per channel: how exactly a pixel must have followed the colours from the first copy to the second to be text."""


@dataclass(frozen=True)
class Text:
    """The pixels that followed the colours of the copies: places in the flat picture, in order; there: (n, RGB)."""

    places: NDArray[np.int64]
    painted: Picture
    original: Picture
    groups: Mapping[RGB, NDArray[np.int64]]
    """Palette colour → which of the pixels have it."""


@dataclass(frozen=True)
class Painted:
    """A page as it is, and its two copies with painted text."""

    original: Picture
    first: Picture
    second: Picture

    @cached_property
    def text(self) -> Text:
        """Found once, whoever asks: both protocols often look at the same copies."""
        followed = cv2.absdiff(self.first + np.uint8(palette.SHIFT), self.second)  # + wraps at 256, as is meant
        near = cv2.inRange(followed, (0, 0, 0), (ALIKE, ALIKE, ALIKE))
        places = np.flatnonzero(near)
        pixels = self.first.reshape(-1, 3)[places]
        real = _at(self.original, places, self.first.shape[:2])
        return Text(places, pixels, real, dict(_lattice_groups(pixels)) if len(places) else {})


@lru_cache(maxsize=2)
def decode(png: bytes) -> Picture:
    """The pixels of a PNG, read-only. The last two are remembered: an answer is shown after it is scored."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise VisCodexError("the browser's picture cannot be decoded")
    found = np.asarray(picture, dtype=np.uint8)
    found.flags.writeable = False
    return found


def encode(picture: Picture) -> bytes:
    """A PNG, quickly made."""
    _, png = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return png.tobytes()


def find_blocks(painted: Painted, nodes: Sequence[TextNode]) -> list[Block | None]:
    """For each text its block; None where its colour is not seen, and for all when the copies differ in size."""
    if painted.first.shape != painted.second.shape or not nodes:
        return [None] * len(nodes)
    found = boxes_of(painted, {node.color for node in nodes})
    return [Block(node.text.lower(), *found[node.color]) if node.color in found else None for node in nodes]


def boxes_of(painted: Painted, colors: Iterable[RGB]) -> dict[RGB, tuple[Box, Color]]:
    """Colour → box of its text pixels, and their mean colour in the original, truncated."""
    height, width = painted.first.shape[:2]
    text = painted.text
    found = {}
    for color in colors:
        members = text.groups.get(color) if _is_lattice(color) else np.flatnonzero(_near(text.painted, color))
        if members is not None and len(members):
            y, x = np.divmod(text.places[members], width)
            left, top = int(x.min()), int(y[0])
            right, bottom = int(x.max()), int(y[-1])
            box = (left / width, top / height, (right - left + 1) / width, (bottom - top + 1) / height)
            red, green, blue = (float(int(value)) for value in text.original[members].mean(axis=0))
            found[color] = (box, (red, green, blue))
    return found


def _lattice_groups(pixels: Picture) -> Iterator[tuple[RGB, NDArray[np.int64]]]:
    """Palette colour → the pixels that have it, in order: one sort for all."""
    level = pixels - np.uint8(palette.LOWEST - palette.TOLERANCE)
    near = np.flatnonzero(((level & (palette.STEP - 1)) <= 2 * palette.TOLERANCE).all(axis=1))
    levels = (level[near] // palette.STEP).astype(np.uint16)
    codes = (levels[:, 0] * palette.LEVELS + levels[:, 1]) * palette.LEVELS + levels[:, 2]
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    for code, members in zip(present, np.split(near[order], starts[1:]), strict=False):
        yield palette.color_of(palette.SIZE - 1 - int(code)), members


def _is_lattice(color: RGB) -> bool:
    return all(value >= palette.LOWEST and (value - palette.LOWEST) % palette.STEP == 0 for value in color)


def _near(pixels: Picture, color: RGB) -> NDArray[np.bool_]:
    """Pixels within the tolerance of a colour that is not of the palette: the page's own inline colours."""
    distance = np.abs(pixels.astype(np.int16) - np.array(color, dtype=np.int16))
    return np.asarray((distance <= palette.TOLERANCE).all(axis=1))


def _at(original: Picture, places: NDArray[np.int64], shape: tuple[int, int]) -> Picture:
    """The original's pixels at places of a copy, which a page may have made larger."""
    if original.shape[:2] == shape:
        return original.reshape(-1, 3)[places]
    y, x = np.divmod(places, shape[1])
    return np.asarray(original[np.minimum(y, original.shape[0] - 1), np.minimum(x, original.shape[1] - 1)])
