"""Inspect AI is heavy and optional: nothing of ours reaches for it but the file that Inspect itself loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

WATCH = """
import sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "inspect_ai":
            sys.exit("inspect_ai was imported")
sys.meta_path.insert(0, Watch())
"""


@pytest.mark.parametrize(
    "code",
    [
        "import viscodex",
        "import runpy; sys.argv = ['viscodex', '--help']; runpy.run_module('viscodex', run_name='__main__')",
        "import viscodex.eval.run, viscodex.eval.on_demand",
    ],
)
def test_inspect_is_not_imported(code):
    done = subprocess.run([sys.executable, "-c", WATCH + code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_watch_would_see_it():
    done = subprocess.run([sys.executable, "-c", WATCH + "import inspect_ai"], capture_output=True, text=True)
    assert "inspect_ai was imported" in done.stderr


def test_one_file_imports_it(repository):
    source = repository / "src" / "viscodex"
    users = [path.relative_to(source) for path in source.rglob("*.py") if "inspect_ai" in path.read_text()]
    assert [str(path) for path in users] == ["eval/inspect_tasks.py"]
