"""What the documents say can be typed can be typed, and every link leads somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from viscodex.cli import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^(?P<run><!-- run -->\n)?```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
VERBS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
# A verb whose module stands in cli/ but registers nothing yet.
STUBS = {path.stem.replace("_", "-") for path in (ROOT / "src/viscodex/cli").glob("[a-z]*.py")} - VERBS

every_page = pytest.mark.parametrize("page", PAGES, ids=[path.name for path in PAGES])


def prompts(body: str) -> Iterator[str]:
    """The commands of a console block: lines after `$ `, joined where they end in a backslash."""
    for line in body.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            yield line.removeprefix("$ ")


def mentions(text: str) -> Iterator[list[str]]:
    """Every `viscodex …` command on a page, as words: in console blocks and in code spans."""
    blocks = [match["body"] for match in BLOCK.finditer(text) if match["language"] == "console"]
    spans = re.findall(r"`(viscodex [^`]*)`", BLOCK.sub("", text))
    for command in [*(line for body in blocks for line in prompts(body)), *spans]:
        for part in re.split(r"&&|;|\|(?! ?\w+\])|>", re.sub(r"[\[\]…]", " ", command)):
            words = shlex.split(part, comments=True)
            if words[:1] == ["viscodex"]:
                yield words[1:]


def verb(words: list[str]) -> str:
    return next((word for word in words if not word.startswith("-")), "")


@every_page
def test_commands_are_spelt_as_the_command_line_spells_them(page):
    runner = CliRunner(env={"COLUMNS": "200"})
    waiting = set()
    for words in mentions(page.read_text(encoding="utf-8")):
        if verb(words) in STUBS:
            waiting.add(verb(words))
            continue
        cut = words.index("--") if "--" in words else len(words)
        done = runner.invoke(app, [w for w in words[:cut] if w not in ("--quiet", "--debug")] + ["--help"])
        assert done.exit_code == 0, f"viscodex {shlex.join(words)}\n{done.output}"
    if waiting:
        pytest.skip(f"not written yet: {', '.join(sorted(waiting))}")


def runnable() -> list:
    found = []
    for page in PAGES:
        for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
            if match["run"]:
                found.append(pytest.param(match["body"], id=f"{page.stem}-{len(found)}"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("body", runnable())
def test_marked_blocks_run(body, tmp_path):
    """In an empty folder, as they stand, one after another."""
    commands = list(prompts(body))
    waiting = {verb(shlex.split(command)[1:]) for command in commands} & STUBS
    if waiting:
        pytest.skip(f"not written yet: {', '.join(sorted(waiting))}")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands:
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stderr}"


@every_page
def test_relative_links_resolve(page):
    text = re.sub(r"<!--.*?-->|`[^`\n]+`", "", BLOCK.sub("", page.read_text(encoding="utf-8")), flags=re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []


@every_page
def test_no_path_of_one_machine(page):
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.~}/])/(?:home|root|Users|work|tmp|mnt|opt)/\S+", text) == []


@every_page
def test_make_targets_exist(page):
    text = page.read_text(encoding="utf-8")
    code = "\n".join(
        [*(match["body"] for match in BLOCK.finditer(text)), *re.findall(r"`([^`]*)`", BLOCK.sub("", text))]
    )
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][a-z-]+)", code)) <= targets


def test_the_table_of_verbs_is_complete_and_honest():
    rows = re.findall(r"^\| `?(?:viscodex )?([\w-]+)`? \|.*\| (works|to come) \|$", PAGES[0].read_text(), re.MULTILINE)
    claimed = {name for name, state in rows if state == "works"}
    assert claimed - STUBS <= VERBS
    assert claimed >= VERBS
    assert not VERBS & {name for name, state in rows if state == "to come"}


def test_the_console_lines_of_a_block_are_found():
    text = "See `viscodex recipes show NAME`.\n\n```console\n$ viscodex doctor --json  # all\nready\n$ make test\n```\n"
    assert list(mentions(text)) == [["recipes", "show", "NAME"], ["doctor", "--json"]][::-1]
