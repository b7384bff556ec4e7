"""`viscodex pocket build`: from nothing to the pocket models, their ablation and its report, in stages.

    texts ─► base ─┬─► vlm  (describes pictures) ─┬─► search λ, merge ─► fine-tune every arm ─► test ─► report
                   └─► code (writes from text)  ──┘

Each stage calls the product's own jobs: data shards, train, merge, eval. What this file adds is their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.checkpoint.layout import PARTS, Part
from viscodex.core.rundir import read_json, remove_tree, write_json
from viscodex.core.stages import Stage, facts_of, markers, run_stages
from viscodex.pocket.measure import average_of, evaluate
from viscodex.pocket.recipe import POCKET, PocketRecipe, Sizes, Training
from viscodex.pocket.shards import FIRST_OF_CHOICE, SHARDS
from viscodex.train.recipe import TrainRecipe

BACKBONE: tuple[Part, ...] = ("backbone",)
PROJECTOR: tuple[Part, ...] = ("projector",)
READ = 50  # test pictures of each kind whose descriptions are checked line by line


@dataclass(frozen=True)
class Build:
    """Where a build lies, and its recipe."""

    out: Path
    recipe: PocketRecipe

    def run(self, only: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
        """Every stage that is not done yet, and then the report of those that are."""
        done = run_stages(self.out, list(self.stages()), only)
        if not only:
            self.report()
        return done

    def report(self, earlier: Path | None = None) -> Path:
        """OUT/results of all stages that are done, joined to an `earlier` build's pocket.json; the path of ours."""
        from viscodex.pocket.report import write_report

        known = read_json(earlier) if earlier else None
        return write_report(self.out, self.recipe, markers(self.out, list(self.stages())), known)

    def stages(self) -> Iterator[Stage]:
        r = self.recipe
        yield from self._shipped() if r.start == "shipped" else self._trained()
        for name in ("mcd", "choose"):
            yield self._rows(name)
        yield Stage("read", self.read, (), {"pictures": READ}, ("vlm",))
        three = ("vlm", "code-lm", "base-lm")
        yield Stage("inspect", self.inspect, ("inspect.html", "inspect.json"), needs=three)
        yield Stage("choose-set", lambda: self.test_set("choose"), ("tests/choose",), r.choose.model_dump())
        yield Stage("test-set", lambda: self.test_set("test"), ("tests/test",), r.test.model_dump())
        for lam in r.lambdas:
            made = (f"models/lambda-{lam:g}", f"runs/lambda-{lam:g}", f"eval/lambda-{lam:g}")
            needs = (*three, "mcd", "choose", "choose-set")
            settings = {"lambda": lam, "tuning": r.training("sft", BACKBONE, max_steps=r.choose_steps).resolved()}
            yield Stage(f"lambda-{lam:g}", lambda lam=lam: self.try_lambda(lam), made, settings, needs)  # type: ignore[misc]
        tried = tuple(f"lambda-{lam:g}" for lam in r.lambdas)
        yield Stage("merge", self.merge, ("models/merged",), needs=tried)
        yield Stage("replace", self.replace, ("models/replaced",), needs=("vlm", "code-lm"))
        for seed in r.seeds:
            yield from self._arms(seed)
        if r.ship:
            yield self._training(POCKET, "ship", "models/merged", "mcd", BACKBONE, ("merge", "mcd"), r.seeds[0])
            yield self._test(POCKET, f"runs/{POCKET}/final", (POCKET,))
        for who in ("oracle", "blank"):
            yield self._test(who, generator=who)
        for who, model in (("vlm", "runs/vlm/final"), ("merged", "models/merged")):
            yield self._test(who, model, (who if who == "vlm" else "merge",))
        yield self._test("code", "models/code", ("code-lm",), perturb="unseen")  # it has no eyes: words alone

    # ---- what stages do

    def random(self) -> None:
        from viscodex.pocket.geometry import Geometry, write_random

        write_random(self.out / "models/random", Geometry(), self.recipe.seed)

    def corpus(self) -> dict[str, int]:
        from viscodex.pocket.samples import corpus_sample, write_shards

        rows = (corpus_sample(index) for index in range(self.recipe.corpus))
        return {"rows": write_shards(self.out / "data/corpus", rows)}

    def copying(self) -> dict[str, int]:
        from viscodex.pocket.samples import copying_sample, write_shards

        rows = (copying_sample(index) for index in range(self.recipe.copying))
        return {"rows": write_shards(self.out / "data/copying", rows)}

    def rows(self, name: str) -> dict[str, int]:
        """Shards of one task: glance (strips), describe (pictures), write (text), mcd and choose (fine-tuning)."""
        sizes = getattr(self.recipe, "describe" if name == "glance" else name)
        written = SHARDS[name](self.out / "data" / name, sizes, self.pictures, self.recipe.workers)
        return {"rows": written}

    def train(
        self, stage: str, training: Training, model: str, data: str, parts: tuple[Part, ...], seed: int, **given: Any
    ) -> Any:
        """A training of the product's, from OUT/model on OUT/data/DATA into OUT/runs/STAGE."""
        recipe = self.recipe.training(
            training,
            parts,
            model=str(self.out / model),
            data=[str(self.out / "data" / name) for name in data.split("+")],
            prepared=str(self.out / "prepared"),
            seed=seed,
            **given,
        )
        result = self._run(recipe, self.out / "runs" / stage)
        return {name: result[name] for name in ("steps", "samples", "held_out", "skipped")} | {
            "parts": list(parts),
            "run": stage,
        }

    def _run(self, recipe: TrainRecipe, out: Path) -> dict[str, Any]:
        from viscodex.train.job import run_training
        from viscodex.train.launch import launch
        from viscodex.train.parallel import connect

        if self.recipe.ranks > 1:
            return launch(recipe, out, self.recipe.ranks)
        with connect("") as world:
            return run_training(recipe, out, world)

    def language_model(self, run: str) -> None:
        from viscodex.pocket.geometry import backbone

        folder = self.out / "models" / run
        remove_tree(folder)
        backbone(self.out / "runs" / run / "final", folder)

    def read(self) -> dict[str, Any]:
        """How well the vision-language model reads, line by line."""
        from viscodex.pocket.reading import read

        charts, pages = (min(READ, size) for size in (self.recipe.test.chart, self.recipe.test.page))
        return read(self.vlm, charts, pages, self.pictures, self.recipe.workers)

    def inspect(self) -> dict[str, Any]:
        from viscodex.core.rundir import atomic_write
        from viscodex.merge.inspect import inspect
        from viscodex.merge.page import as_facts, render

        found = inspect(str(self.vlm), str(self.out / "models/code"), str(self.out / "models/base"))
        values = found.as_json()
        facts = as_facts({**{role: Path(path).name for role, path in values["models"].items()}, **values["all"]})
        atomic_write(self.out / "inspect.html", render("Pocket models, layer by layer", facts, found.maps()))
        write_json(self.out / "inspect.json", values)
        return dict(values["all"])

    def test_set(self, name: str) -> dict[str, str]:
        from viscodex.pocket.testsets import write_test_sets

        sizes = {kind: size for kind, size in getattr(self.recipe, name).model_dump().items() if size}
        is_choice = name == "choose"
        written = write_test_sets(
            self.out / "tests" / name,
            sizes,
            split="train" if is_choice else "test",
            first=FIRST_OF_CHOICE if is_choice else 0,
            workers=self.recipe.workers,
            cache=self.pictures,
        )
        return {benchmark: str(path.relative_to(self.out)) for benchmark, path in written.items()}

    def try_lambda(self, lam: float) -> dict[str, Any]:
        """Merge with λ: the score of what it writes, its loss on rows to choose by, and that after a short tuning."""
        name = f"lambda-{lam:g}"
        model = self.out / "models" / name
        self._merge(model, "task-arithmetic", {"lambda": lam, "base": str(self.out / "models/base")})
        self.train(name, "sft", f"models/{name}", "mcd", BACKBONE, 0, max_steps=self.recipe.choose_steps)
        scores = self.evaluation("choose", name, {"model": str(model)})
        return {**scores, "loss": self.loss_of(model), "tuned": self.loss_of(self.out / "runs" / name / "final")}

    def loss_of(self, model: Path) -> dict[str, float]:
        """The loss on rows to choose by, with its 95 % interval."""
        from viscodex.model.load import load_model
        from viscodex.scorers.loss import CalibrationLoss

        loss = CalibrationLoss("loss", self.out / "data/choose", load_model(model), model, limit=0).score(model)
        low, high = (loss.value if end is None else end for end in (loss.low, loss.high))  # one row has no interval
        return {"mean": loss.value, "low": low, "high": high}

    def merge(self) -> dict[str, Any]:
        """The λ with the lowest loss after a short fine-tuning; 0 and 1 are shown beside it, and are no merges."""
        losses = {lam: facts_of(self.out, f"lambda-{lam:g}")["tuned"]["mean"] for lam in self.recipe.lambdas}
        best = min((lam for lam in losses if 0 < lam < 1), key=losses.__getitem__)
        self._merge(
            self.out / "models/merged", "task-arithmetic", {"lambda": best, "base": str(self.out / "models/base")}
        )
        return {"lambda": best, "losses": {f"{lam:g}": loss for lam, loss in losses.items()}}

    def replace(self) -> None:
        self._merge(self.out / "models/replaced", "replace-8b", {})

    def _merge(self, out: Path, recipe: str, settings: Mapping[str, Any]) -> None:
        from viscodex.merge.job import merge_to_folder
        from viscodex.merge.plan import plan_merge
        from viscodex.merge.recipe import MergeRecipe

        remove_tree(out)
        models = {"vlm": str(self.vlm), "code": [str(self.out / "models/code")]}
        merge_to_folder(plan_merge(MergeRecipe.load(recipe, models | dict(settings)), out), out)

    def evaluation(self, tests: str, who: str, answers: Mapping[str, Any]) -> dict[str, Any]:
        """The product's evaluation on a test set of ours, into OUT/eval/WHO."""
        sets = facts_of(self.out, f"{tests}-set")
        data = {benchmark: str(self.out / path) for benchmark, path in sets.items()}
        report = evaluate(self.out / "eval" / who, data, answers, self.out / "scores", self.recipe.workers)
        return report | {"average": average_of(report)}

    # ---- stages of a shape

    def _trained(self) -> Iterator[Stage]:
        """Base, vlm and code, from random weights."""
        r = self.recipe
        yield Stage("random", self.random, ("models/random",), {"seed": r.seed})
        yield Stage("corpus", self.corpus, ("data/corpus",), {"corpus": r.corpus})
        yield Stage("copying", self.copying, ("data/copying",), {"copying": r.copying})
        texts = ("corpus", "copying")
        yield self._training("base", "base", "models/random", "corpus+copying", BACKBONE, ("random", *texts))
        yield Stage("base-lm", lambda: self.language_model("base"), ("models/base",), needs=("base",))
        yield from self._seeing("runs/base/final", "base")
        yield self._rows("write")
        yield self._training("code", "code", "runs/base/final", "write", BACKBONE, ("base", "write"))
        yield Stage("code-lm", lambda: self.language_model("code"), ("models/code",), needs=("code",))

    def _seeing(self, model: str, need: str) -> Iterator[Stage]:
        """The vision-language model, from a model that speaks: it reads strips, then strips and whole pictures."""
        yield self._rows("glance")
        yield self._rows("describe")
        if self.recipe.strips:
            yield self._training("strips", "strips", model, "glance", PARTS, (need, "glance"))
            model, need = "runs/strips/final", "strips"
        yield self._training("vlm", "vlm", model, "glance+describe", PARTS, (need, "glance", "describe"))

    def _shipped(self) -> Iterator[Stage]:
        """Base, vlm and code as they came with viscodex; the vlm may be trained further."""
        further = self.recipe.further
        vlm = ("vlm-shipped", "runs/vlm-shipped/final") if further else ("vlm", "runs/vlm/final")
        yield self._restored("base-lm", "base", "models/base")
        yield self._restored(vlm[0], "vlm", vlm[1])
        yield self._restored("code-lm", "code", "models/code")
        if further:
            yield from self._seeing(vlm[1], vlm[0])

    def _restored(self, stage: str, model: str, made: str) -> Stage:
        from viscodex.pocket.ship import digest_of, restore

        return Stage(stage, lambda: restore(model, self.out / made), (made,), {"shipped": digest_of(model)})

    def _rows(self, name: str) -> Stage:
        sizes: Sizes = getattr(self.recipe, "describe" if name == "glance" else name)
        return Stage(name, lambda: self.rows(name), (f"data/{name}",), sizes.model_dump())

    def _training(
        self, stage: str, training: Training, model: str, data: str, parts: tuple[Part, ...], needs: tuple[str, ...],
        seed: int = 0,
    ) -> Stage:  # fmt: skip
        settings = self.recipe.training(training, parts, seed=seed).resolved()
        run = lambda: self.train(stage, training, model, data, parts, seed)  # noqa: E731
        return Stage(stage, run, (f"runs/{stage}",), settings, needs)

    def _arms(self, seed: int) -> Iterator[Stage]:
        """Every arm's fine-tuning with a seed, and its test."""
        starts = {"merge": ("models/merged", "merge"), "no-merge": ("runs/vlm/final", "vlm")}
        for arm in self.recipe.arms:
            model, need = starts.get(arm, ("models/replaced", "replace"))
            name = f"{arm}-seed{seed}"
            parts = BACKBONE
            if arm == "replace-2stage":
                first = f"{name}-projector"
                yield self._training(first, "projector", model, "mcd", PROJECTOR, (need, "mcd"), seed)
                model, need, parts = f"runs/{first}/final", first, (*BACKBONE, *PROJECTOR)
            yield self._training(name, "sft", model, "mcd", parts, (need, "mcd"), seed)
            yield self._test(name, f"runs/{name}/final", (name,))

    def _test(
        self, who: str, model: str = "", needs: tuple[str, ...] = (), generator: str = "", perturb: str = ""
    ) -> Stage:
        answers = {"generator": generator} if generator else {"model": str(self.out / model), "perturb": perturb}
        run = lambda: self.evaluation("test", who, answers)  # noqa: E731
        return Stage(f"test-{who}", run, (f"eval/{who}",), needs=(*needs, "test-set"))

    @property
    def vlm(self) -> Path:
        return self.out / "runs/vlm/final"

    @property
    def pictures(self) -> Path:
        return self.out / "pictures"
