"""How well a model reads pictures: its descriptions against the right ones, line by line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from viscodex.model.generate import Sampling
from viscodex.model.local import Local
from viscodex.pocket.pictures import pictures
from viscodex.pocket.samples import sample
from viscodex.pocket.worlds import Problem, draw
from viscodex.pocket.worlds.problem import facts

NEW_TOKENS = 200


def read(model: Path, charts: int, pages: int, cache: Path | None, workers: int = 2) -> dict[str, Any]:
    """Ask for descriptions of test pictures; the share of exact ones, and of right lines by key."""
    problems = [draw("chart", "test", index) for index in range(charts)]
    problems += [draw("page", "test", index) for index in range(pages)]
    asked = {
        problem.id: (problem, sample(problem, "describe", png))
        for problem, png in zip(problems, pictures(problems, workers, cache), strict=True)
    }
    rows = [row.model_copy(update={"id": name, "response": ""}) for name, (_, row) in asked.items()]
    answers = Local(model, batch_size=32).generate(rows, Sampling(max_new_tokens=NEW_TOKENS))
    return told([(asked[answer.sample_id][0], answer.text) for answer in answers])


def told(answers: list[tuple[Problem, str]]) -> dict[str, Any]:
    """Shares of right answers: whole, and by line."""
    right: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for problem, text in answers:
        seen[problem.kind] += 1
        right[problem.kind] += text.strip() == problem.description.strip()
        found = facts(text.strip())
        for key, value in facts(problem.description).items():
            name = f"{problem.kind} {key}"
            seen[name] += 1
            right[name] += found.get(key) == value
    return {name: round(right[name] / count, 4) for name, count in sorted(seen.items())}
