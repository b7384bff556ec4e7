"""A bench to break checkpoints on: a tiny trio of one's own, ways to damage it, and a merge that must be refused."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from viscodex.cli import main
from viscodex.merge.plan import MergePlan, plan_merge
from viscodex.merge.recipe import MergeRecipe

INDEX = "model.safetensors.index.json"
ROLES = ("vlm", "code", "base")
Snapshot = dict[str, str]


def snapshot(folder: Path) -> Snapshot:
    """Every path below a folder with its kind, mode and content; nothing is opened that could block."""
    found: Snapshot = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = ""
        if stat.S_ISREG(status.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.is_symlink():
            content = str(path.readlink())
        found[str(path.relative_to(folder))] = f"{stat.filemode(status.st_mode)} {content}"
    return found


@dataclass
class Bench:
    """A trio in `folder`, the output beside it, and what `merge` is called with."""

    folder: Path
    recipe: str = "task-arithmetic"
    settings: dict[str, str] = field(default_factory=dict)
    more: list[str] = field(default_factory=list)
    use: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.vlm, self.code, self.base = (self.folder / role for role in ROLES)
        self.out = self.folder / "out"

    # ---- ways to break it

    def json(self, file: str, change: Callable[[Any], Any]) -> None:
        """Rewrite a JSON file: `change` edits the value, or gives another."""
        value = json.loads((self.folder / file).read_text())
        other = change(value)
        (self.folder / file).write_text(json.dumps(value if other is None else other))

    def config(self, role: str, **changes: Any) -> None:
        """Set entries of config.json; `...` removes one."""
        self.json(f"{role}/config.json", lambda c: {k: v for k, v in (c | changes).items() if v is not ...})

    def index(self, role: str, change: Callable[[dict[str, Any]], Any]) -> None:
        self.json(f"{role}/{INDEX}", lambda index: change(index["weight_map"]) and None)

    def tensors(self, role: str, change: Callable[[dict[str, Any]], Any]) -> None:
        """Rewrite a model as one file, its tensors changed on the way."""
        folder, held = self.folder / role, {}
        for shard in sorted(folder.glob("*.safetensors")):
            held |= load_file(shard)
            shard.unlink()
        (folder / INDEX).unlink(missing_ok=True)
        change(held)
        save_file(held, folder / "model.safetensors", metadata={"format": "pt"})

    def shard(self, role: str, number: int = 1) -> Path:
        return self.folder / role / f"model-0000{number}-of-00002.safetensors"

    def header(self, role: str, change: Callable[[dict[str, Any]], Any], number: int = 1) -> None:
        """Rewrite the header of a shard and leave its data; `change` edits it, or gives bytes instead."""
        path = self.shard(role, number)
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        other = change(header)
        text = other if isinstance(other, bytes) else json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])

    # ---- the merge

    def arguments(self) -> list[str]:
        named = {"vlm": str(self.vlm), "code": str(self.code)} | self.settings
        return [
            *("merge", self.recipe, "--out", str(self.out), "--threads", "2"),
            *(word for key, value in named.items() for word in ("--set", f"{key}={value}")),
            *self.more,
        ]


@dataclass(frozen=True)
class Ended:
    """How the command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def bench(tiny, tmp_path) -> Iterator[Bench]:
    """A good trio in two shards each."""
    folder = Path(shutil.copytree(tiny().vlm.parent, tmp_path / "trio"))
    yield Bench(folder)
    for path in [folder, *folder.rglob("*")]:  # so that pytest can clear it away
        if not path.is_symlink() and path.is_dir():
            path.chmod(0o755)


@pytest.fixture
def cli(capsys) -> Callable[[list[str]], Ended]:
    """Run the command line in this process."""

    def call(arguments: list[str]) -> Ended:
        capsys.readouterr()
        code = 0
        try:
            main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        return Ended(code, *capsys.readouterr())

    return call


@pytest.fixture
def refused(bench, cli) -> Callable[..., str]:
    """Merge, insist on being refused properly, and give the error text."""

    def check(arguments: list[str] | None = None, code: int | None = None) -> str:
        before, open_before = snapshot(bench.folder), open_files(bench.folder)
        ended = cli(arguments or bench.arguments())
        assert ended.code in ((1, 2) if code is None else (code,)), ended
        assert ended.out == ""
        check_page(ended.err)
        assert snapshot(bench.folder) == before, "something was written, or an input changed"
        assert open_files(bench.folder) == open_before, "a file was left open"
        return ended.err

    return check


def open_files(folder: Path) -> list[str]:
    """The files below `folder` that this process still holds open (a count of all would take other tests' into it)."""
    held = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the listing itself
            held.append(link.readlink())
    return [str(path) for path in held if path.is_relative_to(folder.resolve())]


def check_page(text: str) -> None:
    """An error is a small page: short, no traceback, nothing unprintable."""
    lines = text.splitlines()
    assert lines
    assert len(lines) <= 12
    assert len(text) <= 2500
    for word in ("Traceback", "Error:", 'File "', "Warning"):
        assert word not in text
    assert all(line.isprintable() for line in lines), text


def plan_of(bench: Bench, **settings: Any) -> MergePlan:
    """The plan that `bench.arguments()` makes."""
    values = {"vlm": str(bench.vlm), "code": str(bench.code), "method": "task_arithmetic", "lambda": 0.7}
    return plan_merge(MergeRecipe.parse(values | {"name": "task-arithmetic"} | settings, where="test"), None)


def start(arguments: list[str], prepare: Callable[[], object], log: Path) -> int:
    """Run the command line in a child process, after `prepare` has taken something away from it; gives its id."""
    log.touch()
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        sys.stderr = sys.stdout = log.open("w")
        prepare()
        main(arguments)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 (the parent reads it)
        traceback.print_exc(file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(child: int, log: Path) -> Ended:
    """Wait for a child of `start`."""
    _, status = os.waitpid(child, 0)
    return Ended(os.waitstatus_to_exitcode(status), "", log.read_text())


@pytest.fixture
def forked(tmp_path: Path) -> Callable[..., Ended]:
    """Run the command line in a child process from which `prepare` takes something away."""

    def run(arguments: list[str], prepare: Callable[[], object]) -> Ended:
        log = tmp_path / "log"
        return ended(start(arguments, prepare, log), log)

    return run
