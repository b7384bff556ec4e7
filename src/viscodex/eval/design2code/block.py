"""A block: a piece of text, where its pixels lie, and their mean colour. What every stage of the scorer speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""x, y, width, height, as fractions of the page's own width and height."""
Color = tuple[float, float, float]
"""Mean RGB, 0 to 255. Whole numbers, except where blocks with equal boxes were merged."""


@dataclass(frozen=True)
class Block:
    """Text in lower case, as it stands in the source: line breaks inside it included."""

    text: str
    box: Box
    color: Color

    @property
    def area(self) -> float:
        return self.box[2] * self.box[3]

    @property
    def centre(self) -> tuple[float, float]:
        x, y, width, height = self.box
        return x + width / 2, y + height / 2

    def merged(self, other: Block) -> Block:
        """Two neighbours as one: texts in order, the box around both, the mean colour, rounded down."""
        x, y = min(self.box[0], other.box[0]), min(self.box[1], other.box[1])
        right = max(self.box[0] + self.box[2], other.box[0] + other.box[2])
        bottom = max(self.box[1] + self.box[3], other.box[1] + other.box[3])
        (r, g, b), (r2, g2, b2) = self.color, other.color
        color = ((r + r2) // 2, (g + g2) // 2, (b + b2) // 2)
        return Block(f"{self.text} {other.text}", (x, y, right - x, bottom - y), color)


def without_equal_boxes(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Blocks with the same box become one, in the place of the first: texts joined, colour a running mean."""
    found: dict[Box, Block] = {}
    for block in blocks:
        old = found.get(block.box)
        if old is not None:
            (r, g, b), (r2, g2, b2) = old.color, block.color
            color = ((r + r2) / 2, (g + g2) / 2, (b + b2) / 2)
            block = Block(f"{old.text} {block.text}", block.box, color)
        found[block.box] = block
    return tuple(found.values())
