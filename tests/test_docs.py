"""Generated pages say what the code says today."""

from __future__ import annotations

import importlib.util
import json
import sys
from types import ModuleType

import pytest


def script(path) -> ModuleType:
    """Import a script by its path; scripts are in no package."""
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name", ["README.md", "docs/cli.md", "docs/deviations.md", "docs/recipes.md", "docs/results.md"]
)
def test_generated_pages_are_up_to_date(repository, name):
    page = repository / name
    assert page.read_text(encoding="utf-8") == script(repository / "docs" / "generate.py").pages()[page], (
        "run: make docs"
    )


def test_measured_numbers_are_up_to_date(repository):
    page = (repository / "docs" / "performance.md").read_text(encoding="utf-8")
    assert script(repository / "benchmarks" / "render.py").rendered(page) == page, "run: make docs"


def test_results_become_tables(repository, tmp_path):
    rows = [{"what": "a|b", "ms": 1234, "x": 0.12345}, {"what": "c", "ms": 5}]
    result = {"title": "Speed", "machine": "2 cores", "rows": rows, "notes": "Warm."}
    (tmp_path / "speed.json").write_text(json.dumps(result))
    render = script(repository / "benchmarks" / "render.py")
    page = render.rendered(f"before\n{render.BEGIN}\nold\n{render.END}\nafter\n", tmp_path)
    assert page.splitlines() == [
        "before",
        render.BEGIN,
        "",
        "## Speed",
        "",
        "| what | ms | x |",
        "|---|---:|---:|",
        "| a\\|b | 1,234 | 0.123 |",
        "| c | 5 | — |",
        "",
        "Warm.",
        "",
        "*2 cores*",
        "",
        render.END,
        "after",
    ]
    assert render.rendered(page, tmp_path) == page


def test_every_benchmark_has_a_committed_result(repository):
    scripts = {path.stem for path in (repository / "benchmarks").glob("*.py")} - {"measure", "result", "render"}
    results = {path.stem for path in (repository / "benchmarks" / "results").glob("*.json")}
    assert scripts <= results
