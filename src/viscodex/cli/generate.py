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
    from viscodex.model.generate import Completion, Sampling, Stream


def register(app: typer.Typer) -> None:
    app.command()(generate)


def generate(
    images: list[str] = typer.Argument(None, metavar="IMAGE...", help="Pictures of one task, in order; - is stdin."),
    model: Path = typer.Option(..., metavar="DIR", help="A checkpoint folder."),
    kind: str = typer.Option("html", help="html, chart, qa or algorithm: what is asked, and what is taken as code."),
    prompt: str = typer.Option("", help="Ask this instead of the packaged prompt of the kind."),
    max_new_tokens: int = typer.Option(4096, min=1, help="Where the answer is cut."),
    temperature: float = typer.Option(0.0, min=0.0, help="0 is greedy."),
    top_p: float = typer.Option(1.0, min=0.01, max=1.0, help="Sample from the likeliest tokens of this probability."),
    seed: int = typer.Option(0, help="Another seed, another answer (with a temperature above 0)."),
    raw: bool = typer.Option(False, "--raw", help="The whole answer as it comes, not its code alone."),
    json: bool = typer.Option(False, "--json", help="The answer with its code, finish, tokens and time as JSON."),
    out: Path = typer.Option(None, metavar="FILE", help="Write there instead of stdout."),
    max_pixels: int = typer.Option(None, min=1, help="Scale larger pictures down to this area (Qwen families)."),
    device: str = typer.Option("", help="cpu or cuda; unset, cuda if there is one."),
) -> None:
    """Write the code that a picture shows: screenshot to HTML, chart to Python. Only code goes to stdout."""
    sample = _sample(images or [], _kind(kind), prompt)
    from viscodex.model.generate import Sampling
    from viscodex.model.local import Local

    sampling = Sampling(temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens, seed=seed)
    console.say(f"loading {model}")
    stream = Local(model, device=device, max_pixels=max_pixels).stream(sample, sampling)
    is_silent = json or out is not None
    completion = _show_raw(stream, is_silent) if raw else _show_code(stream, sample.kind, is_silent)
    _remark(completion, sampling)
    if not (completion.code or raw or json):
        raise VisCodexError("the answer holds no code", hint="--raw shows the whole answer")
    text = completion.text if raw else completion.code
    if out is not None:
        rundir.atomic_write(out, completion.model_dump_json(indent=2) + "\n" if json else text + "\n")
        console.say(f"written to {out}")
    elif json:
        console.result_json(completion.model_dump())


def _kind(word: str) -> Kind:
    from viscodex.core.sample import KINDS  # pydantic: not for --help

    for kind in KINDS:
        if word == kind:
            return kind
    raise UsageError(f'no kind "{word}"', hint=did_you_mean(word, KINDS))


def _sample(paths: list[str], kind: Kind, prompt: str) -> Sample:
    """The task; pictures that cannot be read are refused before a model is loaded."""
    from viscodex.core.sample import Image
    from viscodex.model.prompts import task

    if not paths and not prompt:
        raise UsageError("neither a picture nor a prompt", hint="viscodex generate page.png --model DIR")
    if len(paths) > 1 and not prompt and kind in ("html", "chart"):
        raise UsageError(
            f"the packaged {kind} prompt is about one picture, and {len(paths)} are given",
            hint="one picture at a time, or say with --prompt what to do with them",
        )
    if paths.count("-") > 1:
        raise UsageError("stdin holds one picture")
    images = [Image(data=sys.stdin.buffer.read()) if path == "-" else Image(path=path) for path in paths]
    for image in images:
        image.load()
    return task(kind, images, prompt, name=Path(paths[0]).stem if paths and paths[0] != "-" else "stdin")


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


def _remark(completion: Completion, sampling: Sampling) -> None:
    usage = completion.usage
    rate = usage.completion_tokens / max(completion.seconds, 1e-9)
    console.say(f"{usage.completion_tokens} tokens in {completion.seconds:.1f} s ({rate:.1f}/s)")
    if completion.finish == "length":
        console.say(f"the answer was cut after {sampling.max_new_tokens} tokens; raise --max-new-tokens")


def _put(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
