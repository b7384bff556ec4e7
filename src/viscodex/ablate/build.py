"""The stages of an ablation: make every starting point, fine-tune it with every seed, test it; then the report.

OUT/stages/      what is done (a second run goes on with the rest)
OUT/models/      merged starting points        OUT/runs/   fine-tunings        OUT/eval/   tests
OUT/ablation.json, ablation.html, ablation.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.ablate.recipe import AblateRecipe, Arm
from viscodex.checkpoint.layout import Part
from viscodex.core.errors import UsageError
from viscodex.core.rundir import remove_tree
from viscodex.core.stages import Stage, run_stages

BACKBONE: list[Part] = ["backbone"]
PROJECTOR: list[Part] = ["projector"]


@dataclass(frozen=True)
class Ablation:
    """Where an ablation lies, and its recipe. `device`: cpu or cuda, empty for a GPU if there is one."""

    out: Path
    recipe: AblateRecipe
    device: str = ""
    store: Path | None = None

    def run(self, only: tuple[str, ...] = ()) -> dict[str, Any]:
        """Every stage that is not done yet (or those named), and the report of what is there."""
        from viscodex.ablate.report import write_report
        from viscodex.ablate.results import results

        self._require_models()
        done = run_stages(self.out, list(self.stages()), only)
        found = results(self.out, self.recipe, done)
        write_report(self.out, found)
        return found

    def stages(self) -> Iterator[Stage]:
        arms = list(self.recipe.all_arms())
        starts = {arm.start: arm for arm in arms if arm.start != "vlm"}
        for name, arm in starts.items():
            yield Stage(name, lambda arm=arm: self.start(arm), (f"models/{name}",), self._start_settings(arm))  # type: ignore[misc]
        yield self._test("oracle", {"generator": "oracle"})
        yield self._test("blank", {"generator": "blank"})
        if self.recipe.untuned:
            yield self._test("vlm", {"model": self.recipe.vlm})
            main = next((arm for arm in arms if arm.name == "merge"), None)
            if main is not None:
                yield self._test("merged", {"model": str(self._start_folder(main))}, (main.start,))
        for seed in self.recipe.seeds:
            for arm in arms:
                yield from self._arm(arm, seed)

    # ---- what stages do

    def start(self, arm: Arm) -> None:
        """A merged (or replaced) starting point, as `viscodex merge` writes it."""
        from viscodex.merge.job import merge_to_folder
        from viscodex.merge.plan import plan_merge
        from viscodex.merge.recipe import MergeRecipe

        folder = self.out / "models" / arm.start
        remove_tree(folder)
        recipe = MergeRecipe.parse({"name": arm.start, **self._start_settings(arm)}, where=arm.name)
        merge_to_folder(plan_merge(recipe, folder), folder)

    def train(self, name: str, model: str, stage: Any, seed: int, parts: list[Part]) -> dict[str, Any]:
        """A fine-tuning into OUT/runs/NAME, resumed where a kill left it."""
        from viscodex.train.job import run_training
        from viscodex.train.parallel import connect

        with connect(self.device) as world:
            told = run_training(self.recipe.training(model, stage, seed, parts), self.out / "runs" / name, world)
        return {key: told[key] for key in ("steps", "samples", "held_out") if key in told}

    def test(self, name: str, answers: Mapping[str, Any]) -> dict[str, Any]:
        """An evaluation into OUT/eval/NAME."""
        from viscodex.eval.run import Stages, run_all
        from viscodex.eval.store import default_store

        how = Stages(store=self.store or default_store(), workers=self.recipe.workers)
        report = run_all(self.recipe.evaluation({"device": self.device, **answers}), self.out / "eval" / name, how)
        return {benchmark: found["protocols"]["fixed"]["counts"] for benchmark, found in report["benchmarks"].items()}

    # ---- stages of a shape

    def _arm(self, arm: Arm, seed: int) -> Iterator[Stage]:
        name, model = f"{arm.name}-seed{seed}", str(self._start_folder(arm))
        needs = () if arm.start == "vlm" else (arm.start,)
        parts = BACKBONE
        if arm.kind == "replace-2stage":
            first = f"{name}-projector"
            yield self._training(first, model, "projector", seed, PROJECTOR, needs)
            model, needs, parts = str(self.out / "runs" / first / "final"), (first,), [*BACKBONE, *PROJECTOR]
        yield self._training(name, model, "train", seed, parts, needs)
        yield self._test(name, {"model": str(self.out / "runs" / name / "final")}, (name,))

    def _training(
        self, name: str, model: str, stage: Any, seed: int, parts: list[Part], needs: tuple[str, ...]
    ) -> Stage:
        settings = self.recipe.training("" if needs else model, stage, seed, parts).resolved()
        run = lambda: self.train(name, model, stage, seed, parts)  # noqa: E731
        return Stage(name, run, (f"runs/{name}",), settings, needs)

    def _test(self, name: str, answers: Mapping[str, Any], needs: tuple[str, ...] = ()) -> Stage:
        settings = self.recipe.evaluation({} if needs else dict(answers)).resolved()
        return Stage(f"test-{name}", lambda: self.test(name, answers), (f"eval/{name}",), settings, needs)

    def _start_settings(self, arm: Arm) -> dict[str, Any]:
        models = {"vlm": self.recipe.vlm, "code": [self.recipe.code[arm.code]], "base": self.recipe.base}
        if arm.kind.startswith("replace"):
            return models | {"method": "replace"}
        return models | {"method": self.recipe.method, "lambda": arm.lam}

    def _start_folder(self, arm: Arm) -> Path:
        from viscodex.checkpoint.source import resolve

        return resolve(self.recipe.vlm) if arm.start == "vlm" else self.out / "models" / arm.start

    def _require_models(self) -> None:
        lacking = [key for key in ("vlm", "code") if not getattr(self.recipe, key)]
        if lacking:
            raise UsageError(
                f"the recipe names no {' and no '.join(lacking)}", hint="--set vlm=PATH --set code.NAME=PATH"
            )
        if not self.recipe.train.get("data"):
            raise UsageError("the recipe names no data to fine-tune on", hint="--set train.data=FOLDER")
