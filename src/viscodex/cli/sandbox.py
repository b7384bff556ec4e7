"""`viscodex sandbox`: what this machine can hold, and what it can run."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import typer

from viscodex.core import console

group = typer.Typer(help="Where programs that a model wrote are run: try its promises, list its languages.")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="sandbox", no_args_is_help=True)


@group.command()
def selftest(
    backend: str = typer.Option("", help="bwrap or landlock; the best one here if not given."),
    json: bool = typer.Option(False, "--json", help="As JSON."),
) -> None:
    """Try every promise of the sandbox on this machine. Ends with 1 when one is not kept."""
    from viscodex.core.errors import UsageError, did_you_mean
    from viscodex.sandbox import backends, selftest

    chosen = next((name for name in backends.ISOLATING if name == backend), None)
    if backend and chosen is None:
        raise UsageError(f'no back end "{backend}"', hint=did_you_mean(backend, backends.ISOLATING))
    chosen = chosen or backends.best()
    with console.progress("selftest", len(selftest.PROMISES), "promises") as progress:
        trials = []
        for trial in selftest.examine(chosen):
            trials.append(trial)
            progress.advance(1)
    kept = all(trial.held for trial in trials)
    if json:
        console.result_json({"backend": chosen, "kept": kept, "promises": [asdict(trial) for trial in trials]})
    else:
        rows = [(trial.promise, "kept" if trial.held else "NOT KEPT", trial.detail) for trial in trials]
        console.table(f"back end: {chosen}", ("promise", "", "what happened"), rows)
    if not kept:
        raise typer.Exit(1)


@group.command()
def run(
    source: Path = typer.Argument(help="A program's source file."),
    language: str = typer.Option("", help="By the file's extension if not given."),
    cpu: float = typer.Option(10.0, help="CPU seconds."),
    memory: int = typer.Option(1024, help="MiB over all its processes."),
    unsafe_local: bool = typer.Option(False, "--unsafe-local", help="Without isolation: only for programs you trust."),
    json: bool = typer.Option(False, "--json", help="What happened, as JSON, instead of the program's output."),
) -> None:
    """Compile and run one program in the sandbox, with the input that comes in on stdin. Ends with its exit code."""
    from viscodex.core.errors import UsageError
    from viscodex.sandbox.limits import MIB, Limits
    from viscodex.sandbox.profiles import language_of
    from viscodex.sandbox.programs import prepare

    try:
        code = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the program: {error}", where=str(source)) from error
    limits = Limits(cpu_s=cpu, memory=memory * MIB)
    program = prepare(language or language_of(source), code, limits, unsafe_local=unsafe_local)
    execution = program.run(b"" if sys.stdin.isatty() else sys.stdin.buffer.read())
    if json:
        shown = asdict(execution) | {"readiness": program.readiness, "version": program.toolchain.version}
        shown = {key: value for key, value in shown.items() if key not in ("artifacts", "channel")}
        decoded = {key: shown[key].decode(errors="replace") for key in ("stdout", "stderr")}
        console.result_json(shown | decoded)
    else:
        sys.stdout.write(execution.stdout.decode(errors="replace"))
        sys.stderr.write(execution.stderr.decode(errors="replace"))
        if not execution.ok:
            console.say(f"{program.readiness}, {execution.status}: exit code {execution.exit_code}")
    raise typer.Exit(0 if execution.ok else execution.exit_code or 1)


@group.command()
def languages(json: bool = typer.Option(False, "--json", help="As JSON.")) -> None:
    """List the languages that programs can be run in here, their versions, and what brings the missing ones."""
    from viscodex.sandbox.profiles import names
    from viscodex.sandbox.programs import toolchain

    found = {name: toolchain(name) for name in names()}
    if json:
        rows = {name: {"version": tools.version, "packages": tools.language.packages} for name, tools in found.items()}
        console.result_json(rows)
        return
    brings = {name: "" if tools.version else " ".join(tools.language.packages) for name, tools in found.items()}
    console.table(
        "",
        ("language", "version", "it comes with"),
        [(name, tools.version or "—", brings[name]) for name, tools in found.items()],
    )
