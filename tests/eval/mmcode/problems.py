"""What the tests of MMCode have in common: problems and answers in a line, and a scorer with little patience."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Score
from viscodex.eval.mmcode.scorer import MMCodeScorer
from viscodex.model.generate import Completion
from viscodex.sandbox.limits import MIB, Limits

LIMITS = Limits(cpu_s=3.0, wall_s=30.0, memory=256 * MIB, stdout=1 * MIB)


@cache
def scorer(*, all_tests: bool = False, wall_s: float = LIMITS.wall, cpu_s: float = LIMITS.cpu_s) -> MMCodeScorer:
    return MMCodeScorer(all_tests, Limits(cpu_s=cpu_s, wall_s=wall_s, memory=LIMITS.memory, stdout=LIMITS.stdout))


def problem(tests: Any) -> Sample:
    """From the field `input_output`, as text or as what it says."""
    text = tests if isinstance(tests, str) else json.dumps(tests)
    return Sample(id="p", kind="algorithm", prompt=("?",), checks={"input_output": text})


def piped(*pairs: tuple[str, str]) -> Sample:
    """A stdio problem from pairs of input and output."""
    return problem({"inputs": [given for given, _ in pairs], "outputs": [wanted for _, wanted in pairs]})


def called(*pairs: tuple[list[Any], Any]) -> Sample:
    """A problem that calls `f`, from pairs of arguments and value."""
    inputs, outputs = [given for given, _ in pairs], [wanted for _, wanted in pairs]
    return problem({"fn_name": "f", "inputs": inputs, "outputs": outputs})


def answer(code: str, **fields: Any) -> Completion:
    return Completion(sample_id="p", text=f"```python\n{code}\n```", **fields)


def judged(sample: Sample, code: str, **options: Any) -> tuple[Score, Score]:
    """The scores under fixed and under paper."""
    fixed, paper = scorer(**options).score(sample, answer(code)).scores
    assert (fixed.protocol, paper.protocol) == ("fixed", "paper")
    return fixed, paper


def verdicts(sample: Sample, code: str) -> tuple[bool, bool]:
    """Whether it passes under fixed and under paper."""
    fixed, paper = judged(sample, code)
    return fixed.values["passed"] == 1.0, paper.values["passed"] == 1.0
