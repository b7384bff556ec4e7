"""What unit tests need of this machine: a language, and the packages that the tests themselves import."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.eval.infibench.points import UnmeasuredError
from viscodex.sandbox.box import Box, Execution
from viscodex.sandbox.jail import Jail
from viscodex.sandbox.limits import Limits
from viscodex.sandbox.programs import Program, prepare, toolchain

LANGUAGES = ("python", "javascript", "typescript", "java", "cpp", "go", "r", "ruby", "php", "bash", "csharp")
"""Those with unit tests, in the published suite or in ours."""

_NODE = re.compile(r"(?:require\(|from\s+|import\s+)[\"'](?!node:)((?:@[\w.-]+/)?[\w-][\w.-]*)")
IMPORTS: dict[str, re.Pattern[str]] = {
    "python": re.compile(r"^[ \t]*(?:import|from)[ \t]+(\w+)", re.MULTILINE),
    "javascript": _NODE,
    "typescript": _NODE,
    "r": re.compile(r"\b(?:library|require|requireNamespace)\([\"']?([\w.]+)|\b([A-Za-z][\w.]*)::"),
}
PROBES = {
    "python": "import {name}",
    "javascript": "require.resolve('{name}')",
    "r": "if (!requireNamespace('{name}', quietly = TRUE)) quit(status = 1)",
}
TYPES_IGNORED = "tsc --target es2022 --lib es2022,dom --module commonjs --skipLibCheck main.ts >&2; exec node main.js"
"""As published: what the compiler has to say is not heard."""


def require(language: str, test: str) -> None:
    """Raise UnmeasuredError unless language and packages of a test are here."""
    if missing := missing_runtime(language):
        raise UnmeasuredError("runtime", missing)
    probed = "javascript" if language == "typescript" else language
    for name in packages(language, test):
        if not has_package(probed, name):
            raise UnmeasuredError("missing_package", f"{language}: {name}")


def packages(language: str, test: str) -> list[str]:
    """What a test imports, by name; Node's own modules by their bare names too."""
    pattern = IMPORTS.get(language)
    found = pattern.finditer(test) if pattern else ()
    return list(dict.fromkeys(name for match in found for name in match.groups() if name))


@cache
def missing_runtime(language: str) -> str:
    """Why programs of a language cannot be run here; "" when they can."""
    try:
        tools = toolchain(language)
    except UsageError as error:
        return error.problem
    return "" if tools.version else tools.missing


@cache
def has_package(language: str, name: str) -> bool:
    return prepare(language, PROBES[language].format(name=name), Limits(cpu_s=20)).run().ok


def run(language: str, source: str, limits: Limits) -> Execution:
    """Compile and run as the published evaluator does: TypeScript with type errors runs all the same."""
    program = prepare(language, source, limits)
    if language == "typescript" and program.readiness == "compile_error":
        program = _despite_types(program, source, limits)
    return program.run()


def _despite_types(program: Program, source: str, limits: Limits) -> Program:
    tools = program.toolchain
    both = replace(tools.language.compile_limits, cpu_s=tools.language.compile_limits.cpu_s + limits.cpu_s)
    box = Box(both, Jail(mounts=tools.language.mounts(), environment=tools.language.environment))
    files = {"main.ts": source.encode("utf-8", "surrogatepass")}
    return Program(tools, "ready", None, ("sh", "-c", TYPES_IGNORED), files, box)


def versions() -> dict[str, str]:
    """The runtimes of this machine, for the record of what scores depend on."""
    try:
        return {name: toolchain(name).version or "missing" for name in LANGUAGES}
    except VisCodexError as error:  # nothing here can hold a program; what needs none is scored all the same
        return {"sandbox": error.problem}
