"""Four numbers from matched blocks: how much of the pages is matched, and how alike text, place and colour are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from viscodex.eval.design2code import ciede2000
from viscodex.eval.design2code.block import Block
from viscodex.eval.design2code.matching import Pair, match
from viscodex.eval.design2code.merging import Merged
from viscodex.eval.design2code.similarity import Similarity

LOW = ("block", "text", "position", "color")


@dataclass(frozen=True)
class Comparison:
    """Two pages held against each other: their blocks after the merge search, the pairs, and the low-level scores."""

    prediction: tuple[Block, ...]
    reference: tuple[Block, ...]
    pairs: tuple[Pair, ...]
    values: dict[str, float]


def compare(merged: Merged, similarity: Similarity, *, published: bool = False) -> Comparison:
    """Match and score two pages after their merge search; all zero where a side has no blocks or no pair is alike."""
    prediction, reference = merged
    pairs = match(prediction, reference, similarity, published=published) if prediction and reference else ()
    return Comparison(prediction, reference, pairs, values(prediction, reference, pairs))


def values(prediction: Sequence[Block], reference: Sequence[Block], pairs: Sequence[Pair]) -> dict[str, float]:
    """Block-Match by area, the others as plain means over the pairs."""
    if not pairs:
        return dict.fromkeys(LOW, 0.0)
    matched = [(prediction[pair.prediction], reference[pair.reference]) for pair in pairs]
    distance = [max(abs(a - b) for a, b in zip(one.centre, other.centre, strict=True)) for one, other in matched]
    color = ciede2000.likeness([one.color for one, _ in matched], [other.color for _, other in matched])
    found = {
        "block": _matched_share(prediction, reference, pairs),
        "text": float(np.mean([pair.ratio for pair in pairs])),
        "position": float(np.mean([1 - far for far in distance])),
        "color": float(np.mean(color)),
    }
    return {name: min(max(value, 0.0), 1.0) for name, value in found.items()}


def _matched_share(prediction: Sequence[Block], reference: Sequence[Block], pairs: Sequence[Pair]) -> float:
    """The matched blocks' share of the area of all blocks, both pages' together."""
    ours, theirs = {pair.prediction for pair in pairs}, {pair.reference for pair in pairs}
    matched = sum(prediction[pair.prediction].area + reference[pair.reference].area for pair in pairs)
    left = sum(block.area for index, block in enumerate(prediction) if index not in ours)
    left += sum(block.area for index, block in enumerate(reference) if index not in theirs)
    return matched / (matched + left)
