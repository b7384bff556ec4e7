"""What a boxed process sees: a read-only system, an empty home of its own, and nothing else; as bwrap arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

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

# Configuration that runtimes and libraries look for; never all of /etc.
ETC = (
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "mime.types", "magic",
    "fonts", "ssl/openssl.cnf", "java-17-openjdk", "java-21-openjdk", "java-25-openjdk", "R", "php", "mono",
)  # fmt: skip
IDENTITY_FILES = {
    "/etc/passwd": f"box:x:{INSIDE_ID}:{INSIDE_ID}:box:{WORK}:/bin/sh\n",
    "/etc/group": f"box:x:{INSIDE_ID}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
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


def bwrap_arguments(
    jail: Jail, files: Mapping[str, int], seccomp_fd: int, identity_fds: Mapping[str, int]
) -> list[str]:
    """Everything between `bwrap` and the command. `files` maps names in the work folder to descriptors to copy from.

    The command itself must be handed the caller's standard streams; see `boxed.start` for the usual way in.
    """
    limits = jail.limits
    words = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]
    words += ["--uid", str(INSIDE_ID), "--gid", str(INSIDE_ID), "--hostname", "box", "--cap-drop", "ALL"]
    if not jail.nested:
        words.append("--disable-userns")
    words += _system_arguments()
    for mount in jail.mounts:
        words += ["--ro-bind", mount.source, mount.inside]
    for path, fd in identity_fds.items():
        words += ["--perms", "0444", "--file", str(fd), path]
    words += ["--proc", "/proc", "--dev", "/dev"]
    for path, size in ((WORK, limits.work_size), ("/tmp", limits.tmp_size), ("/dev/shm", limits.shm_size)):
        words += ["--perms", "0700", "--size", str(size), "--tmpfs", path]
    for name, fd in files.items():
        words += ["--perms", "0755", "--file", str(fd), f"{WORK}/{checked_name(name)}"]
    words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK, "--seccomp", str(seccomp_fd)]
    for name, value in jail.variables().items():
        words += ["--setenv", name, value]
    return words


@cache
def _system_arguments() -> tuple[str, ...]:
    """/usr, the links or folders beside it, and the named parts of /etc: what is here now, read-only."""
    words = ["--ro-bind", "/usr", "/usr", "--dir", "/etc"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for name in ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return tuple(words)


def checked_name(name: str) -> str:
    """A file name inside the work folder, or an error: relative, without `..`, no control characters."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or any(ord(c) < 32 for c in name) or name.endswith("/"):
        raise VisCodexError(f"not a file name inside the box: {name!r}", hint="a relative path without ..")
    return name
