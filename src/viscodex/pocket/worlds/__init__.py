"""Little worlds to draw problems from: charts, pages, questions about them, and algorithms. All by code, from seeds."""

from __future__ import annotations

from viscodex.pocket.worlds import algorithms, charts, pages, questions
from viscodex.pocket.worlds.corpus import text
from viscodex.pocket.worlds.problem import KINDS, Family, Kind, Problem, Split
from viscodex.pocket.worlds.problem import problem as _problem

FAMILIES: dict[Kind, tuple[Family, ...]] = {
    "chart": charts.FAMILIES,
    "page": pages.FAMILIES,
    "question": questions.FAMILIES,
    "algorithm": algorithms.FAMILIES,
}


def draw(kind: Kind, split: Split, index: int) -> Problem:
    """The problem of this number: pure, and in under a millisecond."""
    return _problem(kind, split, index, FAMILIES[kind])


def corpus(index: int) -> str:
    """A document to pre-train on, never from what is kept for tests."""
    return text(f"corpus-{index:06d}")


__all__ = ["FAMILIES", "KINDS", "Kind", "Problem", "Split", "corpus", "draw"]
