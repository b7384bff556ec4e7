"""What scoring costs, in one run: the aims of each benchmark beside what was measured, every part by its own script.

Design2Code and ChartMimic against the recorded cost of the published evaluators, MMCode against a bound. CPU seconds,
everything included (browser, zygote, boxes). `--quick` takes fewer pages, rounds and problems, to try the script.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import chartmimic
import design2code
import mmcode
import result
from viscodex.eval.benchmark import benchmark

PAGES, MINUTES = design2code.LIKE, 10.0
"""Of the published test set, and the aim for all of it, references kept."""
TIMES = {"design2code": 15.0, "references drawn": 20.0, "references kept": 30.0}


def row(what: str, cpu_s: float, aim: str, reached: str, *, is_reached: bool) -> dict[str, Any]:
    return {
        "what": what,
        "CPU (s)": round(cpu_s, 3),
        "aim": aim,
        "reached": reached,
        "met": "yes" if is_reached else "no",
    }


def of_design2code(pages: int) -> Iterator[dict[str, Any]]:
    """A page with its answer, both protocols, references kept; and the whole set at that price."""
    large = cpu_s_of(design2code.chosen(pages))
    times, aim = sum(design2code.PUBLISHED.values()) / large, TIMES["design2code"]
    yield row("Design2Code, a large page", large, f"{aim:g}×", f"{times:.1f}×", is_reached=times >= aim)
    whole = PAGES * cpu_s_of(design2code.like_the_benchmark(pages))
    what = f"Design2Code, {PAGES} pages of its size (scaled)"
    yield row(what, whole, f"{MINUTES:g} min", f"{whole / 60:.1f} min", is_reached=whole <= 60 * MINUTES)


def cpu_s_of(pages: Mapping[str, str]) -> float:
    """Our own and the browser's, a page."""
    with tempfile.TemporaryDirectory() as folder:
        ours = design2code.measured(pages, Path(folder))
    return float(sum(ours[key] for key in design2code.PUBLISHED))


def of_chartmimic(rounds: int) -> Iterator[dict[str, Any]]:
    """A pair, both protocols, as scored without a judge."""
    costs = chartmimic.measured(list(chartmimic.pairs()), rounds)
    for state in ("references drawn", "references kept"):
        cpu_s = statistics.median(cpu for cpu, _ in costs[f"ours, without a judge, {state}"])
        times, aim = chartmimic.PUBLISHED_S / cpu_s, TIMES[state]
        yield row(f"ChartMimic low-level, {state}", cpu_s, f"{aim:g}×", f"{times:.1f}×", is_reached=times >= aim)


def of_mmcode(problems: int) -> Iterator[dict[str, Any]]:
    """Ten tests a problem, reference solutions, both protocols; scaled to the published size."""
    samples = list(mmcode.synthetic(problems))
    scorer = benchmark("mmcode").open_scorer()
    mmcode.scored(scorer, samples[:1])  # warm: the sandbox tries itself, the language is probed
    cost = mmcode.measured(lambda: mmcode.scored(scorer, samples))
    scorer.close()
    cpu_s = cost.cpu_s / problems * mmcode.PROBLEMS
    scaled = "" if problems == mmcode.PROBLEMS else " (scaled)"
    what = f"MMCode, {mmcode.PROBLEMS} problems × {mmcode.TESTS} tests{scaled}"
    aim, reached = f"{mmcode.TARGET_S / 60:g} min", f"{cpu_s / 60:.1f} min"
    yield row(what, cpu_s, aim, reached, is_reached=cpu_s <= mmcode.TARGET_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    is_quick = parser.parse_args().quick
    rows = [
        *of_mmcode(20 if is_quick else mmcode.PROBLEMS),
        *of_chartmimic(1 if is_quick else chartmimic.ROUNDS),
        *of_design2code(6 if is_quick else PAGES // 4),
    ]
    published = sum(design2code.PUBLISHED.values())
    notes = (
        f"Ours scores both protocols at once. Against {published:g} CPU s a page of Design2Code and "
        f"{chartmimic.PUBLISHED_S:g} a pair of ChartMimic, recorded of the published evaluators; pages as in Scoring "
        f"Design2Code below.{' A quick look: few pages, rounds and problems.' if is_quick else ''} "
        f"Load average: {os.getloadavg()[0]:.1f}."
    )
    print(result.write("eval", "Scoring, in one run", rows, notes))


if __name__ == "__main__":
    main()
