"""The program that starts a boxed program where there are no namespaces: Landlock, seccomp, rlimits, a reaper.

It is run by its text (`python -I -S -c TEXT`), because the unprivileged user that it runs as may not be able to read
this file; so it imports nothing of ours. Descriptor 3 is the gate to the sandbox: the order comes in, the child that
will become the program says hello, is put into its control group, is told to go on by a line; and end-of-file means
"end it". Two Landlock layers: this process is in the outer one, the program in the inner one.
Signals do not leave a layer, so the program cannot signal this process, and this process's kill(-1) reaches the
program's processes and nobody else's.
"""

# It starts once for every run, so it imports almost nothing: json, typing, signal and pathlib would each cost more than
# all the rest. The order is in Python's own marshal format, from us to us.
# ruff: noqa: PTH123, PTH208, SIM105

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import select
import stat
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

SIGINT, SIGKILL, SIGPIPE, SIGXFSZ = 2, 9, 13, 25
GATE, CHANNEL = 3, 4
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every machine
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
SECCOMP_MODE_FILTER = 2

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
ALL_RIGHTS = (1 << 16) - 1  # up to ioctl on devices (ABI 5)
TREE_RIGHTS = EXECUTE | READ_FILE | READ_DIR
FILE_RIGHTS = EXECUTE | READ_FILE
DEVICE_RIGHTS = READ_FILE | WRITE_FILE
MAKE_DEVICES = 1 << 6 | 1 << 11  # character and block devices
NET_RIGHTS = 1 | 2  # TCP bind and connect
SCOPES = 1 | 2  # abstract unix sockets, signals

libc = ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: Any) -> int:
    """A system call that raises OSError."""
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def prctl(option: int, *arguments: Any) -> None:
    if libc.prctl(option, *(arguments + (0,) * (4 - len(arguments)))) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def enter_layer(rights: int, net: int, allowed: list[tuple[str, int]]) -> None:
    """Give up every file right in `rights` except below the allowed paths, TCP, and signals to the outside."""
    attributes = struct.pack("=QQQ", rights, net, SCOPES)
    ruleset = call(CREATE_RULESET, attributes, len(attributes), 0)
    for path, granted in allowed:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        granted &= rights if stat.S_ISDIR(os.fstat(fd).st_mode) else rights & (FILE_RIGHTS | DEVICE_RIGHTS)
        call(ADD_RULE, ruleset, 1, struct.pack("=Qi", granted, fd), 0)
        os.close(fd)
    call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def file_rules(order: dict[str, Any]) -> list[tuple[str, int]]:
    rules = [(path, TREE_RIGHTS) for path in order["readable"]]
    rules += [(path, DEVICE_RIGHTS) for path in ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")]
    # of /proc only itself, and only the program's first process: runtimes look for their stack in /proc/self/maps
    rules += [(path, TREE_RIGHTS & ~EXECUTE) for path in ("/proc/self", "/proc/cpuinfo", "/proc/meminfo")]
    rules += [(path, ALL_RIGHTS & ~MAKE_DEVICES) for path in order["writable"]]
    return rules


def become(order: dict[str, Any], launcher: int) -> NoReturn:
    """In the child: wait to be let go, give everything up, become the program."""
    prctl(PR_SET_PDEATHSIG, SIGKILL)
    if os.getppid() != launcher:
        os._exit(125)
    os.write(GATE, b"\n")
    while (letter := os.read(GATE, 1)) != b"\n":
        if not letter:
            os._exit(125)
    with open("/proc/self/oom_score_adj", "w") as file:  # if memory ever runs out, not somebody else
        file.write("1000")
    os.setsid()
    os.chdir(order["work"])
    if order["channel"]:
        os.dup2(CHANNEL, GATE)
    else:
        os.close(GATE)
    os.closerange(CHANNEL, 1 << 16)
    for name in (SIGPIPE, SIGXFSZ, SIGINT):  # Python has set them
        libc.signal(name, ctypes.c_void_p(0))
    if order["confine"]:
        enter_layer(ALL_RIGHTS, NET_RIGHTS, file_rules(order))
    for name, ceiling in order["rlimits"]:
        resource.setrlimit(name, (ceiling, ceiling))
    if order["confine"]:
        steps = order["seccomp"]
        text = ctypes.create_string_buffer(steps)
        filter_program = struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(text))
        buffer = ctypes.create_string_buffer(filter_program)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(buffer))
    try:
        os.execvpe(order["argv"][0], order["argv"], order["environment"])
    except OSError as error:
        os.write(2, f"{order['argv'][0]}: {error.strerror}\n".encode())
    os._exit(127)


def end_all(confined: bool) -> None:
    """SIGKILL to everything the program left, until nothing is left; all of it is, or becomes, our child."""
    while True:
        if confined:
            try:
                os.kill(-1, SIGKILL)
            except ProcessLookupError:
                pass
        else:
            for pid in descendants():
                try:
                    os.kill(pid, SIGKILL)
                except OSError:
                    pass
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def attend(program: int) -> int:
    """Wait for the program to end, or for the sandbox to hang up; the program's wait status."""
    pidfd = os.pidfd_open(program)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(GATE, select.POLLRDHUP)
    poll.poll()
    if select.select([pidfd], [], [], 0)[0]:
        return os.waitpid(program, 0)[1]
    return SIGKILL


def descendants() -> list[int]:
    """Processes that we, or ours, have started; read from /proc."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):
            continue
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= more
    return sorted(found - {os.getpid()})


def main() -> int:
    sandbox = os.getppid()
    with open(GATE, "rb", closefd=False) as gate:
        try:
            order = marshal.load(gate)
        except (EOFError, ValueError, TypeError):
            return 125
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if order["confine"]:
        enter_layer(MAKE_DEVICES, 0, [])  # a layer must give something up; this one is there for its scopes
        try:
            os.kill(sandbox, 0)
        except PermissionError:
            pass
        else:
            raise SystemExit("this kernel's Landlock does not hold signals back")
    launcher = os.getpid()
    program = os.fork()
    if program == 0:
        become(order, launcher)
    try:
        status = attend(program)
    finally:
        end_all(order["confine"])
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
