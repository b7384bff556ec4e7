"""The command line: `viscodex VERB`. Jobs are imported inside the command functions, so `--help` stays light."""

from __future__ import annotations

import os
import sys

import typer

from viscodex.cli import doctor, generate, merge, recipes, sandbox, tiny
from viscodex.core import console
from viscodex.core.errors import VisCodexError
from viscodex.version import __version__

app = typer.Typer(
    name="viscodex",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Picture in, program out: merge a code LLM into a vision-language model, build data, train, measure, use.",
    epilog="--quiet and --debug may stand anywhere. Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.result(f"viscodex {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Print the version."),
    quiet: bool = typer.Option(False, "--quiet", help="No progress and no remarks on stderr."),
    debug: bool = typer.Option(False, "--debug", help="Show a traceback when something fails."),
) -> None:
    console.configure(quiet=quiet or console.settings.quiet, debug=debug or console.settings.debug)


merge.register(app)
generate.register(app)
tiny.register(app)
recipes.register(app)
sandbox.register(app)
doctor.register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    own = words[: words.index("--")] if "--" in words else words
    console.configure(quiet="--quiet" in own, debug="--debug" in own)
    words = [w for w in own if w not in ("--quiet", "--debug")] + words[len(own) :]
    try:
        app(args=words, prog_name="viscodex")
    except VisCodexError as error:
        if console.settings.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        command = " ".join(["viscodex", *words])
        print(f"\ninterrupted; to continue: {command}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away: no noise at exit
        sys.exit(1)
