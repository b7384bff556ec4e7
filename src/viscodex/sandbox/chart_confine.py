"""What a chart's script is held by, beyond the jail that it shares with its zygote. Runs inside the jail.

`namespaces`, the usual way: a process tree, file system, network and IPC of its own, all gone with the script; inside
them Landlock, rlimits, no capabilities, and the strict system call filter. `domain`, where a script cannot be given
namespaces: the jail's own, a Landlock domain and a folder, cleaned up by the zygote. `none`: isolation was waived.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from viscodex.sandbox.launcher import (
    ADD_RULE,
    CREATE_RULESET,
    DEVICE_RIGHTS,
    MAKE_DEVICES,
    NET_RIGHTS,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_SECCOMP,
    RESTRICT_SELF,
    SCOPES,
    SECCOMP_MODE_FILTER,
    TREE_RIGHTS,
    call,
    descendants,
    libc,
    prctl,
)
from viscodex.sandbox.limits import Limits

Containment = Literal["namespaces", "domain", "none"]

NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
NO_SUID, NO_DEVICES, NO_EXEC = 2, 4, 8
CAPABILITY_VERSION = 0x20080522
PR_SET_DUMPABLE = 4
FILE_RIGHTS_OF_ABI = (0, 13, 14, 15, 15, 16)
"""How many rights on files each version of Landlock knows."""
DEVICES = ("null", "zero", "full", "random", "urandom")
WORK, TEMPORARY, SHARED = "/box", "/tmp", "/dev/shm"
RUN = "run"
"""The script's folder where it has no file system of its own, below the zygote's."""


class Nursery:
    """Makes the processes that scripts run in, and ends them with everything they have started."""

    def __init__(self, containment: Containment, seccomp: bytes, landlock_abi: int, *, has_own_system: bool) -> None:
        """`has_own_system`: process tree, /tmp and shared memory are the jail's own, not the host's."""
        self.containment, self.seccomp, self.landlock_abi = containment, seccomp, landlock_abi
        if containment == "namespaces":
            self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            return
        prctl(PR_SET_CHILD_SUBREAPER, 1)  # what scripts leave becomes ours, to be waited for
        prctl(PR_SET_DUMPABLE, 0)  # our memory is closed to our user's other processes
        if containment == "domain" and not (has_own_system and os.getppid() == 1):
            _assert_signals_are_held_back()
        self._folders = [Path.cwd()] + [Path(TEMPORARY), Path(SHARED)] * has_own_system
        self._own_files = set(self._files())

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
            for path in set(self._files()) - self._own_files:
                _remove(path)  # what cannot be removed ends the zygote, so that no script finds it
        return status, usage

    def _files(self) -> list[Path]:
        """Everything in the folders that a script without a file system of its own may be able to write to."""
        return [path for folder in self._folders for path in _listed(folder)]

    def confine(self, limits: Limits) -> None:
        """In the child, last before the script: give up everything it does not need."""
        os.setsid()
        if self.containment == "namespaces":
            _call(libc.unshare, NEW_MOUNTS | NEW_IPC | NEW_NET)
            readable = _furnish(limits)
            own = [WORK, TEMPORARY, SHARED]
        else:
            prctl(PR_SET_DUMPABLE, 1)
            os.chdir(RUN)
            readable, own = ["/"], [str(Path.cwd())]  # the jail shows only what may be read
            os.environ["HOME"] = os.environ["TMPDIR"] = own[0]
        rlimits = limits.rlimits()
        if self.containment != "namespaces":  # the kernel counts our user's other processes too; the jail's limit stays
            del rlimits[resource.RLIMIT_NPROC]
        for name, ceiling in rlimits.items():
            resource.setrlimit(name, (ceiling, ceiling))
        if self.containment != "none":
            _drop_capabilities()
            _enter_landlock(self.landlock_abi, readable, own)
            _filter_system_calls(self.seccomp)


def enter_user_namespace() -> bool:
    """Take on a user namespace, in which this process may make others, and become the first of a process tree in it.

    Returns in a child; the process that called waits for it and ends as it does. False, and nothing has changed, where
    that is not allowed (the AppArmor profile that Ubuntu has for bwrap, for one).
    """
    uid, gid = os.getuid(), os.getgid()
    try:
        _call(libc.unshare, NEW_USER | NEW_PIDS)
    except OSError:
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    return True


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


def _enter_landlock(abi: int, readable: list[str], own: list[str]) -> None:
    """Leave reading there, everything in the script's own folders, the harmless devices; as far as this kernel can."""
    if abi < 1:
        return
    everything = (1 << FILE_RIGHTS_OF_ABI[min(abi, 5)]) - 1
    attributes = struct.pack("=QQQ", everything, NET_RIGHTS if abi >= 4 else 0, SCOPES if abi >= 6 else 0)
    ruleset = call(CREATE_RULESET, attributes, 24 if abi >= 6 else 16 if abi >= 4 else 8, 0)
    rules = [(path, TREE_RIGHTS) for path in readable] + [(f"/dev/{name}", DEVICE_RIGHTS) for name in DEVICES]
    rules += [(path, everything & ~MAKE_DEVICES) for path in own]
    for path, granted in rules:
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            call(ADD_RULE, ruleset, 1, struct.pack("=Qi", granted, fd), 0)
            os.close(fd)
    call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


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


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _remove(path: Path) -> None:
    """Delete what a script left, whatever modes it has set and however deep it goes; links are not followed."""
    if not path.is_dir() or path.is_symlink():
        path.unlink()
        return
    path.chmod(0o700)
    inside: list[str] = []  # names of the folders between `path` and where we are
    here = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    while True:
        if (folder := _first_folder(here)) is not None:
            os.chmod(folder, 0o700, dir_fd=here)
            here = _move(here, folder)
            inside.append(folder)
        elif inside:
            here = _move(here, "..")
            os.rmdir(inside.pop(), dir_fd=here)
        else:
            break
    os.close(here)
    path.rmdir()


def _first_folder(here: int) -> str | None:
    """Delete files up to the first folder, and name that."""
    with os.scandir(here) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                return entry.name
            os.unlink(entry.name, dir_fd=here)
    return None


def _move(here: int, name: str) -> int:
    there = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
    os.close(here)
    return there


def _call(function: Any, *arguments: Any) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")
