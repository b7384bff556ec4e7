"""Reductions over several answers to the same question, each under its own name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from viscodex.eval.benchmark import Score

BEST_OF = 10
DRAWN = 30
NAME = "best-of-10 over 30"
"""How the published InfiBench numbers were taken (temperature 0.2, top-p 0.9). Never to be compared with a mean."""


def best_of_10_over_30(values: Mapping[str, Sequence[float]]) -> float:
    """Mean over questions of the mean of three maxima, one for each block of ten answers, in the order drawn.

    ValueError unless every question has exactly 30 values.
    """
    short = [name for name, drawn in values.items() if len(drawn) != DRAWN]
    if short or not values:
        raise ValueError(f"{NAME} takes {DRAWN} answers to every question; not so for {short[:5]}")
    per_question = [
        sum(max(drawn[start : start + BEST_OF]) for start in range(0, DRAWN, BEST_OF)) / (DRAWN // BEST_OF)
        for drawn in values.values()
    ]
    return sum(per_question) / len(per_question)


def reductions(scores: Iterable[Score]) -> dict[str, float]:
    """What all scores of one protocol are worth beside their means: only what the number of answers allows.

    `weighted`: the mean with the suite's own weights of questions, where they differ.
    """
    drawn: dict[str, dict[int, float]] = {}
    weights: dict[str, float] = {}
    for score in scores:
        value = score.values.get("score")
        if value is not None:
            drawn.setdefault(score.sample_id, {})[score.index] = value
            weights[score.sample_id] = float(score.evidence.get("weight", 1.0))
    values = {name: [by_index[index] for index in sorted(by_index)] for name, by_index in drawn.items()}
    found: dict[str, float] = {}
    if values and all(len(drawn) == DRAWN for drawn in values.values()):
        found[NAME] = best_of_10_over_30(values)
    if len(set(weights.values())) > 1 and (total := sum(weights.values())) > 0:
        found["weighted"] = sum(weights[name] * sum(drawn) / len(drawn) for name, drawn in values.items()) / total
    return found
