"""One task: a picture, what is asked about it, and the script that draws it."""

from __future__ import annotations

import ast
from functools import lru_cache
from importlib import resources
from typing import Any, Literal

from viscodex.core.sample import Image, Sample, Source
from viscodex.eval.chartmimic.answer import data_part, parsed
from viscodex.model.prompts import default_prompt

Task = Literal["direct", "customized"]
DEFAULT_SIZE = (6.4, 4.8)
PUBLISHED = Source(url="https://huggingface.co/datasets/ChartMimic/ChartMimic", licence="Apache-2.0")


def sample(
    name: str, code: str, picture: Image, *, task: Task = "direct", instruction: str = "", source: Source = PUBLISHED
) -> Sample:
    """A sample; `instruction` takes the place of our own prompt. The category is the name up to its number."""
    width, height = figure_size(code)
    checks: dict[str, Any] = {"task": task, "category": name.rpartition("_")[0] or name, "figsize": [width, height]}
    prompt = instruction or _prompt(task, code, width, height)
    response = f"```python\n{code.strip()}\n```"
    return Sample(id=name, kind="chart", prompt=(picture, prompt), response=response, checks=checks, source=source)


def figure_size(code: str) -> tuple[float, float]:
    """Inches: the last `figsize=(W, H)` or `set_size_inches(W, H)` written out in a script, else matplotlib's own."""
    tree = parsed(code)
    found = [size for node in ast.walk(tree) if (size := _size(node))] if tree else []
    return found[-1] if found else DEFAULT_SIZE


@lru_cache
def template(task: Task) -> str:
    """The packaged words, without their version."""
    file = resources.files("viscodex.eval.chartmimic").joinpath("templates", f"{task}.txt")
    return file.read_text(encoding="utf-8").partition("\n")[2].strip()


def _prompt(task: Task, code: str, width: float, height: float) -> str:
    words = {"task": default_prompt("chart").text, "data": data_part(code)}
    return template(task).format(width=width, height=height, **words)


def _size(node: ast.AST) -> tuple[float, float] | None:
    """What a call or a keyword says."""
    if isinstance(node, ast.keyword) and node.arg == "figsize":
        return _pair(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "set_size_inches":
        given: list[ast.expr] = node.args[:2]
        return _pair(given[0] if len(given) == 1 else ast.Tuple(elts=given, ctx=ast.Load()))
    return None


def _pair(node: ast.AST | None) -> tuple[float, float] | None:
    try:
        width, height = map(float, ast.literal_eval(node))  # type: ignore[arg-type]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return (width, height) if 0 < width < 1000 and 0 < height < 1000 else None
