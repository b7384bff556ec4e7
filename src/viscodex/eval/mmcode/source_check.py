"""Runs inside the box: compiles main.py without running it, and tells on descriptor 3 what it lacks.

In the box, because a program can also be made to keep a compiler busy or to crash it. Imports nothing of ours.
"""

import ast
import json
import os
from typing import Any

CHANNEL = 3
REFUSALS = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)


def missing_names(tree: ast.Module) -> list[str]:
    """Names that are read somewhere and given a value nowhere, built-in ones included."""
    read: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(name := getattr(node, "name", None), str):  # functions, classes, errors, patterns
            bound.add(name)
    return sorted(read - bound)


def place_of_imports(tree: ast.Module) -> int:
    """How many lines come before the place where imports may be added: a docstring and `from __future__` stay first.

    −1 where there is no such place.
    """
    end = 0
    for index, node in enumerate(tree.body):
        is_docstring = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_docstring or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            end = node.end_lineno or node.lineno
            continue
        decorators = [item.lineno for item in getattr(node, "decorator_list", [])]
        start = min([node.lineno, *decorators]) - 1
        return start if start >= end else -1
    return -1


def is_inert(tree: ast.Module) -> bool:
    """Whether nothing can come of it: values that nobody uses, as when a word of prose or JSON is parsed."""
    calls = any(isinstance(node, (ast.Call, ast.Await, ast.Yield)) for node in ast.walk(tree))
    return not calls and all(isinstance(node, ast.Expr) for node in tree.body)


def report(source: bytes) -> dict[str, Any]:
    """`error` where it does not compile; else the names it lacks, the place for their imports, whether it is inert."""
    try:
        compile(source, "main.py", "exec")
    except REFUSALS as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        return {"error": f"{type(error).__name__}: {getattr(error, 'msg', None) or error}{where}"[:300]}
    try:
        tree = ast.parse(source)
        return {"missing": missing_names(tree), "line": place_of_imports(tree), "inert": is_inert(tree)}
    except REFUSALS:  # a tree too deep for Python objects, though not for the compiler
        return {"missing": [], "line": -1, "inert": False}


def main() -> None:
    with open("main.py", "rb") as file:  # noqa: PTH123 (fewer imports: it runs for every answer)
        data = json.dumps(report(file.read())).encode()
    while data:
        data = data[os.write(CHANNEL, data) :]


if __name__ == "__main__":
    main()
