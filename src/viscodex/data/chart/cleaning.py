"""Scripts tidied without a model: no saving, closing or choosing of windows, no documentation in the way, one show.

Only whole lines go; everything else stays as its author wrote it.
"""

from __future__ import annotations

import ast
import re

from viscodex.data.chart.source import called, lines_of, parsed, pyplot_name, root, without_lines

ENDINGS = frozenset({"savefig", "show", "close", "ion", "ioff", "switch_backend", "use"})
CELL = re.compile(r"#\s*%%|#{20,}\s*$|# ?-{20,}")
BODIES = ("body", "orelse", "finalbody")


def clean(code: str) -> str:
    """The script without what only saves, shows or describes it, and with `plt.show()` as its last line."""
    tree = parsed(code)
    if tree is None:
        return code
    name = pyplot_name(tree)
    last = tree.body[-1] if tree.body and name and ast.unparse(tree.body[-1]) == f"{name}.show()" else None
    dropped: set[int] = set()
    replaced: dict[int, str] = {}
    _drop_endings(tree, dropped, replaced, last)
    if tree.body and _is_text(tree.body[0]):
        dropped |= set(lines_of(tree.body[0])) - _occupied(tree.body[1:])
    dropped |= _prose(code, tree)
    code = without_lines(code, dropped, replaced)
    return code if last is not None or not name else f"{code}\n{name}.show()\n"


def _drop_endings(tree: ast.AST, dropped: set[int], replaced: dict[int, str], last: ast.stmt | None) -> None:
    """Take out the statements that save, show or close, but for the `last`; an empty block gets a `pass`."""
    for node in ast.walk(tree):
        for name in BODIES:
            body = getattr(node, name, None)
            if not isinstance(body, list) or not body or not isinstance(body[0], ast.stmt):
                continue
            gone = [statement for statement in body if _is_ending(statement) and statement is not last]
            occupied = _occupied([statement for statement in body if statement not in gone]) | _head(node, body)
            gone = [statement for statement in gone if not occupied & set(lines_of(statement))]
            dropped |= {line for statement in gone for line in lines_of(statement)}
            if len(gone) == len(body) and not isinstance(node, ast.Module):
                replaced[gone[0].lineno] = " " * gone[0].col_offset + "pass"


def _head(node: ast.AST, body: list[ast.stmt]) -> set[int]:
    """The line a block's head stands on, for `if x: plt.show()`."""
    return {node.lineno} if isinstance(node, ast.stmt) and node.lineno == body[0].lineno else set()


def _occupied(statements: list[ast.stmt]) -> set[int]:
    return {line for statement in statements for line in lines_of(statement)}


def _is_ending(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    name = called(statement.value)
    if name == "use":
        return isinstance(statement.value.func, ast.Attribute) and root(statement.value) in ("matplotlib", "mpl")
    return name in ENDINGS and isinstance(statement.value.func, ast.Attribute)


def _is_text(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _prose(code: str, tree: ast.Module) -> set[int]:
    """Comments before the first statement (licences, coding lines), and the cells of a gallery's notebook."""
    code_lines = _occupied(tree.body[1:] if tree.body and _is_text(tree.body[0]) else tree.body)
    lines = code.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    start = min(code_lines, default=len(lines) + 1)
    found = set(range(1, start))
    in_cell = False
    for number, line in enumerate(lines, 1):
        is_comment = line.startswith("#") and number not in code_lines
        in_cell = is_comment and (in_cell or CELL.match(line) is not None)
        if in_cell:
            found.add(number)
    return found
