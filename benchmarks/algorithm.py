"""240 algorithm problems verified again in the sandbox: 200 right ones, 40 wrong on purpose, each in a known way."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import result

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.data.problems import write_problems

from viscodex.data import algorithm
from viscodex.runner.stage import Keep

PROBLEMS, QUICK = 240, 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} problems")
    arguments = parser.parse_args()
    count = QUICK if arguments.quick else PROBLEMS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problems.jsonl"
        expected = write_problems(path, count)
        pipeline = algorithm.pipeline(algorithm.Settings(path=str(path), cpu_s=3.0, memory_mib=512))
        found: dict[str, str] = {}
        spent: dict[str, list[float]] = {}
        for _, sample in pipeline.drafts():
            started = time.monotonic()
            verdict = pipeline.stages[0].work(None, sample)  # type: ignore[union-attr,call-arg]
            name = "kept" if isinstance(verdict, Keep) else verdict.reason  # type: ignore[union-attr]
            found[sample.checks["origin"]["id"]] = name  # type: ignore[union-attr]
            spent.setdefault(name, []).append(time.monotonic() - started)
    wrong = {key: (expected[key], found.get(key)) for key in expected if expected[key] != found.get(key)}
    counts = Counter(expected.values())
    rows = [
        {
            "verdict": name,
            "expected": counts[name],
            "found": len(times),
            "wall a problem (s)": round(sum(times) / len(times), 2),
        }
        for name, times in sorted(spent.items())
    ]
    for row in rows:
        print(row)
    print("other verdicts than expected:", wrong or "none")
    if not arguments.quick:
        notes = (
            f"Verdicts that differ from what the problem was made for: {len(wrong)} of {count}. Limits: 3 CPU seconds, "
        )
        notes += "512 MB. Seconds on the wall."
        result.write("algorithm", "Algorithm problems verified again", rows, notes, differing=wrong)
    assert not wrong


if __name__ == "__main__":
    main()
