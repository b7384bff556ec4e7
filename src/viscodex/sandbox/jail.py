"""What a boxed process sees: a read-only system, an empty home of its own, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from viscodex.core.errors import VisCodexError
from viscodex.sandbox.limits import Limits
from viscodex.sandbox.seccomp import Policy

WORK = "/box"
"""The work folder, as the program sees it: its current directory and its HOME."""
INSIDE_ID = 1000
"""uid and gid as the program sees them, whoever it is on the host."""

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": WORK,
    "TMPDIR": "/tmp",
    "USER": "box",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}

SYSTEM_ETC = ("ld.so.cache", "alternatives")
"""What programs of any language need of the host's /etc; a language's profile mounts its own parts."""
IDENTITY_FILES = {
    "/etc/passwd": f"box:x:{INSIDE_ID}:{INSIDE_ID}:box:{WORK}:/bin/sh\n",
    "/etc/group": f"box:x:{INSIDE_ID}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
}


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host, shown read-only inside; at the same path unless `target` says otherwise."""

    source: str
    target: str = ""

    @property
    def inside(self) -> str:
        return self.target or self.source


@dataclass(frozen=True, kw_only=True)
class Jail:
    """A boxed process's world. The same jail can be entered many times; each entry starts empty."""

    limits: Limits = field(default_factory=Limits)
    mounts: tuple[Mount, ...] = ()
    """Toolchains and data beside /usr."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """On top of ENVIRONMENT; nothing of the host's environment is passed on."""
    policy: Policy = field(default_factory=Policy)
    nested: bool = False
    """Let the process make user namespaces of its own (a zygote that isolates its children needs them)."""

    def variables(self) -> dict[str, str]:
        """The whole environment inside."""
        return ENVIRONMENT | dict(self.environment)


def checked_name(name: str) -> str:
    """A file name inside the work folder, or an error: relative, without `..`, no control characters."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or any(ord(c) < 32 for c in name) or name.endswith("/"):
        raise VisCodexError(f"not a file name inside the box: {name!r}", hint="a relative path without ..")
    return name
