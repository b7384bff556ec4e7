"""From problems to what training reads: one problem in one of several views, and shards of rows as `viscodex data` has.

describe    picture → description          the vision-language model's task
write       description → code             the code model's task: text only
see         picture → code                 the task of MCD: what the merged model is tuned on
question    picture and question → answer
algorithm   problem → function             with a picture where the problem has one
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from viscodex.core.row import to_row
from viscodex.core.rundir import publish, remove_tree
from viscodex.core.sample import Image, Kind, Sample, Source
from viscodex.data.table import Table
from viscodex.eval.design2code.load import prompt as page_prompt
from viscodex.eval.mmcode import prompt as mmcode
from viscodex.pocket.worlds.copying import copied
from viscodex.pocket.worlds.corpus import text
from viscodex.pocket.worlds.problem import Problem

View = Literal["describe", "write", "see", "question", "algorithm"]

KINDS: dict[str, Kind] = {"chart": "chart", "page": "html", "question": "qa", "algorithm": "algorithm"}
FENCES = {"chart": "python", "page": "html", "algorithm": "python"}
SOURCE = Source(url="viscodex", licence="Apache-2.0", author="the viscodex authors")
AS_BENCHMARK = 0.5
"""Share of problems that are put in the benchmark's words instead of their own."""

DESCRIBE = ("Describe this picture.", "What does this picture show?", "List what is in this picture.")
WRITE = {
    "chart": ("Write matplotlib code for this chart.", "Write the Python script that draws this."),
    "page": ("Write the HTML of this page.", "Write one HTML file for this."),
}
CONTINUE = "Write a text."


def sample(problem: Problem, view: View, png: bytes = b"") -> Sample:
    """One row to train on; `png` is the problem's picture, for the views that show it."""
    chance = random.Random(f"{view} {problem.id}")
    picture = [Image(data=png, path=f"{problem.id}.png")] if png else []
    prompt: Sequence[str | Image]
    match view:
        case "describe":
            prompt, response = [*picture, chance.choice(DESCRIBE)], problem.description
        case "write":
            prompt = [f"{chance.choice(WRITE[problem.kind])}\n\n{problem.description}"]
            response = answer(problem)
        case "question":
            prompt, response = [*picture, problem.prompt], problem.code
        case "see" | "algorithm":
            own: tuple[str | Image, ...] = (*picture, problem.prompt)
            prompt = as_benchmark(problem, picture) if chance.random() < AS_BENCHMARK else own
            response = answer(problem)
    return Sample(
        id=f"{problem.id}-{view}",
        kind=KINDS[problem.kind],
        prompt=tuple(prompt),
        response=response,
        checks={"family": problem.family, "view": view},
        source=SOURCE,
    )


def answer(problem: Problem) -> str:
    """The reference as a model is to answer it: code in a fence, other answers bare."""
    fence = FENCES.get(problem.kind)
    return f"```{fence}\n{problem.code}```" if fence else problem.code


def as_benchmark(problem: Problem, picture: Sequence[Image]) -> tuple[str | Image, ...]:
    """The prompt in the words of the benchmark; of charts and questions, the tasks bring their own words."""
    if problem.kind == "page":
        return (*picture, page_prompt().text)
    if problem.kind == "algorithm":
        parts = mmcode.interleave(question(problem), picture)
        return mmcode.prompt(parts, "solve", starter(problem))
    return (*picture, problem.prompt)


def question(problem: Problem) -> str:
    """The problem's text, with the place of its picture."""
    return f"![image](1.png)\n\n{problem.prompt}" if problem.picture_of else problem.prompt


def starter(problem: Problem) -> str:
    """The first line of the function."""
    return problem.code.partition("\n")[0] + "\n    ...\n"


def corpus_sample(index: int) -> Sample:
    """A document of the corpus as a row: all of it is learned."""
    return Sample(
        id=f"corpus-{index:06d}", kind="qa", prompt=(CONTINUE,), response=text(f"corpus-{index:06d}"), source=SOURCE
    )


def copying_sample(index: int) -> Sample:
    """A document that teaches copying; among the algorithms, so that its loss is told apart."""
    text = copied(f"{index:06d}")
    return Sample(id=f"copying-{index:06d}", kind="algorithm", prompt=(CONTINUE,), response=text, source=SOURCE)


def samples(problems: Iterable[Problem], view: View, pngs: Iterator[bytes] | None = None) -> Iterator[Sample]:
    """Rows of one view; `pngs` are the problems' pictures in their order, as `pictures` gives them."""
    for problem in problems:
        yield sample(problem, view, next(pngs) if pngs is not None else b"")


def write_shards(folder: Path, rows: Iterable[Sample]) -> int:
    """`folder` with `data/pocket/train-….parquet`, there only when it is whole. How many rows it has."""
    partial = folder.with_name(f"{folder.name}.partial")
    remove_tree(partial)
    with Table(partial / "data" / "pocket", "train") as table:
        for row in rows:
            table.write(_row(row))
    remove_tree(folder)
    publish(partial, folder)
    return table.rows


def _row(row: Sample) -> dict[str, Any]:
    return dict(to_row(row))
