"""A seccomp filter as bytes: a small assembler for classic BPF, and the list of calls that are refused.

The bytes are what `bwrap --seccomp FD` reads and what prctl(PR_SET_SECCOMP) takes, so a jail made elsewhere
(a browser, a chart zygote's children) installs the very same filter.
"""

from __future__ import annotations

import errno
import platform
import socket
import struct
from dataclasses import dataclass
from functools import cache

from viscodex.core.errors import VisCodexError
from viscodex.sandbox.syscalls import AUDIT_ARCH, DENIED, MOUNT_CALLS, NAMESPACE_CALLS, SIGNAL_CALLS, number

LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL = "allow", "kill"
_VERDICTS = {ALLOW: 0x7FFF0000, KILL: 0x80000000}
_ERRNO = 0x00050000

_NR, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX


@dataclass(frozen=True)
class Policy:
    """Which system calls are refused. The default suits programs; a zygote may need namespaces of its own."""

    namespaces: bool = False
    """Allow unshare, setns, mount and clone with new namespaces."""
    families: tuple[int, ...] = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
    """Socket families that may be created; vsock, netlink, packet and the rest are refused."""
    signals: bool = True
    """Allow sending signals; False where neither a PID namespace nor Landlock keeps them inside."""


@dataclass(frozen=True)
class _Step:
    code: int
    value: int
    hit: str = ""  # label to jump to; "" is the next step
    miss: str = ""
    label: str = ""


def compile_policy(policy: Policy = Policy(), machine: str = "") -> bytes:
    """The filter's instructions for this machine (or another, by `platform.machine()` name)."""
    return _compile(policy, machine or platform.machine())


@cache
def _compile(policy: Policy, machine: str) -> bytes:
    if machine not in AUDIT_ARCH:
        raise VisCodexError(f"no seccomp table for {machine}", hint="x86_64 and aarch64 are supported")
    return assemble(_steps(policy, machine))


def _steps(policy: Policy, machine: str) -> list[_Step]:
    denied = list(DENIED) + ([] if policy.signals else list(SIGNAL_CALLS))
    if policy.namespaces:
        denied = [name for name in denied if name not in NAMESPACE_CALLS + MOUNT_CALLS]
    steps = [
        _Step(LOAD, _ARCH),
        _Step(JUMP_EQUAL, AUDIT_ARCH[machine], miss="kill"),
        _Step(LOAD, _NR),
    ]
    if machine == "x86_64":
        steps.append(_Step(JUMP_GREATER_EQUAL, _X32_BIT, hit="deny"))
    for name in denied:
        if (nr := number(name, machine)) is not None:
            steps.append(_Step(JUMP_EQUAL, nr, hit="deny"))
    steps.append(_Step(JUMP_EQUAL, _known("socket", machine), hit="socket"))
    steps.append(_Step(JUMP_EQUAL, _known("ioctl", machine), hit="ioctl"))
    if not policy.namespaces:
        steps.append(_Step(JUMP_EQUAL, _known("clone3", machine), hit="missing"))  # libc then falls back to clone
        steps.append(_Step(JUMP_EQUAL, _known("clone", machine), hit="clone"))
    steps.append(_Step(RETURN, _VERDICTS[ALLOW], label="allow"))
    steps.append(_Step(LOAD, _ARGUMENTS, label="socket"))
    steps += [_Step(JUMP_EQUAL, family, hit="allow2") for family in policy.families]
    steps.append(_Step(RETURN, _ERRNO | errno.EAFNOSUPPORT))
    steps.append(_Step(LOAD, _ARGUMENTS + 8, label="ioctl"))
    steps += [_Step(JUMP_EQUAL, request, hit="deny") for request in _TERMINAL_INJECTION]
    steps.append(_Step(RETURN, _VERDICTS[ALLOW], label="allow2"))
    steps.append(_Step(LOAD, _ARGUMENTS, label="clone"))
    steps.append(_Step(JUMP_ANY_BIT, _NEW_NAMESPACES, hit="deny"))
    steps.append(_Step(RETURN, _VERDICTS[ALLOW]))
    steps.append(_Step(RETURN, _ERRNO | errno.EPERM, label="deny"))
    steps.append(_Step(RETURN, _ERRNO | errno.ENOSYS, label="missing"))
    steps.append(_Step(RETURN, _VERDICTS[KILL], label="kill"))
    return steps


def _known(name: str, machine: str) -> int:
    nr = number(name, machine)
    assert nr is not None
    return nr


def assemble(steps: list[_Step]) -> bytes:
    """Resolve labels into the 8-bit forward jumps of classic BPF: struct {u16 code; u8 jt, jf; u32 k}."""
    places = {step.label: index for index, step in enumerate(steps) if step.label}

    def distance(label: str, index: int) -> int:
        jump = places[label] - index - 1 if label else 0
        if not 0 <= jump < 256:
            raise ValueError(f"a BPF jump of {jump} steps does not fit")
        return jump

    return b"".join(
        struct.pack("=HBBI", step.code, distance(step.hit, index), distance(step.miss, index), step.value)
        for index, step in enumerate(steps)
    )
