"""`viscodex pocket`: small models of the paper's kind, made from nothing on this machine."""

from __future__ import annotations

from pathlib import Path

import typer

from viscodex.core import console

group = typer.Typer(no_args_is_help=True, help="Pocket models: the whole experiment, small enough for a laptop.")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="pocket")


@group.command()
def build(
    out: Path = typer.Option(..., "--out", "-o", help="The build's folder; one that was begun goes on."),
    settings: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="budget=cpu, gpu, smoke, further; any key."
    ),
    only: list[str] = typer.Option([], "--only", metavar="STAGE", help="Only this stage (may be repeated)."),
    dry_run: bool = typer.Option(False, "--dry-run", help="List the stages that are not done, and stop."),
) -> None:
    """Make base, VLM and code model, merge them, fine-tune every arm, test, and report. It resumes where it stopped."""
    from viscodex.core.stages import pending
    from viscodex.pocket.build import Build
    from viscodex.pocket.recipe import load
    from viscodex.train.loop import Interrupted

    job = Build(out, load(settings))
    if dry_run:
        for name in pending(out, list(job.stages())):
            console.result(name)
        return
    try:
        done = job.run(tuple(only))
    except Interrupted:
        console.say(f"stopped; the same command goes on from here (--out {out})")
        raise typer.Exit(130) from None
    console.result(f"{len(done)} stages are done: {out}")


@group.command()
def report(
    out: Path = typer.Argument(metavar="BUILD", help="A build, finished or not."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="The settings it was begun with."),
    earlier: Path = typer.Option(None, "--with", help="pocket.json of the build whose models it began with."),
) -> None:
    """Write BUILD/results of the stages that are done: JSON, plots, gallery, page."""
    from viscodex.pocket.build import Build
    from viscodex.pocket.recipe import load

    console.result(str(Build(out, load(settings)).report(earlier)))


@group.command()
def weights(
    name: str = typer.Argument("viscodex-pocket", help="viscodex-pocket, vlm, code or base."),
) -> None:
    """Print the folder of a pocket model that came with viscodex."""
    from viscodex.pocket import weights as folder_of

    console.result(str(folder_of(name)))


@group.command()
def ship(
    folder: Path = typer.Argument(metavar="BUILD", help="A finished build."),
    out: Path = typer.Option(..., "--out", "-o", help="Where base/, vlm/, code/ and viscodex-pocket/ are written."),
    commit: str = typer.Option("", help="The commit of viscodex that the cards name."),
) -> None:
    """Write a build's models as they ship: bfloat16, with cards."""
    from viscodex.pocket.ship import ship_build

    size = ship_build(folder, out, commit or "unknown")
    console.result(f"{size / 1e6:,.1f} MB: {out}")
