"""What refining did to the code: what parsed must parse, what ran must run. And whether it does, as a fact."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from viscodex.core.sample import Sample
from viscodex.data.qa.refine import BEFORE
from viscodex.model.extract import TAG
from viscodex.model.fences import PYTHON, Block, blocks
from viscodex.runner.stage import Keep, Reject, Result
from viscodex.sandbox.limits import Limits
from viscodex.sandbox.programs import prepare

MARKUP = ("html", "svg", "xml", "xhtml")


@dataclass(frozen=True)
class CheckCode:
    """Work of the stage `code`. Python is run in the sandbox, `run_s` CPU seconds at most; 0 only parses."""

    run_s: float

    def __call__(self, _: None, sample: Sample) -> Result[Sample]:
        before = str(sample.checks.get(BEFORE, sample.response))
        checks = {key: value for key, value in sample.checks.items() if key != BEFORE}
        facts = self.facts(sample.response)
        if _code(before) != _code(sample.response):
            old = self.facts(before)
            for name, (verb, detail) in VERDICTS.items():
                if old.get(name) and not facts.get(name):
                    return Reject(f"refined_code_{verb}", detail)
        return Keep(sample.model_copy(update={"checks": checks | facts}))

    def facts(self, answer: str) -> dict[str, bool]:
        """`python_parses`, `python_runs`, `html_has_tags`: each only where there is such code."""
        found = blocks(answer)
        python = [block for block in found if block.language in PYTHON]
        markup = [block for block in found if block.language in MARKUP]
        facts: dict[str, bool] = {}
        if python:
            facts["python_parses"] = all(parses(block.text) for block in python)
            if self.run_s:
                facts["python_runs"] = facts["python_parses"] and self._runs(python)
        if markup:
            facts["html_has_tags"] = all(TAG.search(block.text) for block in markup)
        return facts

    def _runs(self, python: list[Block]) -> bool:
        """One program of all blocks, as a reader would try them: it ends by itself, without an error."""
        code = "\n\n".join(block.text for block in python)
        return prepare("python", code, Limits(cpu_s=self.run_s, wall_s=4 * self.run_s)).run().ok


def _code(answer: str) -> list[tuple[str, str]]:
    """What is compared: most refined answers keep their code as it was, and it need not be run twice."""
    return [(block.language, block.text) for block in blocks(answer)]


VERDICTS = {
    "python_parses": ("broken", "the Python parsed before"),
    "python_runs": ("fails", "the Python ran before"),
    "html_has_tags": ("broken", "the HTML had tags before"),
}


def parses(code: str) -> bool:
    """Whether it is Python 3."""
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
