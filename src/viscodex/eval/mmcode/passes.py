"""pass@k over several answers to each problem."""

from __future__ import annotations

from collections import defaultdict

from viscodex.eval.benchmark import Score
from viscodex.eval.stats import pass_at_k

KS = (2, 3, 5, 10, 20, 50, 100)


def passes(scores: tuple[Score, ...]) -> dict[str, float]:
    """pass@k as its mean over problems, for every k > 1 that each problem's scored answers allow; pass@1 is a mean.

    Answers without a score are left out: they are neither passes nor failures.
    """
    problems: dict[str, list[bool]] = defaultdict(list)
    for score in scores:
        if score.status != "unscored":
            problems[score.sample_id].append(score.values["passed"] == 1.0)
    fewest = min(map(len, problems.values()), default=0)
    return {
        f"pass@{k}": sum(pass_at_k(sum(each), len(each), k) for each in problems.values()) / len(problems)
        for k in KS
        if k <= fewest
    }
