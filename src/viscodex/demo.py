"""`viscodex demo`: the whole of viscodex on this machine, offline, in a few minutes, told on one page.

The models are the pocket models that come with the package: trained from nothing, on small charts and pages. Every
file, process and line of code on the way is the one that serves models a thousand times as large.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viscodex.core import console
from viscodex.core.rundir import atomic_write, read_json

if TYPE_CHECKING:
    from viscodex.core.sample import Kind

SIZES = {"chart": 4, "page": 3, "algorithm": 4, "question": 4}
ROWS = {"chart": 40, "page": 24, "question": 8, "algorithm": 8}
STEPS_OF_TUNING = 20
FIRST_SHOWN = 500  # test pictures beyond those of the test sets
NEW_TOKENS = 320
ANSWERS = {
    "blank": "nothing",
    "vlm": "vlm: can describe, cannot write",
    "code": "code: can write, sees no picture",
    "merged": "vlm + code, merged here",
    "tuned": f"merged, {STEPS_OF_TUNING} steps of fine-tuning here",
    "viscodex-pocket": "viscodex-pocket, as it ships",
    "oracle": "the references",
}


@dataclass
class Section:
    """A step of the demo as the page shows it: what was typed, what came out, pictures, links to pages beside it."""

    title: str
    text: str
    command: str = ""
    lines: list[str] = field(default_factory=list)
    header: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    pictures: list[tuple[str, str]] = field(default_factory=list)
    pairs: list[tuple[str, str, str]] = field(default_factory=list)  # picture, what the answer draws, its code
    links: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0


Step = Callable[[Path], Section]


def run_demo(out: Path) -> Path:
    """Run every step, write OUT/index.html, and return its path. What an earlier run made is used again."""
    out.mkdir(parents=True, exist_ok=True)
    sections = []
    for number, step in enumerate(STEPS, 1):
        begun = time.monotonic()
        console.say(f"{number}/{len(STEPS)} {(step.__doc__ or '').partition(chr(10))[0]}")
        section = step(out)
        section.seconds = time.monotonic() - begun
        for line in section.lines:
            console.say(f"    {line}")
        sections.append(section)
    page = out / "index.html"
    atomic_write(page, render(sections))
    return page


def render(sections: list[Section]) -> str:
    """The page as HTML text."""
    import jinja2

    from viscodex.version import __version__

    loader = jinja2.PackageLoader("viscodex", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    total = sum(section.seconds for section in sections)
    return environment.get_template("demo.html").render(sections=sections, version=__version__, total=total)


def look_over(out: Path) -> Section:
    """Look over this machine."""
    from viscodex.doctor import examine, is_ready

    findings = examine()
    rows = [(f.status, f.name, f.detail) for f in findings]
    missing = [f.name for f in findings if f.status == "missing"]
    state = "everything required is here" if is_ready(findings) else f"missing: {', '.join(missing)}"
    text = "What is installed, what is missing, and the command that brings it."
    return Section("Doctor", text, "viscodex doctor", [state], ("", "what", "found"), rows)


def inspect_models(out: Path) -> Section:
    """Compare what tuning did to the pocket VLM and to the pocket code LLM."""
    from viscodex.merge.inspect import inspect
    from viscodex.merge.page import as_facts, render
    from viscodex.pocket import weights

    vlm, code, base = (weights(name) for name in ("vlm", "code", "base"))
    found = inspect(str(vlm), str(code), str(base))
    values = found.as_json()
    facts = as_facts({**{role: Path(path).name for role, path in values["models"].items()}, **values["all"]})
    atomic_write(out / "inspect.html", render("Two task vectors, layer by layer", facts, found.maps()))
    rows = [(name, facts[name]) for name in values["all"]]
    text = (
        "Both grew from one base: the VLM learned to describe pictures, the code LLM to write programs from "
        "descriptions. A task vector is what that added. Where two of them point apart, merging costs something."
    )
    names = "$(viscodex pocket weights vlm) $(viscodex pocket weights code) --base $(viscodex pocket weights base)"
    command = f"viscodex merge inspect {names} --html demo/inspect.html"
    links = [("inspect.html", "heat maps, layer by layer")]
    return Section("Inspect", text, command, header=("over all tensors", ""), rows=rows, links=links)


def merge_models(out: Path) -> Section:
    """Merge them: λ of the VLM, 1 − λ of the code LLM, vision untouched."""
    from viscodex.core.rundir import remove_tree
    from viscodex.merge.job import merge_to_folder
    from viscodex.merge.plan import plan_merge
    from viscodex.merge.recipe import MergeRecipe
    from viscodex.pocket import chosen_lambda, weights

    merged, lam = out / "merged", chosen_lambda()
    remove_tree(merged)
    models = {"vlm": str(weights("vlm")), "code": str(weights("code")), "base": str(weights("base"))}
    recipe = MergeRecipe.load("task-arithmetic", {**models, "lambda": lam})
    result = merge_to_folder(plan_merge(recipe, merged), merged, check="load")
    rows = [(name, str(row["tensors"]), f"{row['bytes'] / 1e3:,.0f} kB") for name, row in result["parts"].items()]
    check = next(line for line in result["lines"] if line.startswith("load check"))
    digest = read_json(merged / "merge.json")["output"]["xxh3_128"]
    text = (
        "The backbone is the weighted sum of two; vision encoder, projector and the rows of vision tokens are the "
        "VLM's, byte for byte. The folder loads wherever the VLM loads."
    )
    settings = " ".join(f"--set {role}=$(viscodex pocket weights {role})" for role in models)
    command = f"viscodex merge task-arithmetic {settings} --lambda {lam:g} --out demo/merged"
    pages = {"merge_report.html": "merge report", "README.md": "model card", "merge.json": "merge.json"}
    links = [(f"merged/{file}", title) for file, title in pages.items()]
    return Section(
        "Merge", text, command, [check, f"content hash {digest}"], ("part", "tensors", ""), rows, links=links
    )


def build_data(out: Path) -> Section:
    """Build a small data set of the paper's four categories from bundled inputs."""
    from viscodex.data.build import build, order_of
    from viscodex.data.recipe import DataRecipe
    from viscodex.runner.shards import Shard

    folder = out / "mcd"
    if not (folder / "README.md").exists():
        build(order_of(DataRecipe.load("mcd-sample"), Shard.parse("1/1")), folder)
    funnel = read_json(folder / "build.json")["categories"]
    rows = [(name, *(str(row[key]) for key in ("seen", "kept", "rejected", "failed"))) for name, row in funnel.items()]
    text = (
        "Chart scripts are executed in the sandbox, pages rendered, a dump of Stack Exchange parsed, algorithms "
        "verified by their tests. What is rejected is kept beside the data, with the reason."
    )
    links = [("mcd/gallery.html", "gallery, rejects included"), ("mcd/README.md", "data card")]
    command = "viscodex data build mcd-sample --out demo/mcd"
    return Section(
        "Data", text, command, header=("category", "seen", "kept", "rejected", "failed"), rows=rows, links=links
    )


def tune_model(out: Path) -> Section:
    """Fine-tune the merged model for some steps, on rows of the pocket worlds drawn here."""
    from viscodex.core.rundir import JsonLines
    from viscodex.model.formats import computes_bfloat16
    from viscodex.pocket.recipe import Sizes, load
    from viscodex.pocket.shards import mcd
    from viscodex.train.job import run_training
    from viscodex.train.parallel import connect

    rows, run = out / "rows", out / "tuned"
    if not rows.exists():
        mcd(rows, Sizes(**ROWS), out / "pictures", 2)
    recipe = load().training(
        "sft",
        ["backbone"],
        model=str(out / "merged"),
        data=[str(rows)],
        prepared=str(out / "prepared"),
        max_steps=STEPS_OF_TUNING,
        precision="mixed" if computes_bfloat16("cpu") else "float32",
    )
    if not (run / "final").exists():
        with connect("cpu") as world:
            run_training(recipe, run, world)
    losses = [row["loss"] for row in JsonLines(run / "metrics.jsonl") if row["kind"] == "step"]
    few = max(1, len(losses) // 5)
    first, last = sum(losses[:few]) / few, sum(losses[-few:]) / few
    line = f"loss of an answer's token: {first:.3f} in the first steps, {last:.3f} in the last ones"
    _curve(out / "loss.png", losses)
    text = (
        "The recipe of the paper in small: the backbone is trained, vision encoder and projector keep every byte. "
        f"{sum(ROWS.values())} rows: picture to code, questions, functions."
    )
    command = "viscodex train demo/tuned/recipe.toml --out demo/tuned"
    return Section("Fine-tune", text, command, [line], pictures=[("loss.png", "the loss of each step")])


def measure_models(out: Path) -> Section:
    """Measure on four benchmarks: the models before and after, right answers, no answers."""
    from viscodex.eval.report import SIX_COLUMNS, paper_rows
    from viscodex.pocket.testsets import BENCHMARKS, write_test_sets

    usable, lines = measurable()
    wanted = {kind: size for kind, size in SIZES.items() if BENCHMARKS[kind] in usable}  # type: ignore[index]
    data = _test_sets(out, wanted, write_test_sets)
    reports = {who: evaluated(out, who, data) for who in ANSWERS} if data else {}
    names = [f"{benchmark} {column}" for benchmark, column in SIX_COLUMNS]
    told = {what: reports[who]["columns"]["fixed"] for who, what in ANSWERS.items() if who in reports}
    published = paper_rows()
    told |= {f"{model}, published sets (paper)": published[model] for model in ("VisCodex-8B",) if model in published}
    rows = [(what, *map(_cell, (row.get(name) for name in [*names, "average"]))) for what, row in told.items()]
    text = (
        f"{', '.join(f'{size} {kind}s' for kind, size in SIZES.items())} of the pocket worlds, as the four benchmarks "
        "have their tasks. Pages are drawn, charts and programs are run in the sandbox. The code LLM gets the words of "
        "a task without its picture. “—” needs a judge or weights that are not on this machine."
    )
    command = "viscodex eval all --model demo/merged --no-judge --out demo/eval/merged --data chartmimic=demo/tests/…"
    links = [(f"eval/{who}/report.html", f"report: {what}") for who, what in ANSWERS.items() if who in reports]
    header = ("answers by", *names, "average")
    return Section("Measure", text, command, lines, header, rows, links=links)


def use_model(out: Path) -> Section:
    """Picture in, program out: three pictures that no model has seen."""
    from viscodex.pocket import weights
    from viscodex.pocket.pictures import pictures
    from viscodex.pocket.worlds import draw
    from viscodex.serve.library import load

    problems = [
        draw("chart", "test", FIRST_SHOWN),
        draw("chart", "test", FIRST_SHOWN + 1),
        draw("page", "test", FIRST_SHOWN),
    ]
    section = Section(
        "Use",
        "Left the picture, right what the model's code draws when it is run in the sandbox.",
        "viscodex generate demo/shown/picture-1.png --model $(viscodex pocket weights) --kind chart --run",
    )
    folder = out / "shown"
    folder.mkdir(exist_ok=True)
    with load(weights()) as model:
        for number, (problem, png) in enumerate(zip(problems, pictures(problems, 1, out / "pictures"), strict=True), 1):
            kind: Kind = "html" if problem.kind == "page" else "chart"
            picture, drawn = folder / f"picture-{number}.png", folder / f"drawn-{number}.png"
            atomic_write(picture, png)
            written = model.write(png, kind=kind, prompt=problem.prompt, runs=True, max_new_tokens=NEW_TOKENS)
            outcome = written.chosen.outcome
            if outcome is not None and outcome.png:
                atomic_write(drawn, outcome.png)
            shown = f"shown/{drawn.name}" if drawn.exists() else ""
            section.pairs.append((f"shown/{picture.name}", shown, written.completion.code))
    return section


def measurable() -> tuple[list[str], list[str]]:
    """The benchmarks whose scorer opens on this machine, and a line about each of the others."""
    from viscodex.core.errors import VisCodexError
    from viscodex.eval.benchmark import NAMES, benchmark
    from viscodex.eval.score import environment_of

    usable, lines = [], []
    for name in NAMES:
        try:
            environment_of(benchmark(name))
            usable.append(name)
        except VisCodexError as error:
            lines.append(f"{name} is left out: {error.problem} ({error.hint or 'viscodex doctor'})")
    return usable, lines


def evaluated(out: Path, who: str, data: dict[str, str]) -> dict[str, Any]:
    """The report of a model or a stand-in; what an earlier demo scored is not scored again."""
    from viscodex.eval.recipe import EvalRecipe
    from viscodex.eval.run import Stages, run_all
    from viscodex.pocket import weights

    answers: dict[str, Any] = {"generator": who}
    if who not in ("oracle", "blank"):
        made_here = {"merged": out / "merged", "tuned": out / "tuned" / "final"}
        answers = {"model": str(made_here.get(who) or weights(who)), "max_new_tokens": NEW_TOKENS}
        answers |= {"perturb": "unseen"} if who == "code" else {}
    overrides = {"benchmarks": list(data), "data": data, "judge.none": True, **answers}
    return run_all(EvalRecipe.load("default", overrides), out / "eval" / who, Stages(store=out / "eval" / "scores"))


def _test_sets(out: Path, sizes: dict[str, int], write: Callable[..., dict[str, Path]]) -> dict[str, str]:
    """Small test sets, written once."""
    from viscodex.core.rundir import write_json

    place = out / "tests.json"
    if not place.exists():
        written = write(out / "tests", sizes, cache=out / "pictures") if sizes else {}
        write_json(place, {name: str(path.relative_to(out)) for name, path in written.items()})
    return {name: str(out / path) for name, path in read_json(place).items()}


def _curve(path: Path, losses: Sequence[float]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 2.4), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(range(1, len(losses) + 1), losses, color="#1f5fa8")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Software": None})


def _cell(value: float | None) -> str:
    return "—" if value is None else f"{value:.1f}"


STEPS: tuple[Step, ...] = (
    look_over,
    inspect_models,
    merge_models,
    build_data,
    tune_model,
    measure_models,
    use_model,
)
