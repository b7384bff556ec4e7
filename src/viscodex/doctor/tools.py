"""Checks of the programs beside Python: browser, sandbox, and the languages that answers are written in."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from viscodex.core.finding import Finding
from viscodex.doctor.probe import first_line

NOBODY = 65534
KERNEL = Path("/proc/sys/kernel")


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
    def fix(self) -> str:
        """The command that brings the tool to this machine."""
        if shutil.which("apt-get"):
            root = "" if os.geteuid() == 0 else "sudo "
            words = self.packages.split()
            npm = " ".join(word.removeprefix("npm:") for word in words if word.startswith("npm:"))
            debian = f"{root}apt-get install {' '.join(word for word in words if not word.startswith('npm:'))}"
            return f"{debian} && {root}npm install -g {npm}" if npm else debian
        return self.elsewhere or f"install {self.commands[0]} with the system's package manager"


def declared() -> dict[str, Tool]:
    """Every tool of tools.txt by its first command."""
    text = (files("viscodex.doctor") / "tools.txt").read_text(encoding="utf-8")
    rows = (line.split("|") for line in text.splitlines() if line and not line.startswith("#"))
    cells = (tuple(cell.strip() for cell in row) for row in rows)
    tools = [Tool(group, tuple(commands.split()), *rest) for group, commands, *rest in cells]
    return {tool.commands[0]: tool for tool in tools}


def browser() -> Iterator[Finding]:
    tool = declared()["chromium-headless-shell"]
    found = tool.path or playwright_browser()
    if found is None:
        yield Finding("Pages", "browser", "missing", "no Chromium", tool.purpose, tool.fix)
    else:
        version = first_line([found, "--version"]) or "does not tell its version"
        yield Finding("Pages", "browser", "ok", f"{version} ({found})", tool.purpose)


def playwright_browser() -> str | None:
    """The newest Chromium that Playwright downloaded."""
    cache = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    root = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or f"{cache}/ms-playwright").expanduser()
    names = ("chrome-headless-shell", "headless_shell", "chrome", "Chromium")
    found = sorted(path for name in names for path in root.glob(f"chromium*/**/{name}") if path.is_file())
    return str(found[-1]) if found else None


def sandbox() -> Iterator[Finding]:
    tool = declared()["bwrap"]
    if sys.platform != "linux":
        fix = "run viscodex in a Linux container or virtual machine"
        yield Finding("Sandbox", "bubblewrap", "optional", "exists for Linux only", tool.purpose, fix)
        return
    if tool.path is None:
        yield Finding("Sandbox", "bubblewrap", "missing", "not found", tool.purpose, tool.fix)
        return
    yield Finding("Sandbox", "bubblewrap", "ok", f"{first_line([tool.path, '--version'])} ({tool.path})", tool.purpose)
    purpose = "how bubblewrap shuts a program in"
    if can_unshare(tool.path):
        yield Finding("Sandbox", "user namespaces", "ok", "work", purpose)
    else:
        yield Finding("Sandbox", "user namespaces", "missing", "refused by the kernel", purpose, _namespace_fix())


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
        if tool.path is None:
            yield Finding("Languages", tool.commands[0], "optional", "not found", tool.purpose, tool.fix)
        else:
            yield Finding("Languages", tool.commands[0], "ok", tool.path, tool.purpose)


def _namespace_fix() -> str:
    switches = {"unprivileged_userns_clone": "0", "apparmor_restrict_unprivileged_userns": "1"}
    for name, refusing in switches.items():
        if (KERNEL / name).is_file() and (KERNEL / name).read_text().strip() == refusing:
            return f"sudo sysctl -w kernel.{name}={1 - int(refusing)}"
    return "in a container: start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
