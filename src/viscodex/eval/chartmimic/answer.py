"""From an answer to the script that is run, under either protocol; and from a reference to what is run of it.

paper   the first closed ```` ```python ```` block; everything from its first `plt.savefig(` to the end is cut off, then
        everything from the first `plt.show(`
fixed   the longest Python block, however it is fenced; only the calls that save or show are taken out, and those at the
        end that clear what has been drawn

A customized task brings new data: there the reference's data part is put before the answer, after a block of imports.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Rules
from viscodex.model.extract import extract, normalised

PYTHON_BLOCK = re.compile(r"```python(.*?)```", re.DOTALL)
FROM_SAVE = re.compile(r"plt\.savefig\(.*", re.DOTALL)
FROM_SHOW = re.compile(r"plt.show\(.*", re.DOTALL)  # any character after plt, as published
DATA_PART = re.compile(
    r"# =+\n# Part 2: Data Preparation\n# =+\n(.*?)# =+\n# Part 3: Plot Configuration and Rendering\n# =+", re.DOTALL
)
IMPORTS = """\
import colorsys
import math
import warnings
import matplotlib.colors as mcolors
import matplotlib.gridspec as gridspec
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import cm
from matplotlib.colors import LogNorm
from matplotlib.gridspec import GridSpec
from matplotlib_venn import venn2
from scipy.stats import gaussian_kde, multivariate_normal, norm
np.random.seed(0)
warnings.filterwarnings("ignore", category=UserWarning)
warnings.filterwarnings("ignore", category=FutureWarning)
"""
"""What the data part of a customized task may rely on: the names that the published evaluator brings in."""

CLEARING = ("clf", "cla", "clear")
Unparsable = (SyntaxError, ValueError, RecursionError, MemoryError)


def script(sample: Sample, answer: str, protocol: Rules) -> str:
    """What is run of an answer; "" when there is no code in it."""
    code = _published_block(answer) if protocol == "paper" else extract(answer, "chart")
    if not code.strip():
        return ""
    if sample.checks.get("task") == "customized":
        code = f"{IMPORTS}{data_part(reference_code(sample))}\n{code}"
    return cut(code) if protocol == "paper" else without_output(code)


def reference_code(sample: Sample) -> str:
    """The reference script as it was published."""
    return extract(sample.response, "chart")


def data_part(code: str) -> str:
    """The part of a reference script that holds its data; "" when it is not marked."""
    found = DATA_PART.search(code)
    return found.group(1).strip() if found else ""


def cut(code: str) -> str:
    """Without everything from the first save, and without everything from the first show."""
    return FROM_SHOW.sub("", FROM_SAVE.sub("", code)).strip()


def without_output(code: str) -> str:
    """Without the statements `plt.savefig(…)` and `plt.show(…)`, wherever they are; code that is no Python stays.

    And without those that clear the figure when all is done: it was saved before, as far as the script knows.
    """
    tree = parsed(code)
    if tree is None:
        return code
    names = _names_of_pyplot(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and _is_output(node.value, names)]
    calls += [node for body in _endings(tree) for node in _last_clearings(body, names)]
    lines = code.encode().split(b"\n")
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        first, last = call.lineno - 1, (call.end_lineno or call.lineno) - 1
        tail = lines[last][call.end_col_offset :]
        lines[first : last + 1] = [lines[first][: call.col_offset] + b"pass" + tail]
    return b"\n".join(lines).decode()


def as_published(code: str) -> str:
    """What the published evaluator runs to see what is drawn: the script inside a block, indented by four spaces.

    That changes texts which are written over several lines; where there is none, the script itself comes back.
    """
    indented = "if True:\n    " + code.replace("\n", "\n    ")
    tree, block = parsed(code), parsed(indented)
    if tree is None or block is None or not block.body or not isinstance(block.body[0], ast.If):
        return code
    return code if _drawn(tree.body) == _drawn(block.body[0].body) else indented


def is_same_program(one: str, other: str) -> bool:
    """Whether two scripts do the same, comments, blank lines and `pass` at the end apart."""
    if one == other:
        return True
    trees = parsed(one), parsed(other)
    if trees[0] is None or trees[1] is None:
        return False
    return _dump(_without_last_pass(trees[0].body)) == _dump(_without_last_pass(trees[1].body))


def parsed(code: str) -> ast.Module | None:
    """The syntax tree, or None where there is none."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(code)
    except Unparsable:
        return None


def _published_block(answer: str) -> str:
    found = PYTHON_BLOCK.search(normalised(answer))
    return found.group(1) if found else ""


def _names_of_pyplot(tree: ast.Module) -> set[str]:
    names = {"plt", "pyplot"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname for alias in node.names if alias.name == "matplotlib.pyplot" and alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module == "matplotlib":
            names |= {alias.asname or alias.name for alias in node.names if alias.name == "pyplot"}
    return names


def _is_output(node: ast.expr, pyplot: set[str]) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in ("savefig", "show") and ast.unparse(node.func.value) in {*pyplot, "matplotlib.pyplot"}


def _endings(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """Where a script ends: its last lines, those under its last `if`, those of `main`."""
    yield tree.body
    if tree.body and isinstance(tree.body[-1], ast.If):
        yield tree.body[-1].body
    yield from (node.body for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")


def _last_clearings(body: list[ast.stmt], pyplot: set[str]) -> Iterator[ast.Expr]:
    """`plt.clf()`, `fig.clear()` and the like, with nothing after them that draws."""
    for node in reversed(body):
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(node, ast.Expr) and _method(call) in CLEARING and not (isinstance(call, ast.Call) and call.args):
            yield node
        elif not isinstance(node, ast.Pass | ast.Delete) and not _is_harmless(call, pyplot):
            return


def _is_harmless(call: ast.expr | None, pyplot: set[str]) -> bool:
    if call is None:
        return False
    is_print = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"
    return is_print or _is_output(call, pyplot) or _method(call) in ("close", "collect")


def _method(call: ast.expr | None) -> str:
    """The name of a method that is called on a name; "" for anything else."""
    is_call = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    return call.func.attr if is_call and isinstance(call.func.value, ast.Name) else ""  # type: ignore[union-attr]


def _drawn(body: list[ast.stmt]) -> str | None:
    """The statements without those that are only a text, such as docstrings."""
    for node in body:
        for inner in ast.walk(node):
            for statements in (getattr(inner, name, None) for name in ("body", "orelse", "finalbody")):
                if isinstance(statements, list):
                    statements[:] = [one for one in statements if not _is_text(one)]
    return _dump([node for node in body if not _is_text(node)])


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _without_last_pass(body: list[ast.stmt]) -> list[ast.stmt]:
    while body and isinstance(body[-1], ast.Pass):
        body = body[:-1]
    return body


def _dump(body: list[ast.stmt]) -> str | None:
    try:
        return "\n".join(ast.dump(node) for node in body)
    except RecursionError:
        return None
