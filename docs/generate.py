"""Write what the code says (docs/cli.md, docs/recipes.md, docs/deviations.md) and what was measured: make docs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from viscodex.cli import app
from viscodex.cli.recipes import CLASSES, recipe_class
from viscodex.core.recipe import packaged, recipe_name
from viscodex.core.reference import keys_of
from viscodex.core.rundir import read_json
from viscodex.eval.benchmark import NAMES, benchmark
from viscodex.pocket.recipe import POCKET
from viscodex.pocket.report import HEADS, TITLES, cell
from viscodex.pocket.report import page as results_page

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
TABLE = ("<!-- results: written by `make docs` -->\n", "<!-- end of results -->\n")
MARK = "<!-- Written by `make docs`; changes made here are lost. -->"


def pages() -> dict[Path, str]:
    """Every generated page and what it should hold."""
    found = read_json(DOCS / "results" / "pocket.json")
    return {
        README: with_results(README.read_text(encoding="utf-8"), found),
        DOCS / "cli.md": _page(cli_lines()),
        DOCS / "recipes.md": _page(recipe_lines()),
        DOCS / "deviations.md": _page(deviation_lines()),
        DOCS / "results.md": results_page(found, "images/pocket/"),
    }


def with_results(readme: str, found: Mapping[str, Any]) -> str:
    """The README with the pocket models' scores between the marks of `TABLE`."""
    before, rest = readme.split(TABLE[0])
    after = rest.split(TABLE[1])[1]
    return "\n".join([f"{before}{TABLE[0]}", *result_lines(found), "", f"{TABLE[1]}{after}"])


def result_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What ships, what it was made of and no answer, with intervals; then the ablation's arms, means over seeds."""
    tests = [(name, found["tests"][name]) for name in (POCKET, "vlm", "code", "blank") if name in found["tests"]]
    rows = [[TITLES[name], *(cell(row.get(test)) for test in HEADS)] for name, row in tests]
    for arm, row in found["ablation"]["arms"].items():
        rows.append([f"{TITLES[arm]}, {len(row['seeds'])} seeds", *(f"{row['columns'][test]:.1f}" for test in HEADS)])
    yield from table(("answers by", *HEADS.values()), rows)


def cli_lines() -> Iterator[str]:
    root = typer.main.get_command(app)
    yield from ("# Command line", "", MARK, "")
    yield from _command(root, "viscodex")


def recipe_lines() -> Iterator[str]:
    yield from ("# Recipes", "", MARK, "")
    yield "A recipe is a TOML file: a packaged one by name, your own by path. Unknown keys are refused."
    for job in CLASSES:
        files = list(packaged(job))
        if files:
            yield from ("", f"## {job}", "")
            yield from table(
                ("key", "type", "default", "meaning"), [_literal(*key) for key in keys_of(recipe_class(job))]
            )
        for path in files:
            yield from ("", f"### {recipe_name(path)}", "", "```toml")
            yield from path.read_text(encoding="utf-8").removeprefix("\n").splitlines()
            yield "```"


def deviation_lines() -> Iterator[str]:
    yield from ("# Two protocols", "", MARK, "")
    yield "Where `fixed`, our default, differs from the published evaluator, which `paper` follows bug for bug."
    for name in NAMES:
        found = benchmark(name)
        yield from ("", f"## {found.title}", "")
        yield from table(("", "paper", "fixed"), [(d.id, d.paper, d.fixed) for d in found.deviations])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table; a bar inside a cell is escaped."""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _literal(key: str, words: str, default: str, meaning: str) -> tuple[str, ...]:
    return f"`{key}`", words, default if default in ("required", "not set") else f"`{default}`", meaning


def _command(command: Any, name: str) -> Iterator[str]:
    """A verb and, below it, its own verbs."""
    context = typer.Context(command, info_name=name)
    yield f"{'#' * (name.count(' ') + 2)} {name}"
    yield from ("", *(command.help or "").strip().splitlines(), "")
    yield from ("```", " ".join(command.get_usage(context).split()).removeprefix("Usage: "), "```", "")
    records = [param.get_help_record(context) for param in command.params if not getattr(param, "hidden", False)]
    rows = [(f"`{left}`", right) for left, right in filter(None, records)]
    yield from table(("argument or option", ""), rows) if rows else ()
    if command.epilog:
        yield from ("", command.epilog)
    for verb, below in sorted(getattr(command, "commands", {}).items()):
        yield ""
        yield from _command(below, f"{name} {verb}")


def _page(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
