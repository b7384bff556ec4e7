"""Switching λ on a loaded model against a streamed lerp of the same bytes, and against a checkpoint per candidate.

    python benchmarks/merge_search.py                 1.5b: 9 GB of disk, 12 GB of memory, some minutes
    python benchmarks/merge_search.py --size 3b       13 GB of disk, a quiet machine with 24 GB
    python benchmarks/merge_search.py --size 8b       on a machine with 64 GB
    python benchmarks/merge_search.py --size quick    seconds, a tiny shape

One process, one thread on both sides, the inputs in the page cache, the two in turn. Writes results/merge_search.json.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import torch

import measure
import result
from merging.floors import LAMBDA, TIGHT
from merging.shapes import SHAPES
from viscodex.merge.job import merge_to_folder
from viscodex.merge.live import LiveMerge
from viscodex.merge.plan import MergePlan, plan_merge
from viscodex.merge.recipe import MergeRecipe
from viscodex.model.load import load_model

WORK = Path(__file__).parents[1] / "build" / "benchmarks"
ROOM = 1 << 29  # elements that the floor writes to, again and again: far more than any cache holds
LAMBDAS = (0.7, 0.8, 0.85, 0.9, 0.75)


@dataclass(frozen=True)
class Cost:
    """CPU seconds of this process, and seconds on the clock."""

    cpu: float
    wall: float


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    models = inputs(arguments.size, arguments.work)
    plan = plan_merge(recipe(models, LAMBDA), None)
    for folder in models.values():
        measure.read_files(folder)
    model = load_model(models["vlm"])
    costs: dict[str, list[Cost]] = {}
    with LiveMerge(plan, model, threads=1) as live:
        live.apply(recipe(models, 0.5))
        floor = Floor(models["vlm"], models["code"])
        floor.run()  # its memory is touched once before it counts, as the model's is
        for lam in LAMBDAS[: arguments.repeats]:
            costs.setdefault("switch", []).append(timed(lambda lam=lam: live.apply(recipe(models, lam))))
            costs.setdefault("floor", []).append(timed(floor.run))
        switch = live.apply(recipe(models, LAMBDA))
        same = live.apply(recipe(models, {"model.layers.0.*": 0.6, "*": LAMBDA}))
    del model, floor
    out = arguments.work / "out-search"
    shutil.rmtree(out, ignore_errors=True)
    costs["checkpoint"] = [timed(lambda: by_checkpoint(plan_merge(recipe(models, LAMBDA), out), out))]
    shutil.rmtree(out)
    print(save(arguments, plan, costs, switch.written, same))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SHAPES, default="1.5b")
    parser.add_argument("--work", type=Path, default=WORK, help="where inputs are kept")
    parser.add_argument("--repeats", type=int, default=5, choices=range(1, len(LAMBDAS) + 1))
    parser.add_argument("--results", type=Path, default=result.RESULTS, help="the folder of merge_search.json")
    return parser.parse_args()


def inputs(size: str, work: Path) -> dict[str, Path]:
    """The VLM and the code LLM of a shape, made once."""
    generate = [sys.executable, "-m", "merging.checkpoints", size, str(work / size)]
    subprocess.run(generate, cwd=Path(__file__).parent, check=True)
    return {role: work / size / role for role in ("vlm", "code")}


def recipe(models: dict[str, Path], lam: Any) -> MergeRecipe:
    values = {"vlm": str(models["vlm"]), "code": str(models["code"]), "lambda": lam}
    return MergeRecipe.parse(values, where="benchmark")


class Floor:
    """The strongest floor there is: read both, mix in small blocks, put the result where a model would have it."""

    def __init__(self, vlm: Path, code: Path) -> None:
        self.pairs = [(path, code / path.name) for path in sorted(vlm.glob("*.safetensors"))]
        self.out = torch.empty(ROOM, dtype=torch.bfloat16)
        self.raw = [bytearray(2 * TIGHT) for _ in range(2)]
        self.words = [torch.frombuffer(data, dtype=torch.bfloat16) for data in self.raw]
        self.wide = [torch.empty(TIGHT), torch.empty(TIGHT)]

    def run(self) -> None:
        place = 0  # in memory; a model's worth of it would not fit beside the model and the files
        for a_path, b_path in self.pairs:
            with FileIO(a_path) as a, FileIO(b_path) as b:
                while size := a.readinto(self.raw[0]):
                    b.readinto(memoryview(self.raw[1])[:size])
                    self.wide[0].copy_(self.words[0])
                    self.wide[1].copy_(self.words[1])
                    torch.lerp(self.wide[1], self.wide[0], LAMBDA, out=self.wide[0])
                    self.out[place : place + size // 2].copy_(self.wide[0][: size // 2])
                    place = (place + size // 2) % (ROOM - TIGHT)


def by_checkpoint(plan: MergePlan, out: Path) -> None:
    """What a search does without this: write the candidate, then load it."""
    merge_to_folder(plan, out, threads=1)
    load_model(out)


def timed(work: Callable[[], Any]) -> Cost:
    cpu, wall = time.process_time(), time.monotonic()
    work()
    return Cost(time.process_time() - cpu, time.monotonic() - wall)


def save(arguments: argparse.Namespace, plan: MergePlan, costs: dict[str, list[Cost]], written: int, same: Any) -> Path:
    """The table and every value behind it."""
    what = {
        "switch": "switch λ on the loaded model, in place",
        "floor": "streamed lerp of the same bytes into memory",
        "checkpoint": "write the candidate's checkpoint, load it",
    }
    medians = {name: median(found) for name, found in costs.items()}
    rows = [
        {
            "size": arguments.size,
            "what": what[name],
            "CPU s": round(cost.cpu, 2),
            "wall s": round(cost.wall, 2),
            "× the lerp (CPU)": round(cost.cpu / medians["floor"].cpu, 2),
            "× the lerp (wall)": round(cost.wall / medians["floor"].wall, 2),
        }
        for name, cost in medians.items()
    ]
    notes = (
        f"{written / 1e9:.2f} GB of backbone, {plan.in_bytes / 1e9:.2f} GB read; one thread, medians of "
        f"{arguments.repeats}, in turn, inputs in the page cache. The lerp keeps nothing in mind: no names, no rows of "
        "vision tokens, no check for NaN, float32 where the merge sums in float64. Changing one layer's λ alone took "
        f"{same.seconds:.2f} s for {same.written / 1e9:.2f} GB."
    )
    values = {name: [vars(cost) for cost in found] for name, found in costs.items()}
    return result.write(
        "merge_search", "Search: switching candidates", rows, notes, folder=arguments.results, runs=values
    )


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(c.cpu for c in costs), statistics.median(c.wall for c in costs))


if __name__ == "__main__":
    main()
