"""A picture of a comparison: both pages side by side, matched blocks in green with a number, others in red."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from viscodex.eval.design2code.block import Block
from viscodex.eval.design2code.matching import Pair
from viscodex.eval.design2code.pixels import Picture, encode
from viscodex.eval.design2code.scores import Comparison

MATCHED, LEFT, PAPER, GUTTER = (0, 140, 60), (214, 40, 40), (255, 255, 255), (90, 90, 90)
WIDTH = 640
"""Of each page, in pixels."""
TALLEST = 4000
GAP = 8
LONGEST = 80


def overlay(answer: Picture, reference: Picture, comparison: Comparison) -> bytes:
    """The answer on the left, the reference on the right, as PNG. Both as `small` makes them."""
    left = _drawn(answer, comparison.prediction, [pair.prediction for pair in comparison.pairs])
    right = _drawn(reference, comparison.reference, [pair.reference for pair in comparison.pairs])
    whole = PIL.Image.new("RGB", (left.width + GAP + right.width, max(left.height, right.height)), GUTTER)
    whole.paste(left, (0, 0))
    whole.paste(right, (left.width + GAP, 0))
    return encode(np.asarray(whole))


def boxes(comparison: Comparison) -> dict[str, list[dict[str, Any]]]:
    """The same as plain data: boxes as fractions of their page, `with` the number of the partner or None."""
    partners = {pair.prediction: pair for pair in comparison.pairs}
    others = {pair.reference: pair for pair in comparison.pairs}
    return {
        "answer": list(_rows(comparison.prediction, partners, lambda pair: pair.reference)),
        "reference": list(_rows(comparison.reference, others, lambda pair: pair.prediction)),
    }


def _rows(blocks: Sequence[Block], pairs: Mapping[int, Pair], partner: Any) -> Iterator[dict[str, Any]]:
    for number, block in enumerate(blocks):
        pair = pairs.get(number)
        yield {
            "text": block.text[:LONGEST],
            "box": [round(value, 5) for value in block.box],
            "color": [round(value) for value in block.color],
            "with": None if pair is None else partner(pair),
            "ratio": None if pair is None else round(pair.ratio, 4),
        }


def small(page: Picture) -> Picture:
    """A page as wide as an overlay shows it, or smaller where it is very tall."""
    scale = min(WIDTH / page.shape[1], TALLEST / page.shape[0])
    width, height = max(1, round(page.shape[1] * scale)), max(1, round(page.shape[0] * scale))
    return np.asarray(cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _drawn(page: Picture, blocks: Sequence[Block], matched: Sequence[int]) -> PIL.Image.Image:
    """A small page made pale, with the boxes of its blocks."""
    height, width = page.shape[:2]
    image = PIL.Image.fromarray(255 - (255 - page) // 2)
    canvas = PIL.ImageDraw.Draw(image)
    numbers = {index: number for number, index in enumerate(matched, start=1)}
    for index, block in enumerate(blocks):
        x, y, wide, tall = block.box
        corners = (x * width, y * height, (x + wide) * width - 1, (y + tall) * height - 1)
        color = MATCHED if index in numbers else LEFT
        canvas.rectangle((corners[0], corners[1], max(corners[::2]), max(corners[1::2])), outline=color)
        if index in numbers:
            _label(canvas, str(numbers[index]), corners)
    return image


def _label(canvas: PIL.ImageDraw.ImageDraw, text: str, box: tuple[float, float, float, float]) -> None:
    """A number to the left of its box, or to its right where the page ends."""
    font = PIL.ImageFont.load_default(9)
    wide = font.getlength(text) + 2
    x = box[0] - wide if box[0] > wide else box[2] + 2
    canvas.text((x, (box[1] + box[3]) / 2 - 6), text, fill=MATCHED, font=font)
