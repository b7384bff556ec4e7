"""`viscodex sandbox`: where untrusted programs, charts and pages run."""

from __future__ import annotations

from pathlib import Path

import typer

from viscodex.core import console

sandbox = typer.Typer(name="sandbox", no_args_is_help=True, help="Where untrusted programs, charts and pages run.")


def register(app: typer.Typer) -> None:
    app.add_typer(sandbox)


@sandbox.command("charts-setup")
def charts_setup(
    place: Path = typer.Option(None, "--place", help="Folder to make; the default is where it will be looked for."),
    anew: bool = typer.Option(False, "--anew", help="Make it even if it is there."),
    as_json: bool = typer.Option(False, "--json", help="Print the environment as JSON."),
) -> None:
    """Make the environment that charts are run in: matplotlib 3.8.4 and what goes with it, apart from your own."""
    from viscodex.sandbox import chart_environment

    environment = chart_environment.make(place, anew=anew)
    if as_json:
        facts = {"path": str(environment.path), "hash": environment.hash, "python": environment.python_version}
        console.result_json(facts | {"packages": environment.packages})
    else:
        console.result(str(environment.path))
