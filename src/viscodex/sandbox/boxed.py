"""A boxed process as the sandbox sees it, whichever back end holds it, and how any of them is spawned."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from viscodex.sandbox import cgroup
from viscodex.sandbox.cgroup import Cgroup
from viscodex.sandbox.limits import Limits
from viscodex.sandbox.watchdog import ProcessUse

GATE, CHANNEL = 3, 4
"""Descriptors of a launcher; the program itself sees the private channel as 3."""
PRIVATE_FD = 3
"""Where a program finds its private channel, if it has one."""
START_PATIENCE_S, END_PATIENCE_S = 60.0, 5.0


@dataclass(frozen=True)
class Streams:
    """Descriptors that become the program's 0, 1, 2 and, if given, its private channel (3). Not closed by `start`."""

    stdin: int
    stdout: int
    stderr: int
    channel: int | None = None


class StartError(Exception):
    """The launcher ended before the program began; what it wrote to stderr says why."""


@dataclass
class Boxed:
    """A running box, seen from outside."""

    isolation: str
    launcher: int
    """Our child, to be waited for; it ends when the box does."""
    launcher_fd: int
    """A pidfd: readable when the box has ended."""
    folders: tuple[int, ...]
    """Descriptors of the work folder, /tmp and /dev/shm; they stay readable after the box has ended."""
    processes: Callable[[], Iterator[ProcessUse]]
    """Every process in the box, now."""
    stored: Callable[[], tuple[int, int]]
    """Bytes and inodes in its folders, now."""
    end: Callable[[], None]
    """Makes the kernel, or the launcher, kill every process in the box."""
    release: Callable[[], None]
    """Gives the back end's own descriptors and folders back."""
    cgroup: Cgroup | None = None
    """Its control group, where we may make one."""
    usage: resource.struct_rusage | None = None
    exit_code: int | None = None

    @property
    def work(self) -> int:
        return self.folders[0]

    def ended(self, patience_s: float = 0.0) -> bool:
        """Whether the box has ended, waiting at most so long."""
        return self.exit_code is not None or bool(select.select([self.launcher_fd], [], [], patience_s)[0])

    def wait(self) -> int:
        """Reap the box: its exit code as a shell gives it (128 + signal); fills `usage`."""
        if self.exit_code is None:
            _, status, self.usage = os.wait4(self.launcher, 0)
            code = os.waitstatus_to_exitcode(status)
            self.exit_code = code if code >= 0 else 128 - code
        return self.exit_code

    def close(self) -> None:
        """Kill what is left, reap it, and give everything back."""
        if self.exit_code is None:
            self.end()
            self.wait()
        self.release()
        if self.cgroup is not None:
            self.cgroup.remove()
        for fd in (self.launcher_fd, *self.folders):
            with contextlib.suppress(OSError):
                os.close(fd)


def spawn(command: Sequence[str], low: Mapping[int, int], keep: Iterable[int] = ()) -> int:
    """Start a command with exactly these descriptors: `low` at the given numbers, `keep` at their own (10 or more).

    posix_spawn does not copy our memory map (a scorer can hold gigabytes), and resets the signals Python ignores.
    """
    moved = {target: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for target, fd in low.items()}
    kept = set(keep)
    try:
        actions: list[tuple[int, int, int] | tuple[int, int]] = []
        actions += [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in moved.items()]
        actions += [(os.POSIX_SPAWN_DUP2, fd, fd) for fd in kept]  # clears close-on-exec
        actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable() if fd not in low and fd not in kept]
        return os.posix_spawn(
            command[0],
            list(command),
            {"PATH": "/usr/bin:/bin"},
            file_actions=actions,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP],
        )
    finally:
        for fd in moved.values():
            os.close(fd)


def _inheritable() -> Iterator[int]:
    """Descriptors above 2 that an exec would leak: Python marks its own, C libraries may not."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 (called for every run)
        with contextlib.suppress(OSError):
            if int(name) > 2 and os.get_inheritable(int(name)):
                yield int(name)


def gate_pair() -> tuple[socket.socket, socket.socket]:
    """Our end and the launcher's end of a gate; ours is told who speaks."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


def await_hello(gate: socket.socket, launcher: int) -> int:
    """The greeter's process id, vouched for by the kernel; StartError (the launcher reaped) when nobody greets."""
    gate.settimeout(START_PATIENCE_S)
    with contextlib.suppress(TimeoutError, ConnectionError):
        data, ancillary, _, _ = gate.recvmsg(16, socket.CMSG_SPACE(12))
        for level, kind, payload in ancillary:
            if data and level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                return int(struct.unpack("=iII", payload[:12])[0])
    raise StartError(f"the launcher ended with {abandon(launcher, gate)}")


def abandon(launcher: int, gate: socket.socket) -> int:
    """Give up a box that has not begun: hanging up ends what waits for our answer. The launcher's exit code."""
    gate.close()
    watch = os.pidfd_open(launcher)
    if not select.select([watch], [], [], END_PATIENCE_S)[0]:
        os.kill(launcher, signal.SIGKILL)
    os.close(watch)
    return os.waitstatus_to_exitcode(os.waitpid(launcher, 0)[1])


def confine_memory(limits: Limits, process: int) -> Cgroup | None:
    """Put a process that has not begun yet into a control group of its own, where we may make one."""
    group = cgroup.make(limits)
    if group is not None:
        try:
            group.add(process)
        except OSError:
            group.remove()
            return None
    return group


def sealed_file(data: bytes) -> int:
    """An anonymous file that holds `data`, rewound, and that nobody can change or grow; the caller closes it."""
    low = os.memfd_create("box", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    fd = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(low)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return fd


def open_folder(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
