"""A program in any language: compiled once, run many times, each time in a fresh box."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import backends
from viscodex.sandbox.backends import Backend
from viscodex.sandbox.box import Box, Execution
from viscodex.sandbox.jail import Jail
from viscodex.sandbox.languages import Language
from viscodex.sandbox.limits import Limits
from viscodex.sandbox.profiles import profiles

Readiness = Literal["ready", "compile_error", "unavailable"]


@dataclass(frozen=True)
class Toolchain:
    """A language as it is here. No `version` means that it is not here, and `missing` says why."""

    language: Language
    version: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Program:
    """Source that is ready to run, or the reason why it is not."""

    toolchain: Toolchain
    readiness: Readiness
    compilation: Execution | None = None
    """What the compiler did; None for languages that are run from source."""
    command: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    box: Box = field(default_factory=Box)

    def run(
        self,
        stdin: bytes = b"",
        collect: Iterable[str] = (),
        files: Mapping[str, bytes | int] | None = None,
        *,
        channel: bool = False,
    ) -> Execution:
        """Run it once, with `files` beside it. What is not ready is not run: an `error` or `unavailable` says why."""
        return self.run_as(self.command, stdin, collect, files, channel=channel)

    def run_as(
        self,
        command: Sequence[str],
        stdin: bytes = b"",
        collect: Iterable[str] = (),
        files: Mapping[str, bytes | int] | None = None,
        *,
        channel: bool = False,
    ) -> Execution:
        """Run another command over the same files: a driver that loads the program, say."""
        if self.readiness == "unavailable":
            return Execution("unavailable", stderr=self.toolchain.missing.encode())
        if self.readiness == "compile_error":
            assert self.compilation is not None
            return replace(self.compilation, status="error")
        execution = self.box.run(command, {**self.files, **(files or {})}, stdin, collect, channel=channel)
        ran_out = any(mark in execution.stderr[-4096:] for mark in self.toolchain.language.out_of_memory)
        return replace(execution, status="memory") if execution.status == "error" and ran_out else execution


def prepare(
    name: str,
    code: str,
    limits: Limits | None = None,
    files: Mapping[str, bytes] | None = None,
    *,
    backend: Backend | None = None,
    unsafe_local: bool = False,
) -> Program:
    """Compile a program, if its language is compiled; `files` stand beside its source. Never raises for what it is."""
    chosen = "none" if unsafe_local else backend or backends.best()
    tools = toolchain(name, chosen)
    if not tools.version:
        return Program(tools, "unavailable")
    language, wanted = tools.language, limits or Limits()
    jail = _jail(language)
    box = Box(language.run_limits(wanted), jail, chosen, unsafe_local)
    command = tuple(language.words(language.run, code, wanted))
    sources = {**(files or {}), language.source_name(code): code.encode("utf-8", "surrogatepass")}
    if not language.compile:
        return Program(tools, "ready", None, command, sources, box)
    compiler = Box(language.compile_limits, jail, chosen, unsafe_local)
    compilation = compiler.run(language.words(language.compile, code, wanted), sources, collect=[language.product])
    product = compilation.artifacts.get(language.product)
    if not compilation.ok or product is None:
        return Program(tools, "compile_error", compilation)
    return Program(tools, "ready", compilation, command, {**(files or {}), language.product: product}, box)


@cache
def toolchain(name: str, backend: Backend | None = None) -> Toolchain:
    """The first of a language's profiles whose probe prints a version inside a box."""
    reasons = []
    for language in profiles(name):
        version, reason = _probe(language, backend or backends.best())
        if version:
            return Toolchain(language, version)
        reasons.append(reason)
    hint = f"it comes with: {' '.join(profiles(name)[0].packages)}"
    return Toolchain(profiles(name)[0], missing=f"{profiles(name)[0].name}: {'; '.join(reasons)}; {hint}")


def _probe(language: Language, backend: Backend) -> tuple[str, str]:
    box = Box(language.compile_limits, _jail(language), backend, unsafe_local=backend == "none")
    try:
        execution = box.run(language.probe)
    except VisCodexError as error:  # a folder of it cannot be shown here
        return "", str(error.problem)
    said = (execution.stdout or execution.stderr).decode(errors="replace").strip()
    first = said.splitlines()[0] if said else ""
    return (first, "") if execution.ok and first else ("", first or execution.status)


def _jail(language: Language) -> Jail:
    return Jail(mounts=language.mounts(), environment=language.environment)
