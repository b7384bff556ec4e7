"""What scoring an answer to ChartMimic costs: the recorded pairs, without and with the charts of references kept.

Beside it stands what the published evaluators took, as it was recorded: nothing of theirs is run here.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import result
from chart import processor_s
from viscodex.core.sample import Sample
from viscodex.eval.chartmimic.scorer import ChartScorer
from viscodex.model.generate import Completion

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "chartmimic"
PUBLISHED_S = 7.2
"""CPU seconds that the published evaluators take for the four metrics of one pair, as recorded in the specification."""
FULL_SET = 600
ROUNDS = 5

Pair = tuple[Sample, Completion]
DRAW_NOTHING = "```python\nimport matplotlib.pyplot as plt; plt.figure()\n```"
START: Pair = (
    Sample(id="start", kind="chart", prompt=("Draw nothing.",), response=DRAW_NOTHING),
    Completion(sample_id="start", text="```python\nx = 1\n```"),
)

Cost = tuple[float, float]
"""CPU and wall seconds a pair."""


def pairs() -> Iterator[Pair]:
    """The recorded references and answers."""
    for case in json.loads((GOLDEN / "cases.json").read_text(encoding="utf-8")):
        name = case["id"]
        code = (GOLDEN / "golden" / f"{name}.py").read_text(encoding="utf-8")
        checks = {"category": name.rpartition("_")[0], "task": "direct"}
        sample = Sample(
            id=name, kind="chart", prompt=("Draw this chart.",), response=f"```python\n{code}\n```", checks=checks
        )
        yield sample, Completion(sample_id=name, text=(GOLDEN / "responses" / f"{name}.md").read_text(encoding="utf-8"))


def recorded_s() -> float:
    """CPU seconds a pair of the published evaluators, on the machine that the cases were recorded on: the median."""
    cases = json.loads((GOLDEN / "reference_scores.json").read_text(encoding="utf-8"))["cases"]
    return statistics.median(sum(metric["cpu_s"] for metric in case["metrics"].values()) for case in cases)


def cost(scorer: ChartScorer, some: list[Pair]) -> Cost:
    """Of scoring them all once: scripts, zygote, sandbox and metrics."""
    began, used = time.perf_counter(), processor_s()
    for sample, completion in some:
        scorer.score(sample, completion)
    return (processor_s() - used) / len(some), (time.perf_counter() - began) / len(some)


def measured(some: list[Pair], rounds: int = ROUNDS) -> dict[str, list[Cost]]:
    """Every way in turns, so that a slow moment of the machine falls on all."""
    costs: dict[str, list[Cost]] = {}
    for _ in range(rounds):
        for judged, what in ((False, "without a judge"), (True, "with pictures for a judge")):
            with tempfile.TemporaryDirectory() as folder:
                scorer = ChartScorer(Path(folder), judged=judged)
                cost(scorer, [START])  # the zygote is there from now on
                for state in ("references drawn", "references kept"):
                    costs.setdefault(f"ours, {what}, {state}", []).append(cost(scorer, some))
                scorer.close()
    return costs


def row(what: str, pairs_scored: int | None, cpu_s: float, wall_s: float | None) -> dict[str, Any]:
    return {
        "one pair, four metrics": what,
        "pairs": pairs_scored,
        "CPU (s)": round(cpu_s, 3),
        "wall (s)": None if wall_s is None else round(wall_s, 3),
        "times less CPU than 7.2 s": round(PUBLISHED_S / cpu_s, 1),
        f"CPU of {FULL_SET} (min)": round(FULL_SET * cpu_s / 60, 1),
    }


def main() -> None:
    some = list(pairs())
    costs = measured(some)
    rows = [row("published evaluators", None, PUBLISHED_S, None)]
    for what, values in costs.items():
        cpu_s, wall_s = (statistics.median(side) for side in zip(*values, strict=True))
        rows.append(row(what, len(some) * len(values), cpu_s, wall_s))
    notes = (
        f"{len(some)} recorded pairs, {ROUNDS} rounds, one worker; ours scores both protocols at once, in the sandbox. "
        f"The published evaluators' {PUBLISHED_S} CPU seconds a pair are a figure recorded before, not measured here; "
        f"while these pairs were recorded they took {recorded_s():.1f} s (median), on another machine. Pictures for a "
        f"judge are drawn at 350 dpi, others at the figure's own resolution. Aim: 20 times less with references drawn, "
        f"30 times less with references kept, {FULL_SET} answers in 3 minutes."
    )
    print(result.write("chartmimic", "Scoring charts", rows, notes))


if __name__ == "__main__":
    main()
