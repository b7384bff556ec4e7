"""The algorithm pipeline: rows → those that were asked for → the solution passes its own tests."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from viscodex.core.sample import Sample, Source
from viscodex.data.algorithm.problem import Problem, read_problem
from viscodex.data.algorithm.settings import Settings
from viscodex.data.algorithm.verify import TESTS, Verify
from viscodex.data.pipeline import Pipeline, Work
from viscodex.data.rows import read_rows
from viscodex.runner.stage import Reject


def pipeline(settings: Settings) -> Pipeline:
    stages = [Work("verify", Verify.of(settings))]
    return Pipeline("algorithm", partial(drafts, settings), stages, [settings.path])


def drafts(settings: Settings) -> Iterator[tuple[str, Sample | Reject]]:
    """Every row: a draft, or why it is none. With `n`, rows that fit are first counted, then drawn."""
    drawn = _drawn(settings) if settings.n else None
    for row_id, found in _problems(settings):
        if isinstance(found, Reject):
            yield row_id, found
        elif drawn is not None and row_id not in drawn:
            yield row_id, Reject("not_drawn", f"{settings.n} were asked for")
        else:
            yield row_id, draft(row_id, found, settings)


def _problems(settings: Settings) -> Iterator[tuple[str, Problem | Reject]]:
    """(id, problem) of every row; a name that comes again is told apart by its place, and rejected."""
    title = settings.name or Path(settings.path).stem.split(".")[0]
    seen: set[str] = set()
    for place, row in read_rows(Path(settings.path)):
        found = row if isinstance(row, Reject) else read_problem(row, place, settings.columns)
        key = place if isinstance(found, Reject) else found.key
        row_id = f"algorithm-{_short(title, key)}"
        if row_id in seen:
            yield f"algorithm-{_short(title, 'again', place)}", Reject("repeated_id", key)
            continue
        seen.add(row_id)
        yield row_id, found if isinstance(found, Reject) else unwanted(found, settings) or found


def unwanted(problem: Problem, settings: Settings) -> Reject | None:
    """What was not asked for."""
    for reason, value, wanted in (
        ("other_subset", problem.subset, settings.subsets),
        ("other_style", problem.style, settings.styles),
        ("other_difficulty", problem.difficulty, settings.difficulty),
    ):
        if wanted and value.lower() not in {word.lower() for word in wanted}:
            return Reject(reason, value or "it does not say")
    if settings.require_pass and problem.passed is False:
        return Reject("source_says_failed", "by the data set's own account")
    length = len(problem.question) + len(problem.solution)
    return Reject("too_long", f"{length} characters") if length > settings.longest else None


def draft(row_id: str, problem: Problem, settings: Settings) -> Sample:
    title = settings.name or Path(settings.path).stem.split(".")[0]
    licence = problem.licence or settings.licence or "unknown"
    made = ", ".join(part for part in (title, settings.author, licence, settings.url) if part)
    checks = {
        "origin": {"name": title, "id": problem.key, "attribution": made},
        **{name: value for name in ("subset", "style", "difficulty") if (value := getattr(problem, name))},
        TESTS: problem.tests,
    }
    source = Source(url=settings.url, licence=licence, author=settings.author)
    return Sample(
        id=row_id, kind="algorithm", prompt=(problem.question,), response=problem.solution, checks=checks, source=source
    )


def _drawn(settings: Settings) -> set[str]:
    """The n ids whose hash is smallest: the same however the rows are ordered."""
    fitting = (row_id for row_id, found in _problems(settings) if not isinstance(found, Reject))
    return set(heapq.nsmallest(settings.n, fitting, key=lambda row_id: _short(str(settings.seed), row_id)))


def _short(*parts: str) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
