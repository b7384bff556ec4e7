"""`viscodex data infibench-v`: build a benchmark of questions with pictures from a dump, and review it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from viscodex.core import console
from viscodex.core.errors import VisCodexError

group = typer.Typer(
    no_args_is_help=True,
    help="InfiBench-V from a Stack Exchange dump: build a queue of candidates, review it, export the suite.",
)
QUEUE = typer.Argument(metavar="QUEUE", help="The folder that build has made.")
OUT = typer.Option(..., "--out", "-o", help="The output folder.")
JSON = typer.Option(False, "--json", help="As JSON.")


@group.command()
def build(
    dump: Path = typer.Option(..., "--dump", help="Posts.xml: plain, .gz, .bz2, or the .7z that holds it."),
    out: Path = OUT,
    pictures: Path = typer.Option(None, "--pictures", help="A folder that has the pictures, by name or as HOST/PATH."),
    online: bool = typer.Option(False, "--online", help="Fetch what the folder lacks, from the site's own hosts."),
    endpoint: str = typer.Option(
        "", "--endpoint", metavar="URL", help='Who judges and paraphrases; "scripted": nobody.'
    ),
    model: str = typer.Option("", "--model", help="The model's name there; it must see pictures."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="Any key (docs/infibench-v.md)."),
    limit: int = typer.Option(0, "--limit", min=0, help="Only the first so many questions with a picture; 0 is all."),
    workers: int = typer.Option(0, "--workers", min=0, max=256, help="Worker processes; 0 is one per core."),
    json: bool = JSON,
) -> None:
    """Dump → picture and accepted answer → popular → picture needed → candidates. Killed, it goes on later."""
    from viscodex.core.recipe import assign, key_path, parse_set
    from viscodex.data.infibench_v.build import build
    from viscodex.data.infibench_v.settings import BuilderRecipe

    values: dict[str, Any] = {"name": "infibench-v", "dump": str(dump)}
    flags = {"pictures.folder": str(pictures or ""), "pictures.online": online, "llm.endpoint": endpoint}
    flags |= {"llm.model": model, "limit": limit, "workers": workers}
    for key, value in (parse_set(settings) | {key: value for key, value in flags.items() if value}).items():
        assign(values, key_path(BuilderRecipe, key), value)
    facts = build(BuilderRecipe.parse(values, "viscodex data infibench-v build"), out)
    if json:
        console.result_json(facts)
        return
    rows = [(step["stage"], f"{step['seen']:,}", f"{step['kept']:,}", _reasons(step)) for step in facts["funnel"]]
    console.table("", ("stage", "seen", "kept", "rejected"), rows, right=(1, 2))
    console.result(f"{facts['candidates']:,} candidates; now: viscodex data infibench-v review {out} --reviewer NAME")


def _reasons(step: dict[str, Any]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in (step["rejected"] | step["failed"]).items())


@group.command()
def review(
    queue: Path = QUEUE,
    reviewer: str = typer.Option(..., "--reviewer", help="Who decides; two who do not see each other's verdicts."),
    port: int = typer.Option(7870, min=0, max=65535, help="On 127.0.0.1; 0 is any free one."),
) -> None:
    """The desk: a local page, driven by the keyboard. Every decision is on disk (QUEUE/review.sqlite) at once."""
    try:
        from viscodex.data.infibench_v.web import serve
    except ImportError as error:
        raise VisCodexError(f"{error.name} is not installed", hint="pip install 'viscodex[data,eval,serve]'") from error
    from viscodex.data.infibench_v.desk import Desk
    from viscodex.eval.infibench.gates import trial

    desk = Desk(queue, reviewer, trial)
    serve(desk, port, lambda url: console.result(f"{len(desk.candidates)} candidates at {url}; Ctrl+C ends it"))


@group.command()
def export(
    queue: Path = QUEUE,
    out: Path = OUT,
    gated: bool = typer.Option(False, "--gated", help="Only what had passed the gates when it was accepted."),
    json: bool = JSON,
) -> None:
    """What was accepted, and by nobody rejected, as a suite: viscodex eval infibench-v --data infibench-v=OUT."""
    from viscodex.data.infibench_v.export import export

    facts = export(queue, out, gated=gated)
    if json:
        console.result_json(facts)
        return
    console.table(
        "", ("category", "questions"), [(name, str(n)) for name, n in facts["categories"].items()], right=(1,)
    )
    left = ", ".join(f"{reason} {count}" for reason, count in facts["left_out"].items())
    console.result(f"{facts['accepted']} of {facts['candidates']} candidates" + (f"; left out: {left}" if left else ""))
    for one in facts["agreement"]:
        kappa = "—" if one["kappa"] is None else f"{one['kappa']:.2f}"
        names = " and ".join(one["reviewers"])
        console.result(f"{names} agree on {one['agreed']} of {one['both']}, κ {kappa}")


@group.command()
def gates(
    suite: Path = typer.Argument(None, metavar="SUITE", help="questions.jsonl or its folder; unset, our own."),
    json: bool = JSON,
) -> None:
    """Try every question of a suite on its own answers: reference, nothing, wrong ones, stub, echo."""
    from viscodex.eval.infibench.suite_gates import gate_suite

    found = gate_suite(suite)
    if json:
        console.result_json(found)
    else:
        rows = [(one["case"], one["check"], one["where"], one["detail"][:80]) for one in found["findings"]]
        console.table("", ("question", "gate", "where", "what"), rows)
        console.result(f"{found['questions']} questions, {len(found['findings'])} findings")
        for name, reason in found["unavailable"].items():
            console.result(f"{name} cannot be tried here: {reason}")
    if found["findings"]:
        raise typer.Exit(1)
