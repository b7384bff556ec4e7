"""Strips of pictures and the lines of the description that they show: a few words to read, in a few tokens.

A whole picture has sixty tokens and ten things to read, and a tower with random weights finds none of them for tens of
thousands of pictures. In a strip there is one line of text, nearly everything that is seen belongs to the answer, and a
sample costs a fifth. Strips begin and end where the whole picture's tokens do.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image as Picture

from viscodex.core.sample import Image, Sample
from viscodex.pocket.samples import DESCRIBE, KINDS, SOURCE
from viscodex.pocket.worlds.problem import Problem
from viscodex.pocket.worlds.words import HEIGHT, WIDTH

ROW = 28  # pixels of a row of tokens

Strip = tuple[int, int, tuple[str, ...]]
"""Rows of tokens from, to; the keys of the lines that are seen there."""

TITLE: Strip = (0, 1, ("title",))
BOTTOM: Strip = (5, 7, ("labels", "xlabel"))
TOP: Strip = (0, 2, ("background", "accent", "heading"))
TOP_OF_SITE: Strip = (0, 3, ("background", "accent", "links", "heading"))


def strips(problem: Problem) -> list[Strip]:
    """What of a problem's picture can be read by itself."""
    if problem.kind == "page":
        return [TOP_OF_SITE if problem.family == "site" else TOP]
    lies = "draw: barh" in problem.description
    if problem.family == "pie":
        return [TITLE]
    return [TITLE, (6, 7, ("xlabel",)) if lies else BOTTOM]


def glances(problem: Problem, png: bytes) -> Iterator[Sample]:
    """A row to train on for each strip."""
    with Picture.open(io.BytesIO(png)) as opened:
        whole = opened.convert("RGB")
    assert whole.size == (WIDTH, HEIGHT)
    for number, (start, end, keys) in enumerate(strips(problem)):
        file = io.BytesIO()
        whole.crop((0, start * ROW, WIDTH, end * ROW)).save(file, "PNG", compress_level=3)
        lines = [line for line in problem.description.splitlines() if line.partition(": ")[0] in keys]
        name = f"{problem.id}-strip{number}"
        yield Sample(
            id=name,
            kind=KINDS[problem.kind],
            prompt=(Image(data=file.getvalue(), path=f"{name}.png"), DESCRIBE[0]),
            response="\n".join(lines),
            checks={"family": problem.family, "view": "glance"},
            source=SOURCE,
        )
