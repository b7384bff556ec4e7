"""The second back end, for containers that forbid user namespaces: Landlock, seccomp, rlimits and a reaper.

Weaker than bwrap, and said so in `Execution.isolation`: the program shares the host's process ids and file names (it
can see that a path exists, not read it), its files live in a temporary folder whose size is only watched, and it has
no sockets at all. Needs Landlock's signal scoping (ABI 6, Linux 6.12): without it nothing can be killed for certain.
"""

from __future__ import annotations

import contextlib
import ctypes
import marshal
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import boxed, scratch
from viscodex.sandbox.boxed import CHANNEL, GATE, Boxed, StartError, Streams, open_folder
from viscodex.sandbox.identity import identity, reachable
from viscodex.sandbox.jail import SYSTEM_ETC, Jail
from viscodex.sandbox.seccomp import compile_policy
from viscodex.sandbox.watchdog import ProcessUse, processes_in

NEEDED_ABI = 6
MARSHAL_VERSION = 2
"""Read by every Python 3; the launcher's may not be ours."""
OTHERS_ROOM = 512
NO_SOCKETS: tuple[int, ...] = ()
LAUNCHER = Path(__file__).with_name("launcher.py")


def abi() -> int:
    """The kernel's Landlock version, 0 where there is none."""
    return max(0, int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)))


def start(
    jail: Jail,
    argv: Sequence[str],
    streams: Streams,
    files: Mapping[str, bytes | int] | None = None,
    *,
    confine: bool = True,
) -> Boxed:
    """Start `argv` and return when it runs; like `bwrap.start`. Without `confine` only the rlimits hold it."""
    who = identity()
    with contextlib.ExitStack() as own:
        undo = own.enter_context(contextlib.ExitStack())
        home = scratch.make(files or {}, who)
        undo.callback(scratch.remove, home)
        ours, theirs = (own.enter_context(end) for end in boxed.gate_pair())
        low = {0: streams.stdin, 1: streams.stdout, 2: streams.stderr, GATE: theirs.fileno()}
        if streams.channel is not None:
            low[CHANNEL] = streams.channel
        order = _order(jail, argv, home, streams.channel is not None, confine)
        launcher = boxed.spawn([*who.prefix, _python(), "-I", "-S", "-c", LAUNCHER.read_text()], low)
        theirs.close()
        with contextlib.suppress(ConnectionError):
            ours.sendall(marshal.dumps(order, MARSHAL_VERSION))
        program = boxed.await_hello(ours, launcher)
        group = boxed.confine_memory(jail.limits, program)
        try:
            ours.sendall(b"\n")
        except OSError as error:
            boxed.abandon(launcher, ours)
            raise StartError(f"the program ended before it began: {error}") from error
        undo.pop_all()
        gate, proc = ours.detach(), open_folder("/proc")
        return Boxed(
            isolation="landlock" if confine else "none",
            launcher=launcher,
            launcher_fd=os.pidfd_open(launcher),
            folders=tuple(open_folder(f"{home}/{name}") for name in scratch.FOLDERS),
            processes=partial(_family, launcher, proc),
            stored=partial(_stored, home, launcher, proc),
            end=partial(_hang_up, gate),
            release=partial(_release, home, gate, proc),
            cgroup=group,
        )


def _order(jail: Jail, argv: Sequence[str], home: Path, channel: bool, confine: bool) -> dict[str, Any]:
    """What the launcher is to do, as it reads it from the gate."""
    work, temporary = str(home / "work"), str(home / "tmp")
    displaced = [mount for mount in jail.mounts if mount.inside != mount.source]
    if displaced:
        raise VisCodexError("without namespaces a folder can only be shown where it is", where=displaced[0].source)
    readable = ["/usr", *(str(p) for p in map(Path, ("/bin", "/sbin", "/lib", "/lib64")) if not p.is_symlink())]
    readable += [f"/etc/{name}" for name in SYSTEM_ETC] + [mount.source for mount in jail.mounts]
    limits = jail.limits
    # The folders are watched, not capped; that no file outgrows the largest of them is the kernel's promise.
    roomiest = max(limits.work_size, limits.tmp_size, limits.shm_size)
    rlimits = replace(limits, file_size=min(limits.file_size, roomiest)).rlimits(already=_counted_together())
    return {
        "argv": list(argv),
        "work": work,
        "channel": channel,
        "confine": confine,
        "environment": jail.variables() | {"HOME": work, "TMPDIR": temporary},
        "readable": readable,
        "writable": [work, temporary, str(home / "shm")],
        "rlimits": list(rlimits.items()),
        "seccomp": compile_policy(replace(jail.policy, families=NO_SOCKETS)),
    }


def _counted_together() -> int:
    """Threads the kernel will count with the program's: of our own uid, and of boxes and programs to come.

    With this room the kernel only keeps a fork bomb from taking the machine; the watchdog, which counts per box, ends
    it.
    """
    if os.geteuid() == 0:
        return 0  # the program gets a uid of its own
    count = OTHERS_ROOM
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.geteuid():
                count += len(list((folder / "task").iterdir()))
    return count


def _family(launcher: int, proc: int) -> Iterator[ProcessUse]:
    """Every process below the launcher; orphans are the launcher's children too."""
    everyone = list(processes_in(proc))
    found = {launcher}
    while more := {p.key[0] for p in everyone if p.parent in found and p.key[0] not in found}:
        found |= more
    return (p for p in everyone if p.key[0] in found)


def _stored(home: Path, launcher: int, proc: int) -> tuple[int, int]:
    """Bytes and inodes in the run's folders, and of files that have lost their names and are still held."""
    used, inodes = scratch.measure(home)
    nameless = scratch.unlinked(home, proc, (process.key[0] for process in _family(launcher, proc)))
    return used + sum(nameless.values()), inodes + len(nameless)


def _hang_up(gate: int) -> None:
    """End-of-file on the gate: the launcher kills everything and ends."""
    with socket.socket(fileno=os.dup(gate)) as ours, contextlib.suppress(OSError):
        ours.shutdown(socket.SHUT_RDWR)


def _release(home: Path, *fds: int) -> None:
    for fd in fds:
        os.close(fd)
    scratch.remove(home)


def _python() -> str:
    """An interpreter for the launcher that the program's identity can reach."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        if candidate and Path(candidate).exists() and reachable(candidate):
            return candidate
    raise VisCodexError("no Python that an unprivileged user can run", hint="apt install python3")
