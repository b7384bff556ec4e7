"""Real scripts of repositories, cut to what draws: the statements that plot, and whatever these need, nothing else.

A backward slice over the statements of the module. Functions and classes are kept or dropped whole; what changes a
needed value (`data.append(…)`, `axes.set_title(…)`, `x += 1`) is kept with it; prints and unused imports go.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field

from viscodex.data.chart.rules import FILE_METHODS
from viscodex.data.chart.source import PLOTTING, called, draws, imports, is_below, lines_of, parsed, root, without_lines

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SETTING = ("numpy", "random", "warnings", *PLOTTING)
"""Modules whose state a bare call may set: seeds, styles, warnings."""
SILENT = FILE_METHODS | frozenset(dir(builtins)) | {"info", "debug", "pprint"}
"""Calls that leave what they are given as it is, or write it where no chart sees it."""


@dataclass
class _Statement:
    """A statement of the module, as the slice sees it."""

    node: ast.stmt
    binds: set[str] = field(default_factory=set)
    uses: set[str] = field(default_factory=set)
    is_import: bool = False
    is_star: bool = False

    @property
    def is_definition(self) -> bool:
        return isinstance(self.node, DEFINITIONS)


def cut(code: str) -> str | None:
    """The part of a script that draws, as text; None when it imports no plotting library, or draws nothing."""
    tree = parsed(code)
    if tree is None or not draws(tree) or not any(is_below(module, PLOTTING) for module, _, _ in imports(tree)):
        return None
    statements = [_read(node) for node in tree.body]
    kept = _closed(statements, _drawing(statements))
    dropped = [statement for statement in statements if not any(statement is other for other in kept)]
    occupied = {line for statement in kept for line in lines_of(statement.node)}
    lines = {line for statement in dropped for line in lines_of(statement.node)} - occupied
    return without_lines(code, lines | _comments_above(code, dropped, lines))


def _read(node: ast.stmt) -> _Statement:
    found = _Statement(node)
    found.is_import = any(True for _ in imports(node)) and not isinstance(node, DEFINITIONS)
    if found.is_import:
        names = [name for _, name, _ in imports(node)]
        found.binds |= set(names)
        found.is_star = "*" in names or any(module.startswith("__future__") for module, _, _ in imports(node))
    if isinstance(node, DEFINITIONS):
        found.binds.add(node.name)
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            (found.uses if isinstance(part.ctx, ast.Load) else found.binds).add(part.id)
        elif isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store):
            found.binds.add(root(part))
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            found.binds |= _changed(part.value)
    return found


def _changed(call: ast.Call) -> set[str]:
    """The names that a call for its own sake may change: what it is a method of, and what it is given."""
    if called(call) in SILENT:
        return set()
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return {root(call)} | {value.id for value in given if isinstance(value, ast.Name)}


def _drawing(statements: list[_Statement]) -> list[_Statement]:
    """The statements that draw when the module runs, themselves or by what they call; without any, what could."""
    drawing = [statement for statement in statements if draws(statement.node)]
    names = {name for statement in drawing if statement.is_definition for name in statement.binds}
    while more := [s for s in statements if s.is_definition and s.uses & names and not s.binds <= names]:
        names |= {name for statement in more for name in statement.binds}
    running = [s for s in statements if not s.is_definition and not s.is_import and (draws(s.node) or s.uses & names)]
    return running or drawing


def _closed(statements: list[_Statement], seeds: list[_Statement]) -> list[_Statement]:
    """The seeds and all they need, in the module's order."""
    modules = {name: module for s in statements if s.is_import for module, name, _ in imports(s.node)}
    kept = {id(statement) for statement in seeds}
    kept |= {id(s) for s in statements if s.is_star or _sets_state(s.node, modules)}
    while True:
        needed = {name for s in statements if id(s) in kept for name in s.uses | s.binds}
        values = needed - modules.keys()
        more = {
            id(s)
            for s in statements
            if id(s) not in kept and s.binds & (needed if s.is_import or s.is_definition else values)
        }
        if not more:
            return [statement for statement in statements if id(statement) in kept]
        kept |= more


def _sets_state(node: ast.stmt, modules: dict[str, str]) -> bool:
    """Whether it is a bare call of, or an assignment into, a module that keeps state: `plt.style.use(…)`."""
    targets: list[ast.expr] = [node.value] if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else []
    if isinstance(node, ast.Assign):
        targets += [target for target in node.targets if isinstance(target, ast.Subscript | ast.Attribute)]
    return any(is_below(modules.get(root(target), ""), SETTING) for target in targets)


def _comments_above(code: str, dropped: list[_Statement], gone: set[int]) -> set[int]:
    """The lines of comments that stand right above what is dropped."""
    lines = ["", *code.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    found = set()
    for statement in dropped:
        number = lines_of(statement.node).start - 1
        while number > 0 and lines[number].lstrip().startswith("#") and lines_of(statement.node).start in gone:
            found.add(number)
            number -= 1
    return found
