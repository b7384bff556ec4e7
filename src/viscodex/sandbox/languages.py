"""What a language's profile says: what compiles and runs a program, what that needs, and which package brings it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from viscodex.sandbox.jail import Mount
from viscodex.sandbox.limits import GIB, MIB, Limits


def java_entry(code: str) -> str:
    """The class whose `main` is run: the one that holds the first `public static void main`, by its full name."""
    package = re.search(r"^\s*package\s+([\w.]+)\s*;", code, re.MULTILINE)
    head = code.partition("static void main")[0]
    classes = re.findall(r"\b(?:class|interface|enum|record)\s+(\w+)", head or code)
    public = re.search(r"\bpublic\s+(?:final\s+|abstract\s+)*class\s+(\w+)", code)
    name = public[1] if public and public[1] in classes else classes[-1] if classes else "Main"
    return f"{package[1]}.{name}" if package else name


def java_source(code: str) -> str:
    """A file has the name of its public class."""
    public = re.search(r"\bpublic\s+(?:final\s+|abstract\s+|sealed\s+)*(?:class|interface|enum|record)\s+(\w+)", code)
    return f"{public[1]}.java" if public else "Main.java"


@dataclass(frozen=True)
class VerdictText:
    """Source text for the end of a unit test; see verdict.py."""

    report: str
    """A statement that writes {nonce} to the private channel, descriptor 3."""
    fail: str
    """A statement that makes the test fail."""
    header: str = ""
    """What the statements need at the top: an include, an import."""
    in_main: bool = False
    """The statements belong at the end of `main`; else at the end of the file."""
    main: str = "main"
    """What `main` is called."""


COMPILE = Limits(
    cpu_s=30, memory=2 * GIB, address_space=None, processes=96, open_files=1024, file_size=256 * MIB, tmp_size=256 * MIB
)
"""Compilers get more than programs, and no address-space limit: javac, go and tsc reserve generously."""


@dataclass(frozen=True, kw_only=True)
class Language:
    """How programs of one language are built and run. Words of `compile` and `run` may hold {source}, {entry}, {heap}.

    All commands run in the work folder. `{heap}` is what the runtime may use of the memory limit, in MiB.
    """

    name: str
    aliases: tuple[str, ...] = ()
    source: str | Callable[[str], str]
    """The source file's name, or a function of the code."""
    entry: Callable[[str], str] = java_entry
    compile: tuple[str, ...] = ()
    """Empty for languages that are run from source."""
    product: str = ""
    """The one file that the compiler leaves and that runs need."""
    run: tuple[str, ...]
    probe: tuple[str, ...]
    """Prints the version."""
    packages: tuple[str, ...] = ()
    """Debian packages; `npm:NAME` from npm, `url:…` where Debian has none."""
    environment: Mapping[str, str] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    """Host paths (glob patterns) beside /usr that it needs."""
    address_space: int | None = 4 * GIB
    """RLIMIT_AS of a run; None for runtimes that reserve far more than they use."""
    processes: int = 0
    """Threads of the runtime itself, on top of the limit's."""
    compile_limits: Limits = COMPILE
    out_of_memory: tuple[bytes, ...] = ()
    """What its runtime says on stderr when memory runs out."""
    verdict: VerdictText | None = None
    """How a unit test in this language reports that it got to its end; None where that is not offered."""

    def source_name(self, code: str) -> str:
        return self.source if isinstance(self.source, str) else self.source(code)

    def mounts(self) -> tuple[Mount, ...]:
        """What of `shown` exists here."""
        paths = (path for pattern in self.shown for path in sorted(Path("/").glob(pattern.lstrip("/"))))
        return tuple(Mount(str(path)) for path in paths)

    def run_limits(self, limits: Limits) -> Limits:
        """The caller's limits with room for the runtime."""
        return replace(limits, address_space=self.address_space, processes=limits.processes + self.processes)

    def words(self, template: tuple[str, ...], code: str, limits: Limits) -> list[str]:
        """A command with its placeholders filled in."""
        values = {
            "{source}": self.source_name(code),
            "{entry}": self.entry(code),
            "{heap}": str(max(32, limits.memory * 3 // 4 // MIB)),
        }
        for mark, value in values.items():
            template = tuple(word.replace(mark, value) for word in template)
        return list(template)
