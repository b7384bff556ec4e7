"""What a chart's script is held by, beyond the jail that it shares with its zygote. Runs inside the jail.

`namespaces`, the usual way: a process tree, file system, network and IPC of its own, all gone with the script; inside
them Landlock, rlimits, no capabilities, and the strict system call filter. `domain`, where there are no namespaces: a
Landlock domain and a folder of its own, both cleaned up by the zygote. `none` only where isolation was waived.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from viscodex.sandbox.launcher import (
    ALL_RIGHTS,
    DEVICE_RIGHTS,
    MAKE_DEVICES,
    NET_RIGHTS,
    PR_SET_SECCOMP,
    SECCOMP_MODE_FILTER,
    TREE_RIGHTS,
    descendants,
    enter_layer,
    libc,
    prctl,
)
from viscodex.sandbox.limits import Limits

Containment = Literal["namespaces", "domain", "none"]

NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
NO_SUID, NO_DEVICES, NO_EXEC = 2, 4, 8
CAPABILITY_VERSION = 0x20080522
DEVICES = ("null", "zero", "full", "random", "urandom")
WORK, TEMPORARY, SHARED = "/box", "/tmp", "/dev/shm"
RUN = "run"
"""The script's folder where it has no file system of its own, below the zygote's."""


class Nursery:
    """Makes the processes that scripts run in, and ends them with everything they have started."""

    def __init__(self, containment: Containment, seccomp: bytes, has_landlock: bool) -> None:
        self.containment, self.seccomp, self.has_landlock = containment, seccomp, has_landlock
        if containment == "namespaces":
            self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        elif containment == "domain":
            _assert_signals_are_held_back()

    def fork(self, child: Callable[[], None]) -> int:
        """Run `child` in a process of its own; in namespaces it is the first of a new process tree."""
        if self.containment == "namespaces":
            _call(libc.unshare, NEW_PIDS)
        else:
            Path(RUN).mkdir()
        pid = os.fork()
        if pid == 0:
            try:
                child()
            finally:
                os._exit(1)
        if self.containment == "namespaces":
            _call(libc.setns, self._own_pids, NEW_PIDS)
        return pid

    def end(self, pid: int) -> tuple[int, resource.struct_rusage]:
        """Kill a child and all that it has started, and clean up; its wait status and usage."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # in namespaces the kernel takes the whole tree with it
        _, status, usage = os.wait4(pid, 0)
        if self.containment != "namespaces":
            _end_strays(self.containment)
            _remove(Path(RUN))
        return status, usage

    def confine(self, limits: Limits) -> None:
        """In the child, last before the script: give up everything it does not need."""
        os.setsid()
        if self.containment == "namespaces":
            _call(libc.unshare, NEW_MOUNTS | NEW_IPC | NEW_NET)
            readable = _furnish(limits)
            own = [WORK, TEMPORARY, SHARED]
        else:
            os.chdir(RUN)
            readable, own = ["/"], [str(Path.cwd())]  # the jail's own Landlock layer has left only what may be read
            os.environ["HOME"] = os.environ["TMPDIR"] = own[0]
        rlimits = limits.rlimits()
        if self.containment != "namespaces":  # the kernel counts our user's other processes too; the jail's limit stays
            del rlimits[resource.RLIMIT_NPROC]
        for name, ceiling in rlimits.items():
            resource.setrlimit(name, (ceiling, ceiling))
        if self.containment != "none":
            _drop_capabilities()
            if self.has_landlock:
                enter_layer(ALL_RIGHTS, NET_RIGHTS, _rules(readable, own))
            _filter_system_calls(self.seccomp)


def enter_user_namespace() -> None:
    """Take on a user namespace, in which this process may make others, and become the first of a process tree in it.

    Returns in a child; the process that called waits for it and ends as it does.
    """
    uid, gid = os.getuid(), os.getgid()
    _call(libc.unshare, NEW_USER | NEW_PIDS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)


def become_subreaper() -> None:
    """Orphans of scripts become our children, so that they can be waited for."""
    prctl(36, 1)


def _furnish(limits: Limits) -> list[str]:
    """Empty work folder, /tmp and shared memory, and a /proc of the script's own; the folders that it may read."""
    flags = NO_SUID | NO_DEVICES
    for path, size in ((WORK, limits.work_size), (TEMPORARY, limits.tmp_size), (SHARED, limits.shm_size)):
        options = f"size={size},nr_inodes={limits.inodes},mode=0700"
        _call(libc.mount, b"tmpfs", path.encode(), b"tmpfs", flags, options.encode())
    hidden = {"dev"}
    try:
        _call(libc.mount, b"proc", b"/proc", b"proc", flags | NO_EXEC, None)
    except OSError:  # where the outer /proc is masked; that one is the zygote's
        hidden.add("proc")
    os.chdir(WORK)
    return [str(path) for path in Path("/").iterdir() if path.is_dir() and path.name not in hidden]


def _rules(readable: list[str], own: list[str]) -> list[tuple[str, int]]:
    """What Landlock leaves: reading there, everything in the script's own folders, the harmless devices."""
    rules = [(path, TREE_RIGHTS) for path in readable]
    rules += [(f"/dev/{name}", DEVICE_RIGHTS) for name in DEVICES]
    return rules + [(path, ALL_RIGHTS & ~MAKE_DEVICES) for path in own]


def _drop_capabilities() -> None:
    """All of them; without setuid files and with no_new_privs set there is no way back."""
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    _call(libc.capset, header, bytes(24))


def _filter_system_calls(steps: bytes) -> None:
    text = ctypes.create_string_buffer(steps)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(text)))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program))


def _assert_signals_are_held_back() -> None:
    """Without this, ending the strays would end processes of the host."""
    try:
        os.kill(os.getppid(), 0)
    except PermissionError:
        return
    raise RuntimeError("signals leave the Landlock domain")


def _end_strays(containment: Containment) -> None:
    """Kill what a script left, until nothing is left; all of it is, or becomes, our child."""
    while True:
        with contextlib.suppress(ProcessLookupError):
            if containment == "domain":
                os.kill(-1, signal.SIGKILL)
            else:
                for pid in descendants():
                    os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _remove(folder: Path) -> None:
    """Delete a script's folder, whatever modes it has set."""

    def make_way(function: Any, path: str, error: Any) -> None:
        place = Path(path)
        with contextlib.suppress(OSError):
            place.parent.chmod(stat.S_IRWXU)
            if not place.is_symlink():
                place.chmod(stat.S_IRWXU)
            function(path)

    shutil.rmtree(folder, onerror=make_way)


def _call(function: Any, *arguments: Any) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")
