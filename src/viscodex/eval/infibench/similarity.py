"""Similarity: ROUGE F-measure against the best of several references, stretched between two bounds and cut there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from viscodex.eval.infibench.points import Points, RefusedError
from viscodex.eval.infibench.reading import GradingError, Reader

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

METRICS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
KEYS = ("metric", "references", "min_score", "max_score", "weight")
PRODUCT = 20_000_000
"""The largest (words of the reference) · (words of the answer) that rougeL compares: its time and memory."""


@dataclass(frozen=True)
class Similarity:
    metric: str
    references: tuple[str, ...]
    least: float = 0.3
    most: float = 0.51
    weight: float = 1.0

    def total(self) -> float:
        return self.weight


def grade(specs: tuple[Similarity, ...], answer: str) -> Points:
    """Both protocols alike. RefusedError for an answer too long to be compared."""
    shares = [_best(spec, answer) for spec in specs]
    points = sum(share * spec.weight for share, spec in zip(shares, specs, strict=True))
    return Points(points, sum(spec.weight for spec in specs), tuple(f"{share:.4f}" for share in shares))


def _best(spec: Similarity, answer: str) -> float:
    value = max(f_measure(spec, reference, answer) for reference in spec.references)
    return min(1.0, max(0.0, (value - spec.least) / (spec.most - spec.least)))


def f_measure(spec: Similarity, reference: str, answer: str) -> float:
    """ROUGE's F; 0 without looking where the lengths alone keep it from reaching the lower bound.

    With r and c words F is at most 2·min(r, c) / (r + c), which is what a very long answer fails by.
    """
    scorer = _scorer(spec.metric)
    grams = 2 if spec.metric == "rouge2" else 1
    words = [max(0, len(scorer._tokenizer.tokenize(text)) - grams + 1) for text in (reference, answer)]
    if min(words) == 0 or 2 * min(words) / sum(words) <= spec.least:
        return 0.0
    if spec.metric in ("rougeL", "rougeLsum") and words[0] * words[1] > PRODUCT:
        raise RefusedError("too_long", f"{words[1]} words beside a reference of {words[0]}")
    return float(scorer.score(reference, answer)[spec.metric].fmeasure)


@cache
def _scorer(metric: str) -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer  # brings nltk, which takes a second to import

    return RougeScorer([metric], use_stemmer=False)


def read(reader: Reader, value: Any, where: str) -> tuple[Similarity, ...]:
    items = enumerate(reader.items(value, where))
    return tuple(_read_one(reader, item, f"{where}[{index}]") for index, item in items)


def _read_one(reader: Reader, item: Any, where: str) -> Similarity:
    known = reader.mapping(item, where, KEYS)
    metric = reader.text(known.get("metric"), f"{where}.metric")
    if metric not in METRICS:
        raise GradingError(f"no metric {metric}; there are {', '.join(METRICS)}", where)
    numbers = {
        name: reader.number(known[key], f"{where}.{key}")
        for key, name in (("min_score", "least"), ("max_score", "most"), ("weight", "weight"))
        if known.get(key) is not None
    }
    references = enumerate(reader.items(known.get("references"), f"{where}.references"))
    texts = tuple(_read_reference(reader, one, f"{where}.references[{index}]") for index, one in references)
    spec = Similarity(metric, texts, **{"most": 0.53 if metric == "rouge1" else 0.51, **numbers})
    if spec.least >= spec.most:
        raise GradingError(f"min_score {spec.least} is not below max_score {spec.most}", where)
    return spec


def _read_reference(reader: Reader, item: Any, where: str) -> str:
    if isinstance(item, Mapping):
        return reader.file(reader.mapping(item, where, ("path",)).get("path"), f"{where}.path")
    return reader.text(item, where)
