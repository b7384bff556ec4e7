"""What a contest's Python has at hand: names that a program uses without importing them."""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Iterable, Mapping
from functools import cache

MODULES = (
    *("sys", "math", "itertools", "collections", "heapq", "bisect", "functools", "re", "random", "fractions", "typing"),
    *("string", "operator", "copy", "time", "datetime", "decimal", "cmath", "statistics", "json", "os"),
)
SHORT = {"np": "import numpy as np", "numpy": "import numpy"}
STREAMS = {name: f"from sys import {name}" for name in ("stdin", "stdout", "stderr", "setrecursionlimit", "maxsize")}
OPENED = ("collections", "heapq", "bisect", "functools", "itertools", "math", "fractions", "typing", "random", "copy")
"""Modules whose names are also there by themselves (deque, heappush, List); the first that has a name gives it."""


@cache
def offered() -> Mapping[str, str]:
    """Name → the import that brings it. No built-in name is among them, so `pow` stays Python's."""
    found = SHORT | STREAMS | {name: f"import {name}" for name in MODULES}
    for module in OPENED:
        loaded = importlib.import_module(module)
        for name in getattr(loaded, "__all__", vars(loaded)):
            if not name.startswith("_") and not hasattr(builtins, name):
                found.setdefault(name, f"from {module} import {name}")
    return found


def preamble(missing: Iterable[str]) -> str:
    """Imports for the names that a program uses and gives no value to, in one line.

    Only those: numpy alone takes four times as long to import as an interpreter to start.
    """
    return "; ".join(offered()[name] for name in sorted(set(missing)) if name in offered())
