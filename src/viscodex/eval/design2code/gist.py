"""What CLIP is shown: the page with its texts painted over, squashed to a square."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import PIL.Image

from viscodex.eval.design2code.block import Block
from viscodex.eval.design2code.pixels import Picture

RADIUS = 3


def gist(picture: Picture, blocks: Sequence[Block]) -> PIL.Image.Image:
    """A square picture, its side the page's shorter one, without the texts."""
    side = min(picture.shape[:2])
    plain = PIL.Image.fromarray(without_text(picture, blocks))
    return plain.resize((side, side), PIL.Image.Resampling.LANCZOS)


def without_text(picture: Picture, blocks: Sequence[Block]) -> Picture:
    """Text boxes filled from around them (Telea); boxes in whole pixels, truncated."""
    if not blocks:
        return picture
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), dtype=np.uint8)
    for block in blocks:
        x, y, wide, tall = block.box
        left, top, wide, tall = int(x * width), int(y * height), int(wide * width), int(tall * height)
        mask[top : top + tall, left : left + wide] = 255
    return np.asarray(cv2.inpaint(picture, mask, RADIUS, cv2.INPAINT_TELEA), dtype=np.uint8)
