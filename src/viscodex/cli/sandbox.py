"""`viscodex sandbox`: what this machine can hold, and what it can run."""

from __future__ import annotations

from dataclasses import asdict

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


@group.command("charts-setup")
def charts_setup(
    place: str = typer.Option("", metavar="FOLDER", help="Where to make it; where it will be looked for if not given."),
    anew: bool = typer.Option(False, "--anew", help="Make it even if it is there."),
    json: bool = typer.Option(False, "--json", help="As JSON."),
) -> None:
    """Make the environment that charts are run in: matplotlib 3.8.4 and what goes with it, apart from your own."""
    from pathlib import Path

    from viscodex.sandbox import chart_environment

    environment = chart_environment.make(Path(place).absolute() if place else None, anew=anew)
    if json:
        facts = {"path": str(environment.path), "hash": environment.hash, "python": environment.python_version}
        console.result_json(facts | {"packages": environment.packages})
    else:
        console.result(str(environment.path))
