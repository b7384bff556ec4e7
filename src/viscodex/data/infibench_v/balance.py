"""Which candidates people get to see: of each category its share, the most looked at first; the others wait."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from viscodex.core.infibench_v import CATEGORIES, Category
from viscodex.core.sample import Sample


@dataclass
class Balanced:
    """`queue` in the order in which it is shown; `full`: ids for which there was no place; `missing` per category."""

    queue: list[Sample] = field(default_factory=list)
    full: dict[str, Category] = field(default_factory=dict)
    missing: dict[Category, int] = field(default_factory=dict)


def balance(samples: Iterable[Sample], size: int, shares: Mapping[Category, float], queue: float) -> Balanced:
    """At most `queue` candidates for every question that a category is to have."""
    found = Balanced()
    waiting: dict[Category, list[Sample]] = {category: [] for category in CATEGORIES}
    for sample in samples:
        waiting[sample.checks["category"]].append(sample)
    wanted = targets(size, shares)
    lines = []
    for category, rows in waiting.items():
        rows.sort(key=lambda sample: (-sample.checks["views"], -sample.checks["question_score"], sample.id))
        places = math.ceil(wanted[category] * queue)
        lines.append(rows[:places])
        found.full |= {sample.id: category for sample in rows[places:]}
        found.missing[category] = max(0, wanted[category] - len(rows))
    found.queue = _interleaved(lines)
    return found


def targets(size: int, shares: Mapping[Category, float]) -> dict[Category, int]:
    """Whole numbers that make `size`: by largest remainder."""
    total = sum(shares.values()) or 1.0
    exact = {category: size * shares.get(category, 0.0) / total for category in CATEGORIES}
    counts = {category: math.floor(value) for category, value in exact.items()}
    for category in sorted(exact, key=lambda name: counts[name] - exact[name])[: size - sum(counts.values())]:
        counts[category] += 1
    return counts


def _interleaved(lines: Sequence[Sequence[Sample]]) -> list[Sample]:
    """Each category at its own pace, so that a review that stops half-way is as balanced as a whole one."""
    places = [(place / len(line), sample.id, sample) for line in lines for place, sample in enumerate(line, 1)]
    return [sample for _, _, sample in sorted(places, key=lambda entry: entry[:2])]
