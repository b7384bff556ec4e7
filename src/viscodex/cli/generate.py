"""`viscodex generate`: pictures in, code out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from viscodex.core import console, rundir
from viscodex.core.errors import UsageError, VisCodexError, did_you_mean

if TYPE_CHECKING:
    from viscodex.core.sample import Kind, Sample
    from viscodex.model.generate import Completion, Generator, Sampling, Stream
    from viscodex.serve.generate import Written


def register(app: typer.Typer) -> None:
    app.command()(generate)


def generate(
    images: list[str] = typer.Argument(None, metavar="IMAGE...", help="Pictures, folders of pictures; - is stdin."),
    model: str = typer.Option("", metavar="DIR", help="A checkpoint folder; with --endpoint, the model's name there."),
    endpoint: str = typer.Option("", metavar="URL", help="Any OpenAI-compatible server instead of a folder."),
    kind: str = typer.Option("", help="html, chart, qa or algorithm; unset, each picture tells: html or chart."),
    prompt: str = typer.Option("", help="Ask this instead of the packaged prompt of the kind."),
    together: bool = typer.Option(False, "--together", help="All pictures are one task, in order (with --prompt)."),
    n: int = typer.Option(1, "--n", min=1, help="Answers to choose from: they are run, and the most alike is taken."),
    run: bool = typer.Option(
        False, "--run", help="Render the page, draw the chart or run the program, in the sandbox."
    ),
    picture: Path = typer.Option(None, metavar="FILE", help="Where the picture of --run goes; NAME.run.png if unset."),
    max_new_tokens: int = typer.Option(4096, min=1, help="Where the answer is cut."),
    temperature: float = typer.Option(None, min=0.0, help="0 is greedy; unset, that, and 0.8 with --n."),
    top_p: float = typer.Option(1.0, min=0.01, max=1.0, help="Sample from the likeliest tokens of this probability."),
    seed: int = typer.Option(0, help="Another seed, another answer (with a temperature above 0)."),
    raw: bool = typer.Option(False, "--raw", help="The whole answer as it comes, not its code alone."),
    json: bool = typer.Option(False, "--json", help="The answer with its code, finish, tokens and time as JSON."),
    out: Path = typer.Option(None, metavar="PATH", help="A file instead of stdout; for several pictures, a folder."),
    max_pixels: int = typer.Option(None, min=1, help="Scale larger pictures down to this area (Qwen families)."),
    device: str = typer.Option("", help="cpu or cuda; unset, cuda if there is one."),
) -> None:
    """Write the code that a picture shows: screenshot to HTML, chart to Python. Only code goes to stdout."""
    from viscodex.serve.tasks import tasks

    samples = tasks(images or [], kind_named(kind), prompt, together=together)
    if len(samples) > 1 and out is None and not json:
        raise UsageError(f"{len(samples)} pictures, and stdout holds one answer", hint="--out FOLDER, or --json")
    if len(samples) > 1 and picture is not None:
        raise UsageError(f"--picture names one file, and there are {len(samples)} pictures", hint="--out FOLDER")
    sampling = sampling_of(max_new_tokens, temperature, top_p, seed, n)
    from viscodex.serve.source import generator

    with generator(model, endpoint, device=device, max_pixels=max_pixels) as source:
        if len(samples) == 1:
            written = _one(source, samples[0], sampling, raw=raw, runs=run, is_silent=json or out is not None)
            _keep_one(written, out, picture, raw=raw, json=json)
        else:
            _many(source, samples, sampling, out, raw=raw, runs=run, json=json)


WARM = 0.8
"""The temperature of several answers when none is given."""


def sampling_of(max_new_tokens: int, temperature: float | None, top_p: float, seed: int, n: int = 1) -> Sampling:
    from pydantic import ValidationError

    from viscodex.model.generate import Sampling

    warmth = (WARM if n > 1 else 0.0) if temperature is None else temperature
    try:
        return Sampling(temperature=warmth, top_p=top_p, max_new_tokens=max_new_tokens, seed=seed, n=n)
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def kind_named(word: str) -> Kind | None:
    from viscodex.core.sample import KINDS  # pydantic: not for --help

    for kind in KINDS:
        if word == kind:
            return kind
    if word:
        raise UsageError(f'no kind "{word}"', hint=did_you_mean(word, KINDS))
    return None


def _one(source: Generator, sample: Sample, sampling: Sampling, *, raw: bool, runs: bool, is_silent: bool) -> Written:
    """A single answer appears as it is written; of several the best appears when it is known."""
    from viscodex.serve.generate import judged, write

    if sampling.n > 1:
        (written,) = write(source, [sample], sampling)
        if not is_silent and written.completion.finish != "error":
            _put((written.completion.text if raw else written.completion.code) + "\n")
    else:
        stream = source.stream(sample, sampling)
        completion = _show_raw(stream, is_silent) if raw else _show_code(stream, sample.kind, is_silent)
        written = judged(sample, [completion], runs=runs)
    return written


def _keep_one(written: Written, out: Path | None, picture: Path | None, *, raw: bool, json: bool) -> None:
    completion, outcome = written.completion, written.chosen.outcome
    if completion.finish == "error":
        raise VisCodexError(completion.reason)
    _remark(completion)
    if outcome and outcome.png:
        name = f"{written.sample.id}.run.png"
        place = picture or (out.with_name(f"{out.stem}.run.png") if out else Path(name))
        rundir.atomic_write(place, outcome.png)
        console.say(f"picture: {place}")
    _tell(written)
    if json and out is None:
        console.result_json(written.facts())
    if not (completion.code or raw or json):
        raise VisCodexError("the answer holds no code", hint="--raw shows the whole answer")
    if out is not None:
        text = completion.text if raw else completion.code
        facts = completion.model_dump_json(indent=2)
        rundir.atomic_write(out, facts + "\n" if json else text + "\n")
        console.say(f"written to {out}")
    if outcome and not outcome.is_ok:
        raise VisCodexError(f"the code does not run: {outcome.status}", where=outcome.reason.partition("\n")[0])


def _tell(written: Written) -> None:
    """What became of the code, as remarks."""
    chosen = written.chosen
    if chosen.outcome is None:
        return
    if len(written.candidates) > 1:
        ranks = ", ".join(f"{one.similarity:.3f}" for one in written.candidates)
        console.say(f"answer {chosen.completion.index + 1} of {len(written.candidates)} is taken; similarity {ranks}")
    elif chosen.likeness:
        console.say(f"similarity {chosen.similarity:.3f}")
    if chosen.outcome.output:
        console.say(f"it printed:\n{chosen.outcome.output}")
    if chosen.outcome.is_ok and chosen.outcome.reason:
        console.say(chosen.outcome.reason)


def _many(
    source: Generator, samples: list[Sample], sampling: Sampling, out: Path | None, *, raw: bool, runs: bool, json: bool
) -> None:
    """A file for each in OUT, or all as JSON; one that fails costs no other, and the exit code says so."""
    from viscodex.serve.generate import save, write

    facts, failed, broken = [], 0, 0
    with console.progress("pictures", len(samples)) as progress:
        for written in write(source, samples, sampling, runs=runs):
            facts.append(written.facts())
            is_bad = written.completion.finish == "error" or not (written.completion.code or raw)
            failed += is_bad
            if is_bad:
                console.say(f"{written.sample.id}: {written.completion.reason or 'the answer holds no code'}")
            elif out is not None:
                console.say(f"{written.sample.id}: {save(written, out, raw=raw)[0]}")
            outcome = written.chosen.outcome
            if not is_bad and outcome and not outcome.is_ok:
                broken += 1
                console.say(
                    f"{written.sample.id}: does not run: {outcome.status} {outcome.reason.partition(chr(10))[0]}"
                )
            progress.advance(1)
    if json:
        order = {sample.id: place for place, sample in enumerate(samples)}
        console.result_json(sorted(facts, key=lambda one: order[one["sample_id"]]))
    if failed:
        raise VisCodexError(f"{failed} of {len(samples)} pictures have no code")
    if broken:
        raise VisCodexError(f"the code of {broken} of {len(samples)} pictures does not run")


def _show_raw(stream: Stream, is_silent: bool) -> Completion:
    for piece in stream:
        if not is_silent:
            _put(piece)
    if not is_silent:
        _put("\n")
    return _completed(stream)


def _show_code(stream: Stream, kind: Kind, is_silent: bool) -> Completion:
    """A page appears as it is written. A program does on a terminal; a pipe gets it at the end, never revised."""
    from viscodex.model.live import Live

    live = Live(kind)
    shows = not is_silent and (live.is_certain or sys.stdout.isatty())
    for piece in stream:
        new = live.feed(piece)
        if shows:
            _put(new)
    completion = _completed(stream)
    if is_silent or not completion.code:
        return completion
    ending = live.close()
    if not shows:
        _put(completion.code)
    elif ending.is_revised:
        console.say("\na later program is longer; it is the answer:")
        _put(completion.code)
    else:
        _put(ending.rest)
    _put("\n")
    return completion


def _completed(stream: Stream) -> Completion:
    if stream.completion is None:
        raise VisCodexError("the answer was not completed")
    if stream.completion.finish == "error":
        raise VisCodexError(stream.completion.reason)
    return stream.completion


def _remark(completion: Completion) -> None:
    written = completion.usage.completion_tokens
    console.say(f"{written} tokens in {completion.seconds:.1f} s ({written / max(completion.seconds, 1e-9):.1f}/s)")
    if completion.finish == "length":
        console.say(f"the answer was cut after {written} tokens; raise --max-new-tokens")


def _put(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
