"""The rows of each training, drawn from the worlds and written as `viscodex data` writes them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from viscodex.core.sample import Sample
from viscodex.model.prompts import default_prompt
from viscodex.pocket.glances import glances
from viscodex.pocket.pictures import pictures
from viscodex.pocket.recipe import Sizes
from viscodex.pocket.samples import View, sample, write_shards
from viscodex.pocket.worlds import KINDS, Kind, Problem, draw

FIRST_OF_MCD = 50_000  # rows of the fine-tuning show pictures that no model has described before
FIRST_OF_CHOICE = 100_000  # the number of the first problem that λ is chosen by, in the training split
PACKAGED_EVERY = 8
VIEWS: dict[Kind, View] = {"chart": "see", "page": "see", "question": "question", "algorithm": "algorithm"}


def problems(sizes: Sizes, first: int = 0) -> list[Problem]:
    """So many of each kind, in an order that mixes them."""
    drawn = [draw(kind, "train", first + index) for kind in KINDS for index in range(getattr(sizes, kind))]
    random.Random(len(drawn)).shuffle(drawn)
    return drawn


def describe(folder: Path, sizes: Sizes, cache: Path, workers: int) -> int:
    """Pictures of charts and pages, and their descriptions."""
    drawn = problems(sizes)
    pngs = pictures(drawn, workers, cache)
    return write_shards(folder, (sample(problem, "describe", png) for problem, png in zip(drawn, pngs, strict=True)))


def glance(folder: Path, sizes: Sizes, cache: Path, workers: int) -> int:
    """Strips of the same pictures, and the lines they show."""
    drawn = problems(sizes)
    pngs = pictures(drawn, workers, cache)
    pairs = zip(drawn, pngs, strict=True)
    return write_shards(folder, (row for problem, png in pairs for row in glances(problem, png)))


def write(folder: Path, sizes: Sizes, cache: Path, workers: int) -> int:
    """Descriptions of charts and pages and their code, functions that need no picture: text alone."""
    drawn = [problem for problem in problems(sizes) if problem.kind != "algorithm" or not problem.picture_of]
    views = (("algorithm" if problem.kind == "algorithm" else "write", problem) for problem in drawn)
    return write_shards(folder, (sample(problem, view) for view, problem in views))  # type: ignore[arg-type]


def mcd(folder: Path, sizes: Sizes, cache: Path, workers: int, first: int = FIRST_OF_MCD) -> int:
    """The four parts of the paper's data: charts, pages, questions, algorithms."""
    drawn = problems(sizes, first)
    pngs = pictures(drawn, workers, cache)
    rows = (sample(problem, VIEWS[problem.kind], png) for problem, png in zip(drawn, pngs, strict=True))
    return write_shards(folder, (packaged(row, number) for number, row in enumerate(rows)))


def choose(folder: Path, sizes: Sizes, cache: Path, workers: int) -> int:
    """Rows of the same kind that nothing is trained on: the loss on them tells one λ from another."""
    return mcd(folder, sizes, cache, workers, FIRST_OF_CHOICE)


def packaged(row: Sample, number: int) -> Sample:
    """Now and then a chart or a page is asked for as `viscodex generate` does, at length."""
    if number % PACKAGED_EVERY or row.kind not in ("chart", "html"):
        return row
    return row.model_copy(update={"prompt": (*row.images, default_prompt(row.kind).text)})


SHARDS: dict[str, Callable[[Path, Sizes, Path, int], int]] = {
    "glance": glance,
    "describe": describe,
    "write": write,
    "mcd": mcd,
    "choose": choose,
}
