"""Tests in pytest's style as one straight program: each test is called by a statement of its own.

The program stands in `main.py`, the solution beside it in `solution.py`. Nothing dispatches: between a test and its
call there is no function that the solution could replace, and the verdict (sandbox/verdict.py) is written by the last
statement. `strangers` is the same program with one answer compared to an object that equals nothing: an honest
solution must fail it, one whose answers equal everything, or that took the tests away, passes.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from viscodex.sandbox.verdict import estrange

BUILT_IN = frozenset(
    ["capsys", "capfd", "monkeypatch", "tmp_path", "tmpdir", "request", "caplog", "recwarn", "mocker", "benchmark"]
)


class UnsupportedError(ValueError):
    """The tests want something of pytest that is not offered here."""


@dataclass(frozen=True)
class Suite:
    """`source` runs every test; `count` of them."""

    source: str
    strangers: str
    count: int


def read_suite(code: str) -> Suite:
    """UnsupportedError, or SyntaxError for what is no Python."""
    tree = ast.parse(code)
    fixtures = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef) and _is_fixture(node)}
    body: list[ast.stmt] = [] if _imports_solution(tree) else list(ast.parse("from solution import *").body)
    calls: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            continue  # if __name__ == "__main__": pytest.main()
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test"):
            raise UnsupportedError(f"{node.name} is a coroutine")
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test") and node.name not in fixtures:
            calls += _calls(node, node.name, fixtures)
            _bare(node)
        elif isinstance(node, ast.FunctionDef):
            node.decorator_list = [d for d in node.decorator_list if not _is_pytest(d)]
        elif isinstance(node, ast.ClassDef) and _is_test_class(node):
            calls += _class_calls(node, fixtures)
        body.append(node)
    count = sum(map(_is_run, calls)) + sum(isinstance(node, ast.Assert) for node in body) + _checks(body)
    module = ast.Module(_future_first(body) + calls, type_ignores=[])
    source = ast.unparse(ast.fix_missing_locations(module))
    return Suite(source, _estranged(module), count)


def _calls(
    function: ast.FunctionDef, called: str, fixtures: dict[str, ast.FunctionDef], skip: int = 0
) -> list[ast.stmt]:
    """The statements that run a test: once, or once for each of its cases."""
    cases: list[tuple[list[str], ast.expr]] = []
    for decorator in function.decorator_list:
        text = ast.unparse(decorator)
        if "mark.skip" in text or "mark.xfail" in text:
            return []
        if "parametrize" in text and isinstance(decorator, ast.Call):
            cases.append(_cases(decorator))
        elif not _is_pytest(decorator):
            raise UnsupportedError(f"{function.name} is decorated with {text[:60]}")
    names = [argument.arg for argument in function.args.posonlyargs + function.args.args][skip:]
    given = {name for some, _ in cases for name in some}
    arguments = [f"{name}={name}_" if name in given else f"{name}={_fixture(name, fixtures)}" for name in names]
    text = f"{called}({', '.join(arguments)})"
    for number, (some, _) in enumerate(cases):
        target = ", ".join(f"{name}_" for name in some)
        text = f"for {target} in CASES_{number}:\n" + "\n".join(f"    {line}" for line in text.splitlines())
    statements = ast.parse(text).body
    for node in itertools.chain.from_iterable(map(ast.walk, statements)):
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Name):
            node.iter = cases[int(node.iter.id.removeprefix("CASES_"))][1]
    return statements


def _cases(decorator: ast.Call) -> tuple[list[str], ast.expr]:
    """Names and values of `parametrize("a, b", [(1, 2), …])`; `pytest.param(1, 2, id="x")` is its values."""
    if len(decorator.args) < 2:
        raise UnsupportedError("parametrize without names and values")
    names = ast.literal_eval(decorator.args[0])
    names = [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else list(names)
    if not all(isinstance(name, str) and name.isidentifier() for name in names) or not names:
        raise UnsupportedError("parametrize with names that are none")
    values = decorator.args[1]
    if isinstance(values, ast.List | ast.Tuple):
        values = ast.List([_plain(value, len(names)) for value in values.elts], ast.Load())
    return names, values


def _plain(value: ast.expr, count: int) -> ast.expr:
    if isinstance(value, ast.Call) and ast.unparse(value.func) in ("pytest.param", "param"):
        return value.args[0] if count == 1 else ast.Tuple(value.args, ast.Load())
    return value


def _fixture(name: str, fixtures: dict[str, ast.FunctionDef]) -> str:
    """The expression that makes a fixture; one that yields is not taken down."""
    if name not in fixtures:
        raise UnsupportedError(f"the fixture {name}" if name in BUILT_IN else f"an argument {name} that nothing gives")
    function = fixtures[name]
    if any("params" in ast.unparse(decorator) for decorator in function.decorator_list):
        raise UnsupportedError(f"the fixture {name} has params")
    inner = [argument.arg for argument in function.args.args]
    call = f"{name}({', '.join(_fixture(other, fixtures) for other in inner if other != name)})"
    return f"next({call})" if any(isinstance(node, ast.Yield) for node in ast.walk(function)) else call


def _class_calls(node: ast.ClassDef, fixtures: dict[str, ast.FunctionDef]) -> list[ast.stmt]:
    """A fresh instance for each test, set up and taken down as unittest and pytest do it."""
    calls: list[ast.stmt] = []
    methods = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
    is_unittest = any("TestCase" in ast.unparse(base) for base in node.bases)
    whole = [name for name in ("setUpClass", "setup_class") if name in methods]
    for name, method in methods.items():
        if not name.startswith("test"):
            method.decorator_list = [d for d in method.decorator_list if not _is_pytest(d)]
            continue
        inner = [*(f"self_.{name}()" for name in whole)]
        inner += [f"self_.{item}()" for item in ("setUp", "setup_method") if _is_plain(methods.get(item))]
        before = ast.parse(
            "\n".join([f"self_ = {node.name}({name!r})" if is_unittest else f"self_ = {node.name}()", *inner])
        ).body
        if run := _calls(method, f"self_.{name}", fixtures, skip=1):
            after = [f"self_.{item}()" for item in ("tearDown", "teardown_method") if _is_plain(methods.get(item))]
            calls += [*before, *run, *ast.parse("\n".join(after)).body]
        _bare(method)
    return calls


def _is_plain(method: ast.FunctionDef | None) -> bool:
    if method is not None and len(method.args.args) > 1:
        raise UnsupportedError(f"{method.name} takes arguments")
    return method is not None


def _bare(function: ast.FunctionDef) -> None:
    function.decorator_list = []


def _is_fixture(function: ast.FunctionDef) -> bool:
    return any("fixture" in ast.unparse(decorator) for decorator in function.decorator_list)


def _is_pytest(decorator: ast.expr) -> bool:
    text = ast.unparse(decorator)
    return text.startswith(("pytest.", "mark.", "fixture"))


def _is_test_class(node: ast.ClassDef) -> bool:
    is_unittest = any("TestCase" in ast.unparse(base) for base in node.bases)
    return is_unittest or (node.name.startswith("Test") and not any(_is_init(item) for item in node.body))


def _is_init(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def _imports_solution(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "solution":
            return True
        if isinstance(node, ast.Import) and any(alias.name == "solution" for alias in node.names):
            return True
    return False


def _is_run(statement: ast.stmt) -> bool:
    """Whether it calls a test, or a test in a loop; not what is set up before it."""
    return re.search(r"\btest\w*\(", ast.unparse(statement)) is not None


def _checks(body: list[ast.stmt]) -> int:
    """`check(function)` at the top, as HumanEval's tests end."""
    texts = [ast.unparse(node) for node in body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return sum(text.startswith("check(") for text in texts)


def _future_first(body: list[ast.stmt]) -> list[ast.stmt]:
    """`from __future__` must stand first, and we may have put an import before it."""
    return sorted(body, key=lambda node: not (isinstance(node, ast.ImportFrom) and node.module == "__future__"))


def _estranged(module: ast.Module) -> str:
    """The program with the last `assert x == y` of the last test comparing x to an object that equals nothing; or "".

    Only a statement that is reached whenever the test is run will do, so that an honest solution must fail.
    """
    changed = copy.deepcopy(module)
    called = {
        ast.unparse(node.value.func)
        for node in changed.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    }
    bodies = reversed(list(_bodies(changed, called)))  # from the last: tests before it may have been tampered with
    return ast.unparse(ast.fix_missing_locations(changed)) if any(map(estrange, bodies)) else ""


def _bodies(module: ast.Module, called: set[str]) -> Iterator[list[ast.stmt]]:
    """The top level, and the tests that are called from it, up to where they may return."""
    yield [node for node in module.body if isinstance(node, ast.Assert)]
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name in called:
            yield _straight(node)
        elif isinstance(node, ast.ClassDef):
            yield from (
                _straight(item)
                for item in node.body
                if isinstance(item, ast.FunctionDef) and f"self_.{item.name}" in called
            )


def _straight(function: ast.FunctionDef) -> list[ast.stmt]:
    ends = (ast.Return, ast.Yield, ast.Raise)
    return list(itertools.takewhile(lambda node: not any(isinstance(n, ends) for n in ast.walk(node)), function.body))
