"""`viscodex refine`: run what the model wrote, look at it, and have it mended."""

from __future__ import annotations

from pathlib import Path

import typer

from viscodex.cli.generate import kind_named, sampling_of
from viscodex.core import console


def register(app: typer.Typer) -> None:
    app.command()(refine)


def refine(
    image: str = typer.Argument(metavar="IMAGE", help="A picture; - is stdin."),
    model: str = typer.Option("", metavar="DIR", help="A checkpoint folder; with --endpoint, the model's name there."),
    endpoint: str = typer.Option("", metavar="URL", help="Any OpenAI-compatible server instead of a folder."),
    kind: str = typer.Option("", help="html, chart or algorithm; unset, the picture tells: html or chart."),
    prompt: str = typer.Option("", help="Ask this first, instead of the packaged prompt of the kind."),
    then: list[str] = typer.Option([], "--then", metavar="TEXT", help='A further turn: "make the header blue".'),
    rounds: int = typer.Option(3, min=0, help="Revisions at most, after the first answer and after each turn."),
    patience: int = typer.Option(2, min=1, help="So many revisions in a row without progress are the last."),
    out: Path = typer.Option(
        ..., "--out", "-o", metavar="DIR", help="A new folder for the code and the page of rounds."
    ),
    max_new_tokens: int = typer.Option(4096, min=1, help="Where an answer is cut."),
    temperature: float = typer.Option(0.0, min=0.0, help="0 is greedy."),
    top_p: float = typer.Option(1.0, min=0.01, max=1.0, help="Sample from the likeliest tokens of this probability."),
    seed: int = typer.Option(0, help="Another seed, another answer (with a temperature above 0)."),
    json: bool = typer.Option(False, "--json", help="The summary as JSON."),
    max_pixels: int = typer.Option(None, min=1, help="Scale larger pictures down to this area (Qwen families)."),
    device: str = typer.Option("", help="cpu or cuda; unset, cuda if there is one."),
) -> None:
    """Write a picture's code, run it in the sandbox, compare, have it revised, and keep the best round."""
    from viscodex.core.rundir import require_free
    from viscodex.serve import refine_page
    from viscodex.serve.refine import Refining
    from viscodex.serve.refine import refine as rounds_of
    from viscodex.serve.source import generator
    from viscodex.serve.tasks import tasks

    (sample,) = tasks([image], kind_named(kind), prompt, together=True)
    require_free(out)
    done = []
    with generator(model, endpoint, device=device, max_pixels=max_pixels) as source:
        sampling = sampling_of(max_new_tokens, temperature, top_p, seed)
        for one in rounds_of(source, sample, sampling, Refining(rounds, patience), then):
            outcome = one.candidate.outcome
            state = outcome.status if outcome else one.candidate.completion.reason
            mark = "  the best so far" if one.is_best else ""
            console.say(f"round {one.number}: {state}, similarity {one.candidate.similarity:.3f}{mark}")
            done.append(one)
    code = refine_page.write(out, sample, done)
    facts = refine_page.summary(sample, done) | {"code": str(code), "page": str(out / "refine.html")}
    if json:
        console.result_json(facts)
    else:
        console.result(f"round {facts['best']} is kept: {code}")
        console.result(f"look at: {facts['page']}")
