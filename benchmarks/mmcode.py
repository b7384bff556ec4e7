"""What scoring MMCode costs: 263 problems with 10 tests each, made from the bundled ones, beside a bare interpreter."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import result
from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Scorer, benchmark
from viscodex.eval.mmcode.extraction import extract_program
from viscodex.model.generate import Completion
from viscodex.sandbox.profiles import ONE_THREAD

PROBLEMS, TESTS = 263, 10
TARGET_S = 300.0
"""CPU seconds for all problems: 5 minutes."""
NUMPY = "import numpy as np\n"
EMPTY = "pass"
ENVIRONMENT = {**os.environ, **ONE_THREAD}
"""What programs find in the box, too: numpy starts a thread for every core otherwise."""


@dataclass(frozen=True)
class Cost:
    """CPU and wall seconds of some tests."""

    cpu_s: float
    wall_s: float
    tests: int

    def row(self, what: str, problems: int) -> dict[str, Any]:
        return {
            "what": what,
            "problems": problems,
            "tests": self.tests,
            "CPU a test (ms)": round(1000 * self.cpu_s / self.tests, 1),
            "wall a test (ms)": round(1000 * self.wall_s / self.tests, 1),
            f"CPU, {PROBLEMS} problems (s)": round(self.cpu_s / problems * PROBLEMS, 1),
        }


def synthetic(problems: int) -> Iterator[Sample]:
    """The bundled problems in turn, each with its tests repeated until there are ten."""
    bundled = benchmark("mmcode").load(None).samples
    for number, sample in zip(range(problems), itertools.cycle(bundled), strict=False):
        tests = json.loads(sample.checks["input_output"])
        for side in ("inputs", "outputs"):
            tests[side] = list(itertools.islice(itertools.cycle(tests[side]), TESTS))
        checks = sample.checks | {"input_output": json.dumps(tests), "tests": TESTS}
        yield sample.model_copy(update={"id": f"{sample.id}-{number}", "checks": checks})


def cpu_s() -> float:
    """Seconds of ours and of every child that has been waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def measured(work: Callable[[], int]) -> Cost:
    """`work` returns how many tests it ran."""
    used, began = cpu_s(), time.perf_counter()
    tests = work()
    return Cost(cpu_s() - used, time.perf_counter() - began, tests)


def scored(scorer: Scorer, samples: list[Sample], before: str = "", *, passes: bool = True) -> int:
    """Score the reference solutions, with a line before each; or a program that fails the first test."""
    tests = 0
    for sample in samples:
        code = before + extract_program(sample.response).code if passes else EMPTY
        scores = scorer.score(sample, Completion(sample_id=sample.id, text=f"```python\n{code}\n```")).scores
        assert all(score.values == {"passed": float(passes)} for score in scores), scores
        tests += max(len(score.evidence["statuses"]) for score in scores)
    return tests


def bare(runs: int, code: str) -> int:
    """The floor: an interpreter for every test, without a box, limits or comparison."""
    for _ in range(runs):
        subprocess.run([sys.executable, "-c", code], input=b"", check=True, capture_output=True, env=ENVIRONMENT)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=PROBLEMS)
    problems = parser.parse_args().problems
    samples = list(synthetic(problems))
    few = samples[: max(1, problems // 5)]
    scorer = benchmark("mmcode").open_scorer()
    scored(scorer, samples[:1])  # warm: the sandbox tries itself, the language is probed
    costs = {
        "ours: extract, compile, run, compare": (measured(lambda: scored(scorer, samples)), len(samples)),
        "ours, programs that import numpy": (measured(lambda: scored(scorer, few, NUMPY)), len(few)),
        "ours, programs that are wrong at once": (measured(lambda: scored(scorer, few, passes=False)), len(few)),
        "floor: an interpreter a test": (measured(lambda: bare(TESTS * len(few), EMPTY)), len(few)),
        "floor, importing numpy": (measured(lambda: bare(TESTS * len(few), NUMPY)), len(few)),
    }
    rows = [cost.row(what, count) for what, (cost, count) in costs.items()]
    scorer.close()
    notes = (
        f"Reference solutions of the bundled problems, {TESTS} tests each, one process, both protocols at once. CPU is "
        f"everything: our own process, the boxes, the programs. Target: {TARGET_S:.0f} s CPU for {PROBLEMS} problems "
        f"({1000 * TARGET_S / PROBLEMS / TESTS:.0f} ms a test); the last column scales to that size. Programs that are "
        f"wrong at once run one test a problem, which pays for compiling. Load average: {os.getloadavg()[0]:.1f}."
    )
    print(result.write("mmcode", "Scoring MMCode", rows, notes))


if __name__ == "__main__":
    main()
