"""Does this machine keep what the sandbox promises? Each promise is tried, in a second or two for all of them.

The full set of attacks is in tests/sandbox; docs/security.md says which test stands behind which promise.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from viscodex.core.finding import Finding, Status
from viscodex.sandbox import backends, cgroup
from viscodex.sandbox.backends import ISOLATING, Backend
from viscodex.sandbox.box import Execution
from viscodex.sandbox.limits import GIB, MIB, Limits
from viscodex.sandbox.programs import prepare

SMALL = Limits(
    cpu_s=2, wall_s=20, memory=128 * MIB, processes=16, work_size=8 * MIB, tmp_size=4 * MIB, shm_size=4 * MIB
)
LOST = b"LOST"
"""What a trial prints when it got what it should not get."""


@dataclass(frozen=True)
class Trial:
    """One promise on this machine."""

    promise: str
    held: bool
    detail: str = ""


@dataclass(frozen=True)
class _Promise:
    text: str
    attack: str
    """A Python program; may hold {port}, {path} and {pid}: a service, a file and a process of ours."""
    held: Callable[[Execution], bool] = lambda execution: execution.ok and LOST not in execution.stdout
    limits: Limits = SMALL


def _ended_as(status: str) -> Callable[[Execution], bool]:
    return lambda execution: execution.status == status


def _attempt(statement: str) -> str:
    return f"try: {statement}; print('LOST')\nexcept OSError: pass\n"


_REFUSED = """
import ctypes, platform
libc, lost = ctypes.CDLL(None, use_errno=True), False
numbers = {"x86_64": (319, 321, 425, 101, 272, 165, 250), "aarch64": (279, 280, 425, 117, 97, 40, 219)}
for number in numbers[platform.machine()]:  # memfd_create bpf io_uring_setup ptrace unshare mount keyctl
    if not (libc.syscall(number, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == 1): print("LOST", number)
"""
_RIGHTS = """
import ctypes, os
libc = ctypes.CDLL(None)
if os.geteuid() == 0 or libc.prctl(39, 0, 0, 0, 0) != 1 or libc.prctl(21, 0, 0, 0, 0) != 2: print("LOST")
"""
_DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(300)
    os._exit(0)
os.wait()
"""
_FORKS = """
import os, time
made = 0
for _ in range(40):
    try:
        if os.fork() == 0: time.sleep(60); os._exit(0)
        made += 1
    except OSError: break
time.sleep(0.3)
print("LOST" if made > 16 else made, flush=True)
os._exit(0)
"""
_FILL = """
import os, tempfile
for folder in (os.getcwd(), tempfile.gettempdir()):
    total = 0
    try:
        with open(folder + "/fill", "wb", buffering=0) as file:
            for _ in range(32): total += file.write(bytes(1 << 20))
    except OSError: pass
    if total > 8 << 20: print("LOST")
import time; time.sleep(0.3)
"""

PROMISES = (
    _Promise("runs without root, new privileges or an unfiltered kernel", _RIGHTS),
    _Promise("dangerous system calls are refused", _REFUSED),
    _Promise("no network, not even this machine's services",
             "import socket\n" + _attempt("socket.create_connection(('127.0.0.1', {port}), 2)")),
    _Promise("files outside the box cannot be read", _attempt("open({path!r}).read()")),
    _Promise("the system's files cannot be written", _attempt("open('/usr/viscodex-selftest', 'w')")),
    _Promise("the environment is not passed on", "import os\nif 'VISCODEX_SELFTEST' in os.environ: print('LOST')"),
    _Promise("other processes cannot be signalled", "import os\n" + _attempt("os.kill({pid}, 0)")),
    _Promise("other processes cannot be looked into", _attempt("open('/proc/{pid}/cmdline').read()")),
    _Promise("CPU seconds end a spin", "while True: pass", _ended_as("timeout"), replace(SMALL, cpu_s=0.3)),
    _Promise("the wall clock ends a sleep", "import time; time.sleep(60)", _ended_as("timeout"),
             replace(SMALL, wall_s=0.3)),
    _Promise("memory is limited over all processes",
             "import os, time\nfor _ in range(4): os.fork()\nkept = bytearray(b'x') * (20 << 20)\ntime.sleep(3)",
             _ended_as("memory"), replace(SMALL, processes=32)),
    _Promise("processes and threads are limited", _FORKS,
             lambda execution: execution.status == "error" or (execution.ok and LOST not in execution.stdout)),
    _Promise("files are limited in size and number", _FILL,
             lambda execution: execution.status == "output_limit" or (execution.ok and LOST not in execution.stdout),
             replace(SMALL, memory=GIB)),
    _Promise("output is limited", "while True: print('x' * 10_000)", _ended_as("output_limit"),
             replace(SMALL, stdout=50_000)),
    _Promise("a daemon neither delays the return nor survives it", _DAEMON,
             lambda execution: execution.ok and execution.wall_s < 15),
    _Promise("links and pipes are not collected", "import os; os.symlink('/etc/passwd', 'out')",
             lambda execution: execution.ok and not execution.artifacts),
)  # fmt: skip


def examine(backend: Backend | None = None) -> Iterator[Trial]:
    """Try every promise in a back end; VisCodexError when there is none. "none" shows what it is without a box."""
    chosen = backend or backends.best()
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as folder:
        secret = Path(folder, "secret")
        secret.write_text("secret")
        os.environ["VISCODEX_SELFTEST"] = "secret"
        try:
            ours = {"{port}": str(server.getsockname()[1]), "{path!r}": repr(str(secret)), "{pid}": str(os.getpid())}
            for promise in PROMISES:
                yield _try(promise, ours, chosen)
        finally:
            del os.environ["VISCODEX_SELFTEST"]


def _try(promise: _Promise, ours: dict[str, str], backend: Backend) -> Trial:
    attack = promise.attack
    for mark, value in ours.items():
        attack = attack.replace(mark, value)
    program = prepare("python", attack, promise.limits, backend=backend, unsafe_local=backend == "none")
    execution = program.run(collect=["out"])
    if promise.held(execution):
        return Trial(promise.text, True)
    last = (execution.stdout + execution.stderr).decode(errors="replace").strip().splitlines()
    return Trial(promise.text, False, f"{execution.status}: {last[-1][:120] if last else ''}")


def findings() -> Iterator[Finding]:
    """What `viscodex doctor` says about running untrusted programs here."""
    purpose = "runs what a model wrote"
    reasons = {backend: backends.problem(backend) for backend in ISOLATING}
    usable = [backend for backend, reason in reasons.items() if not reason]
    said = "; ".join(f"{backend}: {reason or 'works'}" for backend, reason in reasons.items())
    status: Status = "ok" if "bwrap" in usable else "optional" if usable else "missing"
    advice = "viscodex sandbox selftest tells more"
    yield Finding("Sandbox", "back end", status, said, purpose, "" if status == "ok" else advice)
    group = cgroup.make(Limits())
    if group is None:
        detail = "no writable control group: memory is watched, not capped by the kernel"
        yield Finding(
            "Sandbox", "memory cap", "optional", detail, purpose, "run as root outside a container, if at all"
        )
    else:
        group.remove()
        yield Finding("Sandbox", "memory cap", "ok", "the kernel's, by control groups", purpose)
