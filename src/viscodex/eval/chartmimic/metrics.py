"""The four low-level metrics: F1 of what an answer's chart and the reference's have in common."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from viscodex.eval.benchmark import Rules
from viscodex.eval.chartmimic.attributes import Attributes
from viscodex.eval.chartmimic.colours import Colour, matched, thinned

T = TypeVar("T", bound=Hashable)

LOW = ("text", "layout", "type", "color")
"""The paper's low-level score is the mean of these."""


@dataclass(frozen=True)
class Agreement:
    """Precision and recall, both in [0, 1]."""

    precision: float = 0.0
    recall: float = 0.0

    @property
    def f1(self) -> float:
        """Their harmonic mean; 0 when both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def compare(answer: Attributes, reference: Attributes, protocol: Rules) -> dict[str, Agreement]:
    """All four metrics of an answer. Where neither side has anything, `fixed` sees agreement and `paper` none."""
    is_fixed = protocol == "fixed"
    return {
        "text": in_common(answer.text, reference.text, both_empty=is_fixed),
        "layout": in_common(answer.layout, reference.layout, both_empty=is_fixed),
        "type": in_common(answer.types, reference.types, both_empty=is_fixed),
        "color": colour_agreement(answer.colours, reference.colours, protocol),
    }


def in_common(answer: Counter[T], reference: Counter[T], *, both_empty: bool) -> Agreement:
    """Of two multisets: what is in both, as a share of either."""
    mine, theirs = answer.total(), reference.total()
    if not mine or not theirs:
        return Agreement(1.0, 1.0) if both_empty and mine == theirs else Agreement()
    both = (answer & reference).total()
    return Agreement(both / mine, both / theirs)


def colour_agreement(answer: Sequence[Colour], reference: Sequence[Colour], protocol: Rules) -> Agreement:
    """The similarity of matched colours, as a share of either side's number of colours (thinned out where many)."""
    order = sorted if protocol == "fixed" else as_in_a_set
    mine, theirs = thinned(order(answer)), thinned(order(reference))
    if not mine or not theirs:
        return Agreement(1.0, 1.0) if protocol == "fixed" and not mine and not theirs else Agreement()
    total = matched(mine, theirs)
    return Agreement(min(1.0, total / len(mine)), min(1.0, total / len(theirs)))


def as_in_a_set(colours: Sequence[Colour]) -> list[Colour]:
    """An order as arbitrary as that of a set, and always the same.

    The published order is that of hashes of texts with the folder of an installation in them: nobody can repeat it.
    """
    return sorted(colours, key=lambda colour: hashlib.sha256("--".join(colour).encode()).digest())
