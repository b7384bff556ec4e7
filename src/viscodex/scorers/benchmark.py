"""A benchmark's column as the score of a model in memory: answers, scoring and means are the evaluation's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.eval.folder import open_run
from viscodex.eval.generate import generate
from viscodex.eval.recipe import EvalRecipe
from viscodex.eval.results import collect, sample_values
from viscodex.eval.run import Stages
from viscodex.eval.score import score as score_answers
from viscodex.eval.store import default_store
from viscodex.merge.sampling import Direction
from viscodex.merge.search import Score
from viscodex.model.generate import Generator
from viscodex.scorers.intervals import interval


@dataclass(frozen=True)
class BenchmarkScore:
    """A column of one benchmark; `generator` answers with whatever the model is at that moment."""

    name: str
    benchmark: str
    metrics: Sequence[str]
    recipe: EvalRecipe
    generator: Generator
    store: Path | None = None
    workers: int = 1
    direction: Direction = field(default="maximize", init=False)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the numbers depend on."""
        return {"benchmark": self.benchmark, "metrics": list(self.metrics), "recipe": self.recipe.resolved()}

    def score(self, folder: Path) -> Score:
        """Answers and scores go to FOLDER/NAME/BENCHMARK, as `viscodex eval` would leave them."""
        how = Stages(store=self.store or default_store(), workers=self.workers)
        (task,) = open_run(folder / self.name, self.recipe)
        generate(task, self.recipe, self.generator, how.shard)
        score_answers(task, how.shard, how.scores, self.workers, is_judged=False)
        found = collect(task, self.recipe.n)
        if unscored := found.counts("fixed")["unscored"]:
            reasons = ", ".join(found.reasons("fixed", "unscored"))
            raise VisCodexError(f"{unscored} answers could not be scored: {reasons}", str(folder), "viscodex doctor")
        return interval(sample_values(found.scores["fixed"], self.metrics))
