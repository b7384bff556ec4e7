"""Checks of the programs beside Python: browser, sandbox, charts, and the languages that answers are written in.

They look where the sandbox looks, which is not always the PATH: a compiler in someone's home is of no use to it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from viscodex.core.errors import VisCodexError
from viscodex.core.finding import Finding, Status
from viscodex.doctor.probe import first_line
from viscodex.sandbox import backends, bwrap, chart_environment, chromium
from viscodex.sandbox.fonts import font_set
from viscodex.sandbox.jail import ENVIRONMENT

NOBODY = 65534
KERNEL = Path("/proc/sys/kernel")
BOX_PATH = ENVIRONMENT["PATH"]


@dataclass(frozen=True)
class Tool:
    """A line of tools.txt."""

    group: str
    commands: tuple[str, ...]
    packages: str
    purpose: str
    elsewhere: str

    @property
    def path(self) -> str | None:
        """Where the first of the commands is: on the PATH, or beside Python, where a wheel puts it."""
        folders = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
        return next(filter(None, (shutil.which(command, path=folders) for command in self.commands)), None)

    @property
    def boxed_path(self) -> str | None:
        """Where a program in the sandbox finds it."""
        return next(filter(None, (shutil.which(command, path=BOX_PATH) for command in self.commands)), None)

    @property
    def fix(self) -> str:
        """The command that brings the tool to this machine."""
        if shutil.which("apt-get"):
            words = self.packages.split()
            npm = " ".join(word.removeprefix("npm:") for word in words if word.startswith("npm:"))
            debian = apt_get(*(word for word in words if not word.startswith("npm:")))
            return f"{debian} && {_root()}npm install -g {npm}" if npm else debian
        return self.elsewhere or f"install {self.commands[0]} with the system's package manager"


def apt_get(*packages: str) -> str:
    """The command that installs Debian packages."""
    return f"{_root()}apt-get install {' '.join(packages)}"


def _root() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def declared() -> dict[str, Tool]:
    """Every tool of tools.txt by its first command."""
    text = (files("viscodex.doctor") / "tools.txt").read_text(encoding="utf-8")
    rows = (line.split("|") for line in text.splitlines() if line and not line.startswith("#"))
    cells = (tuple(cell.strip() for cell in row) for row in rows)
    tools = [Tool(group, tuple(commands.split()), *rest) for group, commands, *rest in cells]
    return {tool.commands[0]: tool for tool in tools}


def browser() -> Iterator[Finding]:
    tool = declared()["chromium-headless-shell"]
    try:
        found = chromium.find().path
    except VisCodexError as error:
        yield Finding("Pages", "browser", "missing", error.problem, tool.purpose, tool.fix)
    else:
        version = first_line([found, "--version"]) or "does not tell its version"
        yield Finding("Pages", "browser", "ok", f"{version} ({found})", tool.purpose)
    yield _fonts()


def _fonts() -> Finding:
    purpose = "draw the letters of web pages, the same everywhere"
    lacking = [package for package, there in font_set().packages.items() if not there]
    if not lacking:
        return Finding("Pages", "fonts", "ok", "all that pages are drawn with", purpose)
    return Finding("Pages", "fonts", "optional", f"without {', '.join(lacking)}", purpose, apt_get(*lacking))


def charts() -> Iterator[Finding]:
    purpose = "draws charts with the versions that the benchmarks are scored with"
    try:
        environment = chart_environment.require()
    except VisCodexError as error:
        yield Finding("Charts", "chart environment", "optional", error.problem, purpose, error.hint)
    else:
        matplotlib = environment.packages["matplotlib"]
        detail = f"matplotlib {matplotlib}, Python {environment.python_version} ({environment.path})"
        yield Finding("Charts", "chart environment", "ok", detail, purpose)


def sandbox() -> Iterator[Finding]:
    tool = declared()["bwrap"]
    if sys.platform != "linux":
        fix = "run viscodex in a Linux container or virtual machine"
        yield Finding("Sandbox", "bubblewrap", "optional", "exists for Linux only", tool.purpose, fix)
        return
    path = bwrap.bwrap_path()
    status: Status = "missing" if backends.problem("landlock") else "optional"  # either of the two holds programs
    if path is None:
        yield Finding("Sandbox", "bubblewrap", status, "not found", tool.purpose, tool.fix)
        return
    yield Finding("Sandbox", "bubblewrap", "ok", f"{first_line([path, '--version'])} ({path})", tool.purpose)
    purpose = "how bubblewrap shuts a program in"
    if can_unshare(path):
        yield Finding("Sandbox", "user namespaces", "ok", "work", purpose)
    else:
        yield Finding("Sandbox", "user namespaces", status, "refused by the kernel", purpose, _namespace_fix())


def can_unshare(bwrap: str) -> bool:
    """Whether an ordinary user may start a box; root is tried as nobody, since root may always."""
    argv = [bwrap, "--ro-bind", "/", "/", "--unshare-all", "true"]
    if os.geteuid() == 0:
        return first_line(argv, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/") is not None
    return first_line(argv) is not None


def languages() -> Iterator[Finding]:
    for tool in declared().values():
        if tool.group == "demo":
            continue
        name, path = tool.commands[0], tool.boxed_path
        if path is None:
            elsewhere = f"{tool.path}: the sandbox does not look there" if tool.path else "not found"
            yield Finding("Languages", name, "optional", elsewhere, tool.purpose, tool.fix)
        else:
            yield Finding("Languages", name, "ok", path, tool.purpose)


def _namespace_fix() -> str:
    switches = {"unprivileged_userns_clone": "0", "apparmor_restrict_unprivileged_userns": "1"}
    for name, refusing in switches.items():
        if (KERNEL / name).is_file() and (KERNEL / name).read_text().strip() == refusing:
            return f"sudo sysctl -w kernel.{name}={1 - int(refusing)}"
    return "in a container: start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
