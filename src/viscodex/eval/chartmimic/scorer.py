"""Scores answers: run the script, compare what it drew with what the reference draws, leave the look to a judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Outcome, Rules, Score
from viscodex.eval.chartmimic.answer import (
    as_published,
    is_same_program,
    reference_code,
    script,
    without_output,
)
from viscodex.eval.chartmimic.attributes import Attributes, Executions, attributes
from viscodex.eval.chartmimic.judgement import JUDGE, is_white, task
from viscodex.eval.chartmimic.metrics import LOW, Agreement, compare
from viscodex.eval.chartmimic.references import References
from viscodex.model.generate import Completion
from viscodex.sandbox import chart
from viscodex.sandbox.chart import Chart, Charts, Nameless
from viscodex.sandbox.chart_jail import program_hash
from viscodex.sandbox.limits import Limits

JUDGE_DPI = 350.0
LIMITS = replace(chart.LIMITS, cpu_s=12)
PROTOCOLS: tuple[Rules, ...] = ("fixed", "paper")
EXECUTED: dict[Rules, tuple[str, ...]] = {"fixed": ("ok",), "paper": ("ok", "no_figure")}
"""The published evaluator saves whatever is there at the end, and so makes a figure where a script has made none."""


@dataclass(frozen=True)
class Attempt:
    """An answer under one protocol: the script that was run, and its runs; None when there was no script."""

    code: str
    runs: Executions | None

    def has_executed(self, protocol: Rules) -> bool:
        return self.runs is not None and self.runs.plain.status in EXECUTED[protocol]

    @property
    def png(self) -> bytes:
        return self.runs.plain.png if self.runs else b""


class ChartScorer:
    """One zygote, and the charts of references on disk."""

    def __init__(self, cache: Path | None = None, *, limits: Limits = LIMITS, judged: bool = True) -> None:
        """`cache`: the folder of references. `judged`: draw pictures that a judge can look at closely.

        Without a judge, pictures have the figure's own resolution, which saves a third of the time.
        """
        self._dpi = JUDGE_DPI if judged else None
        self._charts = Charts(limits=limits)
        self._references = References(self._charts, cache)
        packages = self._charts.environment.packages
        self.environment: Mapping[str, str] = {
            "charts": self._charts.environment.hash,
            "tracers": program_hash(),
            "python": self._charts.environment.python_version,
            **{name: packages[name] for name in ("matplotlib", "numpy", "seaborn", "networkx")},
        }

    def score(self, sample: Sample, completion: Completion) -> Outcome:
        """Both protocols, from as few executions as they need. Raises when the reference cannot be drawn here."""
        if completion.finish == "error":
            return Outcome(tuple(_unscored(completion, protocol) for protocol in PROTOCOLS))
        references = self._reference(sample)
        attempts = self._attempts(sample, completion)
        scores, unjudged = [], []
        for protocol, attempt in attempts.items():
            score, needs_judge = _score(sample, completion, protocol, attempt, references)
            scores.append(score)
            unjudged += [attempt.png] * needs_judge
        reference = references["fixed"].plain.png
        pictures = {"answer": next((a.png for a in attempts.values() if a.png), b""), "reference": reference}
        judge = (task(reference, unjudged[0]),) if unjudged else ()
        return Outcome(tuple(scores), {name: png for name, png in pictures.items() if png}, judge)

    def close(self) -> None:
        self._charts.close()

    def _reference(self, sample: Sample) -> dict[Rules, Executions]:
        code = without_output(reference_code(sample))
        plain = self._references.run(code, dpi=self._dpi)
        if plain.status != "ok":
            problem = f"the reference does not run here: {plain.status}: {plain.reason}"
            raise VisCodexError(problem, sample.id, "viscodex sandbox charts-setup")
        if not _stumbles(code):
            return dict.fromkeys(PROTOCOLS, Executions(plain))
        types, colours = self._references.run(code, nameless="types"), self._references.run(code, nameless="colours")
        return {"fixed": Executions(plain), "paper": Executions(plain, types, colours)}

    def _attempts(self, sample: Sample, completion: Completion) -> dict[Rules, Attempt]:
        answer = completion.text or completion.code
        fixed = self._attempt(script(sample, answer, "fixed"))
        code = as_published(script(sample, answer, "paper"))
        if not code:
            return {"fixed": fixed, "paper": Attempt("", None)}
        is_known = fixed.runs is not None and is_same_program(fixed.code, code)
        plain = fixed.runs.plain if is_known and fixed.runs else self._run(code)
        if not _stumbles(code):
            return {"fixed": fixed, "paper": Attempt(code, Executions(plain))}
        runs = Executions(plain, self._run(code, "types"), self._run(code, "colours"))
        return {"fixed": fixed, "paper": Attempt(code, runs)}

    def _attempt(self, code: str) -> Attempt:
        return Attempt(code, Executions(self._run(code)) if code else None)

    def _run(self, code: str, nameless: Nameless = "") -> Chart:
        drawn = self._charts.run(code, dpi=None if nameless else self._dpi, nameless=nameless)
        if drawn.status == "unavailable":
            raise VisCodexError(f"the sandbox failed: {drawn.reason}", hint="viscodex sandbox selftest")
        return drawn


def _score(
    sample: Sample, completion: Completion, protocol: Rules, attempt: Attempt, references: Mapping[Rules, Executions]
) -> tuple[Score, bool]:
    """The score, and whether a judge is to look at the picture."""
    agreements = _agreements(sample, protocol, attempt, references[protocol])
    no_filter: dict[str, float | None] = {name: agreement.f1 for name, agreement in agreements.items()}
    evidence: dict[str, Any] = {
        "no_filter": no_filter,
        "precision": {name: agreement.precision for name, agreement in agreements.items()},
        "recall": {name: agreement.recall for name, agreement in agreements.items()},
    }
    facts: dict[str, Any] = {"sample_id": sample.id, "index": completion.index, "protocol": protocol}
    if not attempt.has_executed(protocol):
        values: dict[str, float | None] = dict.fromkeys((*LOW, JUDGE), 0.0)
        reason, detail = _failure(attempt)
        return Score(**facts, status="failed", values=values, reason=reason, detail=detail, evidence=evidence), False
    needs_judge = bool(attempt.png) and not is_white(attempt.png)
    judged: dict[str, float | None] = {JUDGE: None if needs_judge else 0.0}
    return Score(**facts, values=no_filter | judged, evidence=evidence), needs_judge


def _agreements(sample: Sample, protocol: Rules, attempt: Attempt, reference: Executions) -> dict[str, Agreement]:
    if attempt.runs is None:
        return dict.fromkeys(LOW, Agreement())
    is_graph = sample.checks.get("category") == "graph"
    mine: Attributes = attributes(attempt.runs, protocol, is_reference=False, is_graph=is_graph)
    theirs = attributes(reference, protocol, is_reference=True, is_graph=is_graph)
    return compare(mine, theirs, protocol)


def _failure(attempt: Attempt) -> tuple[str, str]:
    """A word that can be counted, and a line for people."""
    if attempt.runs is None:
        return "no_code", "the answer holds no script"
    drawn = attempt.runs.plain
    place = f" (line {drawn.line})" if drawn.line else ""
    return drawn.status, f"{drawn.reason}{place}"


def _unscored(completion: Completion, protocol: Rules) -> Score:
    return Score(
        sample_id=completion.sample_id,
        index=completion.index,
        protocol=protocol,
        status="unscored",
        reason="generator",
        detail=completion.reason,
    )


def _stumbles(code: str) -> bool:
    """Whether the published tracers, which have no names, change what the script does."""
    return "seaborn" in code
