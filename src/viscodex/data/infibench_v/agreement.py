"""Do two reviewers agree? Cohen's κ over the candidates that both have judged.

κ = (p_o − p_e) / (1 − p_e)      p_o: share on which they agree; p_e: what two who draw lots by their own rates would
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from viscodex.data.infibench_v.decisions import Standing


@dataclass(frozen=True)
class Agreement:
    """Of two reviewers. `kappa` is None where both say one word only: there is nothing to agree about by chance."""

    reviewers: tuple[str, str]
    both: int
    agreed: int
    kappa: float | None
    disagreed: tuple[str, ...] = ()


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """κ of two who judge the same things; None without any, and where chance alone would agree always."""
    if not pairs:
        return None
    total = len(pairs)
    observed = sum(one == other for one, other in pairs) / total
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    expected = sum(first[word] * second[word] for word in first) / total**2
    return None if expected == 1.0 else (observed - expected) / (1.0 - expected)


def agreements(standings: Mapping[str, Mapping[str, Standing]]) -> list[Agreement]:
    """Every pair of reviewers who have judged the same candidates."""
    names = sorted({name for by_reviewer in standings.values() for name, one in by_reviewer.items() if one.verdict})
    found = []
    for one, other in combinations(names, 2):
        pairs = {
            candidate: (by_reviewer[one].verdict, by_reviewer[other].verdict)
            for candidate, by_reviewer in sorted(standings.items())
            if one in by_reviewer and other in by_reviewer and by_reviewer[one].verdict and by_reviewer[other].verdict
        }
        if pairs:
            apart = tuple(candidate for candidate, (left, right) in pairs.items() if left != right)
            kappa = cohens_kappa(list(pairs.values()))
            found.append(Agreement((one, other), len(pairs), len(pairs) - len(apart), kappa, apart))
    return found
