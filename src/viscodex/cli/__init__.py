"""The command line: `viscodex VERB`. Jobs are imported inside the command functions, so `--help` stays light."""

from __future__ import annotations

import atexit
import gc
import io
import os
import shlex
import sys
import traceback
from types import TracebackType
from typing import NoReturn

import typer

from viscodex.cli import (
    ablate,
    bench_serve,
    compare,
    data,
    demo,
    doctor,
    eval,
    generate,
    merge,
    pocket,
    recipes,
    refine,
    sandbox,
    serve,
    tiny,
    train,
)
from viscodex.core import console
from viscodex.core.errors import VisCodexError
from viscodex.version import __version__

INTERRUPTED = 130
OBJECTS_BETWEEN_COLLECTIONS = 50_000  # Python's 700 has the collector go through every import: 70 ms

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
data.register(app)
train.register(app)
eval.register(app)
compare.register(app)
ablate.register(app)
generate.register(app)
refine.register(app)
serve.register(app)
bench_serve.register(app)
pocket.register(app)
tiny.register(app)
recipes.register(app)
sandbox.register(app)
doctor.register(app)
demo.register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    start_lightly()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a λ in an ASCII locale, half a surrogate pair from a model
    words = list(sys.argv[1:] if arguments is None else arguments)
    own = words[: words.index("--")] if "--" in words else words
    console.configure(quiet="--quiet" in own, debug="--debug" in own)
    words = [w for w in own if w not in ("--quiet", "--debug")] + words[len(own) :]
    if not console.settings.debug:
        sys.excepthook = _explain_a_fault
    try:
        typer.main.get_command(app)(args=words, prog_name="viscodex")  # app() would install its own excepthook
    except VisCodexError as error:
        _fail(error, str(error), error.exit_code)
    except OSError as error:  # a full disk, a missing right: the user's to mend, and the system says it well
        where = f"\n  where: {error.filename}" if error.filename else ""
        _fail(error, f"{error.strerror or error}{where}", 1)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer has turned the KeyboardInterrupt into an exit code
            print(f"\ninterrupted; to continue: {shlex.join(['viscodex', *words])}", file=sys.stderr)
        raise


def start_lightly() -> None:
    """Half the CPU time of a command that reads headers is Python's own house-keeping; this does without most of it.

    To be called before numpy and pydantic are imported. Measured on `merge --dry-run`, 0.5 s of CPU before.
    """
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(gc.freeze)  # else the last collections, at exit, go through everything again: 90 ms
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads spin while they wait: 90 ms
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for them opens every package: 20 ms


def _fail(error: Exception, page: str, exit_code: int) -> NoReturn:
    if console.settings.debug:
        raise error
    print(f"error: {page}", file=sys.stderr)
    sys.exit(exit_code)


def _explain_a_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What a user sees of an exception nobody foresaw; it is our fault, so say where it came from."""
    last = traceback.extract_tb(trace)[-1] if trace else None
    where = f"\n  where: {last.filename}:{last.lineno}, in {last.name}" if last else ""
    print(
        f"error: a fault in viscodex: {kind.__name__}: {error}{where}"
        "\n  try:   the same command with --debug, and report what it prints",
        file=sys.stderr,
    )
