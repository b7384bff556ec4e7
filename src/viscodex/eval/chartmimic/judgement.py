"""What is left for a judge: how much two pictures look alike, on a scale of 100 points."""

from __future__ import annotations

import struct

from viscodex.core.sample import Image
from viscodex.eval.benchmark import JudgeTask

JUDGE = "judge"
RUBRIC = "chartmimic-1"
BYTES_OF_WHITE = 1 / 50
"""A white picture takes up less than this many bytes a pixel; whatever takes more is not looked at."""


def task(reference: bytes, answer: bytes) -> JudgeTask:
    """Both pictures, the reference first."""
    return JudgeTask(metric=JUDGE, rubric=RUBRIC, pictures=(reference, answer))


def is_white(png: bytes) -> bool:
    """Whether nothing can be seen in a picture."""
    width, height = struct.unpack_from("!II", png, 16)
    if len(png) > 4096 + width * height * BYTES_OF_WHITE:
        return False
    channels = Image(data=png).load().split()
    return all(channel.getextrema()[0] == 255 for channel in channels)
