"""`viscodex eval`: measure a model on the four benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from viscodex.cli._run_by_default import RUN, RunByDefault
from viscodex.core import console
from viscodex.core.errors import UsageError

if TYPE_CHECKING:
    from viscodex.eval.recipe import EvalRecipe
    from viscodex.eval.report import Report
    from viscodex.eval.run import Stages

group = typer.Typer(
    cls=RunByDefault,
    no_args_is_help=True,
    help="Measure a model: viscodex eval all --model DIR --out RUN, or design2code, chartmimic, mmcode, infibench-v.",
)
NAME = typer.Argument(metavar="NAME", help="A benchmark, all, or a recipe (a packaged name or a TOML file).")
MODEL = typer.Option("", "--model", help="A checkpoint folder; with --endpoint, the model's name there.")
ENDPOINT = typer.Option("", "--endpoint", metavar="URL", help="Any OpenAI-compatible server instead of a folder.")
ENGINE = typer.Option("", "--engine", help="vllm: serve the folder with vLLM meanwhile (--set vllm.program=PATH).")
GENERATOR = typer.Option("", "--generator", help="oracle or blank: the bounds of every benchmark, without a model.")
OUT = typer.Option(None, "--out", "-o", help="The run's folder. The same command continues what it holds.")
DATA = typer.Option([], "--data", metavar="NAME=PATH", help="The published files of a benchmark.")
LIMIT = typer.Option(0, "--limit", min=0, help="So many samples of each benchmark; 0 is all.")
PERTURB = typer.Option("", "--perturb", help="Worse pictures: blur:1.5, downscale:0.5, jpeg:30, noise:8; or unseen.")
JUDGE = typer.Option("", "--judge", metavar="URL", help="The judge's OpenAI-compatible server.")
JUDGE_MODEL = typer.Option("", "--judge-model", metavar="NAME", help="The judge's name there.")
NO_JUDGE = typer.Option(False, "--no-judge", help="Leave out what only a judge can score.")
SETTINGS = typer.Option([], "--set", metavar="KEY=VALUE", help="Override a key of the recipe.")
SHARD = typer.Option("", "--shard", metavar="I/N", help="Only this part of the samples; the folder is shared.")
WORKERS = typer.Option(0, "--workers", min=0, max=256, help="Scoring processes; 0 is one per core.")
STORE = typer.Option(None, "--store", metavar="DIR", help="Where scores are kept by content; unset, the user's cache.")
JSON = typer.Option(False, "--json", help="The report as JSON.")
FOLDER = typer.Argument(metavar="RUN", help="The run's folder.")
SOME = typer.Option([], "--only", metavar="NAME", help="Only this benchmark of the run.")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="eval")


@group.command(RUN, help="All stages (the word “run” may be left out): viscodex eval all --model DIR --out RUN.")
def run(
    name: str = NAME,
    model: str = MODEL,
    endpoint: str = ENDPOINT,
    engine: str = ENGINE,
    generator: str = GENERATOR,
    out: Path = OUT,
    data: list[str] = DATA,
    limit: int = LIMIT,
    perturb: str = PERTURB,
    judge: str = JUDGE,
    judge_model: str = JUDGE_MODEL,
    no_judge: bool = NO_JUDGE,
    settings: list[str] = SETTINGS,
    shard: str = SHARD,
    workers: int = WORKERS,
    store: Path = STORE,
    json: bool = JSON,
) -> None:
    from viscodex.eval.run import run_all

    flags: dict[str, Any] = {"model": model, "endpoint": endpoint, "engine": engine, "generator": generator}
    flags |= {"limit": limit, "perturb": perturb}
    judging = {"judge.endpoint": judge, "judge.model": judge_model, "judge.none": no_judge}
    recipe = _recipe(name, flags | judging, data, settings)
    _show(run_all(recipe, _required(out), _stages(shard, workers, store)), out, json)


@group.command()
def generate(
    name: str = NAME,
    model: str = MODEL,
    endpoint: str = ENDPOINT,
    engine: str = ENGINE,
    generator: str = GENERATOR,
    out: Path = OUT,
    data: list[str] = DATA,
    limit: int = LIMIT,
    perturb: str = PERTURB,
    settings: list[str] = SETTINGS,
    shard: str = SHARD,
) -> None:
    """Only ask the model: OUT/NAME/predictions.jsonl. Needs no browser, no sandbox and no judge."""
    from viscodex.eval.folder import open_run
    from viscodex.eval.run import generate_all

    flags: dict[str, Any] = {"model": model, "endpoint": endpoint, "engine": engine, "generator": generator}
    flags |= {"limit": limit, "perturb": perturb}
    recipe = _recipe(name, flags, data, settings)
    generate_all(recipe, open_run(_required(out), recipe), _stages(shard, 1, None))


@group.command()
def score(
    folder: Path = FOLDER,
    only: list[str] = SOME,
    judge: str = JUDGE,
    judge_model: str = JUDGE_MODEL,
    no_judge: bool = NO_JUDGE,
    shard: str = SHARD,
    workers: int = WORKERS,
    store: Path = STORE,
) -> None:
    """Only score the answers a folder holds: RUN/NAME/scores.jsonl. What is scored already costs nothing."""
    from viscodex.eval.run import reopen, require_judge, score_all

    judging = {"judge.endpoint": judge, "judge.model": judge_model, "judge.none": no_judge}
    recipe, tasks = reopen(folder, only, {key: value for key, value in judging.items() if value})
    require_judge(recipe, tasks)
    score_all(recipe, tasks, _stages(shard, workers, store))


@group.command()
def report(folder: Path = FOLDER, only: list[str] = SOME, store: Path = STORE, json: bool = JSON) -> None:
    """Only report what a folder holds: report.json, report.md, and report.html to look at."""
    from viscodex.eval.report import write_reports
    from viscodex.eval.run import reopen

    recipe, tasks = reopen(folder, only)
    _show(write_reports(folder, recipe, tasks, _stages("", 1, store).scores), folder, json)


@group.command("import")
def import_(
    name: str = typer.Argument(metavar="NAME", help="The benchmark."),
    file: Path = typer.Argument(metavar="FILE", help="xlsx, tsv, csv, json or jsonl, of VLMEvalKit or others."),
    answers_by: str = typer.Option(..., "--by", metavar="MODEL", help="Whose answers these are."),
    out: Path = OUT,
    data: list[str] = DATA,
    by_position: bool = typer.Option(False, "--by-position", help="Row i answers sample i, whatever its id."),
) -> None:
    """Take answers that another tool made; then: viscodex eval score, viscodex eval report."""
    from viscodex.eval.folder import open_run
    from viscodex.eval.importing import answers_per_sample, import_answers

    several = 1 if by_position else answers_per_sample(file)
    recipe = _recipe(name, {"imported": answers_by, "n": several}, data, [])
    task = open_run(_required(out), recipe)[0]
    found = import_answers(task, file, answers_by, by_position=by_position)
    console.result(f"{found.taken} answers taken, {found.missing} samples have none")
    for problem, count in found.unreadable.items():
        console.result(f"{count} rows left out: {problem}")
    if found.unknown:
        console.result(
            f"{len(found.unknown)} rows left out: no sample has their id ({', '.join(found.unknown[:3])}, …)"
        )


def _recipe(name: str, flags: dict[str, Any], data: list[str], settings: list[str]) -> EvalRecipe:
    """A recipe from a benchmark's name, all, or a recipe's name, with flags before --set before the file."""
    from viscodex.core.recipe import parse_set
    from viscodex.eval.benchmark import NAMES, named
    from viscodex.eval.recipe import EvalRecipe

    overrides = parse_set(settings) | {key: value for key, value in flags.items() if value}
    overrides |= {f"data.{key}": value for key, value in parse_data(data).items()}
    if named(name) in (*NAMES, "all"):
        overrides["benchmarks"] = list(NAMES) if name == "all" else [named(name)]
        return EvalRecipe.load("default", overrides)
    return EvalRecipe.load(name, overrides)


def parse_data(pairs: list[str]) -> dict[str, str]:
    """`["mmcode=files/mmcode"]` → {"mmcode": "files/mmcode"}."""
    from viscodex.eval.benchmark import named

    found = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals or not path:
            raise UsageError(f"--data takes NAME=PATH, not “{pair}”", hint="--data mmcode=files/mmcode")
        found[named(name)] = path
    return found


def _stages(shard: str, workers: int, store: Path | None) -> Stages:
    import os

    from viscodex.eval.run import Stages
    from viscodex.runner.shards import Shard

    return Stages(Shard.parse(shard or "1/1"), workers or os.cpu_count() or 1, store)


def _required(out: Path | None) -> Path:
    if out is None:
        raise UsageError("no folder for the run", hint="--out RUN")
    return out


def _show(summary: Report, out: Path, as_json: bool) -> None:
    if as_json:
        console.result_json(summary)
        return
    from viscodex.eval.run import summary_table

    header, rows = summary_table(summary)
    console.table(f"{summary['answers_by']}, ×100", header, rows, right=range(2, len(header)))
    for note in summary["comparable"]:
        if note:
            console.result(note)
    console.result(f"look at: {out / 'report.html'}")
