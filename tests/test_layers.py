"""The picture of docs/architecture.md, asserted over every import of the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CAPABILITIES = {"checkpoint", "model", "runner", "sandbox"}
JOBS = {"merge", "data", "train", "eval", "serve"}
EVERYTHING = {"core", "cli", "doctor", "demo", "pocket", "scorers", "ablate"} | CAPABILITIES | JOBS

# Room → the rooms it may import, beside itself. `version` is open to all.
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "checkpoint": {"core"},
    "runner": {"core"},
    "sandbox": {"core"},
    "model": {"core", "checkpoint"},
    **{job: {"core"} | CAPABILITIES for job in JOBS},
    "doctor": {"core"} | CAPABILITIES | JOBS,
    "pocket": EVERYTHING - {"cli"},
    "demo": EVERYTHING - {"cli"},
    "scorers": {"core"} | CAPABILITIES | JOBS,
    "ablate": {"core", "pocket"} | CAPABILITIES | JOBS,
    "cli": EVERYTHING,
    "__main__": {"cli"},
    "__init__": {"eval", "serve"},  # viscodex.load, .score: inside a function, so that importing viscodex stays light
    "version": set(),
}
WITHOUT_TORCH_AT_MODULE_LEVEL = {"core", "runner", "sandbox", "cli", "doctor"}
MAY_USE_TRANSFORMERS = {"model", "train"}

# Starting processes and driving a browser is the sandbox's work. Beside it:
MAY_START_PROCESSES = {
    "doctor/probe.py",  # asks nvidia-smi, the browser and bwrap for their versions
    "runner/server.py",  # a program that serves models (vLLM), in an environment of its own
    "runner/workers.py",  # the pool that our own code runs in
    "train/launch.py",  # torchrun, for the ranks of a training of ours
}
PROCESS_MODULES = {"subprocess", "multiprocessing", "pty", "playwright", "torch.multiprocessing"}
PROCESS_NAMES = {"concurrent.futures.ProcessPoolExecutor", "asyncio.create_subprocess_exec"}
PROCESS_NAMES |= {"asyncio.create_subprocess_shell", "concurrent.futures.process"}
PROCESS_CALLS_OF_OS = ("system", "popen", "fork", "forkpty", "posix_spawn", "spawn", "exec")


@dataclass(frozen=True)
class Use:
    """A name that a file imports, or an attribute of `os` that it reaches for."""

    name: str
    line: int
    is_at_module_level: bool
    is_for_types: bool


class _Reader(ast.NodeVisitor):
    def __init__(self, package: str) -> None:
        self.package = package.split(".")
        self.uses: list[Use] = []
        self._functions = 0
        self._typing = 0

    def _note(self, name: str, node: ast.AST) -> None:
        self.uses.append(Use(name, getattr(node, "lineno", 0), self._functions == 0, self._typing > 0))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._note(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = self.package[: len(self.package) - node.level + 1] if node.level else []
        module = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            self._note(f"{module}.{alias.name}", node)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func)
        if called in ("import_module", "importlib.import_module", "__import__") and isinstance(
            node.args[0], ast.Constant
        ):
            self._note(str(node.args[0].value), node)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in ("os", "asyncio"):
            self._note(f"{node.value.id}.{node.attr}", node)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        is_for_types = ast.unparse(node.test).endswith("TYPE_CHECKING")
        self._typing += is_for_types
        for child in node.body:
            self.visit(child)
        self._typing -= is_for_types
        for child in node.orelse:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._functions += 1
        self.generic_visit(node)
        self._functions -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815  # the name ast looks for


def uses_of(path: Path, source: Path) -> list[Use]:
    reader = _Reader(".".join(["viscodex", *path.relative_to(source).parent.parts]))
    reader.visit(ast.parse(path.read_text(encoding="utf-8")))
    return reader.uses


def violations(source: Path) -> list[str]:
    """Every import in `source` (a package folder) that the picture does not show."""
    found = []
    for path in sorted(source.rglob("*.py")):
        place = path.relative_to(source)
        room = place.parts[0].removesuffix(".py")
        if room not in MAY_IMPORT:
            found.append(f"{place}: {room} is a room that the picture does not show")
            continue
        for use in uses_of(path, source):
            found += [f"{place}:{use.line}: {problem}" for problem in _problems(use, room, place)]
    return found


def _problems(use: Use, room: str, place: Path) -> Iterator[str]:
    if is_below(use.name, "viscodex"):
        yield from _room_problems(use, room)
    if is_below(use.name, "transformers") and room not in MAY_USE_TRANSFORMERS:
        yield "transformers belongs to model and train"
    is_run_at_import = use.is_at_module_level and not use.is_for_types
    if is_below(use.name, "torch") and is_run_at_import and room in WITHOUT_TORCH_AT_MODULE_LEVEL:
        yield f"{room} must not import torch at module level"
    if starts_processes(use.name) and room != "sandbox" and place.as_posix() not in MAY_START_PROCESSES:
        yield f"{use.name} belongs to the sandbox"


def _room_problems(use: Use, room: str) -> Iterator[str]:
    parts = use.name.split(".")
    target = parts[1] if len(parts) > 1 else "__init__"
    if target in (room, "version", "__version__"):
        return
    if target not in MAY_IMPORT[room]:
        yield f"{room} must not import {target}"
    elif room in ("cli", "__init__") and target != "core" and use.is_at_module_level and not use.is_for_types:
        yield f"{room} imports {target} inside its functions, so that --help stays light"


def is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def starts_processes(name: str) -> bool:
    if any(is_below(name, module) for module in PROCESS_MODULES | PROCESS_NAMES):
        return True
    return name.startswith("os.") and name.removeprefix("os.").startswith(PROCESS_CALLS_OF_OS)


def test_the_source_keeps_to_the_picture(repository):
    assert violations(repository / "src" / "viscodex") == []


def test_exceptions_are_in_use(repository):
    """An exception that nothing needs any more is taken out of the list."""
    source = repository / "src" / "viscodex"
    for place in MAY_START_PROCESSES:
        if (source / place).exists():
            assert any(starts_processes(use.name) for use in uses_of(source / place, source)), place


@pytest.mark.parametrize(
    ("place", "code", "problem"),
    [
        ("merge/run.py", "from viscodex.train import loop", "merge must not import train"),
        ("merge/run.py", "def f():\n    import viscodex.eval.run", "merge must not import eval"),
        ("merge/run.py", "from ..serve import api", "merge must not import serve"),
        ("merge/run.py", "from importlib import import_module\nimport_module('viscodex.data')", "not import data"),
        ("core/recipe.py", "from viscodex.checkpoint import reader", "core must not import checkpoint"),
        ("core/recipe.py", "from viscodex import doctor", "core must not import doctor"),
        ("sandbox/box.py", "import viscodex.model.load", "sandbox must not import model"),
        ("checkpoint/reader.py", "from viscodex.model import tiny", "checkpoint must not import model"),
        ("model/load.py", "from viscodex.merge import plan", "model must not import merge"),
        ("cli/merge.py", "from viscodex.merge import run", "inside its functions"),
        ("merge/run.py", "def f():\n    from transformers import AutoModel", "transformers belongs"),
        ("core/sample.py", "import torch", "must not import torch at module level"),
        ("sandbox/box.py", "class A:\n    from torch import nn", "must not import torch at module level"),
        ("cli/merge.py", "if True:\n    import torch.nn", "must not import torch at module level"),
        ("eval/run.py", "import subprocess", "subprocess belongs to the sandbox"),
        ("eval/run.py", "from multiprocessing import Pool", "multiprocessing.Pool belongs to the sandbox"),
        ("eval/run.py", "from playwright.sync_api import sync_playwright", "belongs to the sandbox"),
        ("eval/run.py", "from concurrent.futures import ProcessPoolExecutor", "belongs to the sandbox"),
        ("eval/run.py", "import os\nos.system('ls')", "os.system belongs to the sandbox"),
        ("eval/run.py", "import os\ndef f():\n    return os.execvp('ls', [])", "os.execvp belongs to the sandbox"),
        ("eval/run.py", "from os import popen", "os.popen belongs to the sandbox"),
        ("__init__.py", "from viscodex.serve import library", "inside its functions"),
        ("__init__.py", "def f():\n    from viscodex.merge import run", "__init__ must not import merge"),
        ("kitchen/soup.py", "", "kitchen is a room that the picture does not show"),
    ],
)
def test_a_violation_is_caught(tmp_path, place, code, problem):
    write(tmp_path, place, code)
    (found,) = violations(tmp_path)
    assert found.startswith(place)
    assert problem in found


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("merge/run.py", "import torch\nfrom viscodex.checkpoint import reader\nfrom . import plan"),
        ("model/load.py", "import transformers\nfrom viscodex.checkpoint.layout import part"),
        ("cli/merge.py", "def f():\n    from viscodex.merge import run"),
        ("cli/merge.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from viscodex.merge.plan import P"),
        ("core/sample.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("runner/llm.py", "async def f():\n    import torch"),
        ("sandbox/box.py", "import os, subprocess\nos.fork()"),
        ("runner/workers.py", "import multiprocessing"),
        ("eval/run.py", "import os\nfrom viscodex import __version__\nos.environ['X']"),
        ("__init__.py", "from viscodex.version import __version__\ndef f():\n    from viscodex.serve import library"),
        ("demo.py", "from viscodex.merge import run\nfrom viscodex.eval import run"),
    ],
)
def test_what_the_picture_shows_is_accepted(tmp_path, place, code):
    write(tmp_path, place, code)
    assert violations(tmp_path) == []


def write(root: Path, place: str, code: str) -> None:
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_text(code)
