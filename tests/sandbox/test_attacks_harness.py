"""Attacks on the one who runs the box, and what becomes of the box when that one is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from viscodex.core.errors import VisCodexError
from viscodex.sandbox.box import Box

SUCCEEDED = b"SUCCEEDED"


def test_the_boxs_own_processes_cannot_be_killed(boxed):
    script = "python3 -c 'import os; os.kill(os.getppid(), 9)'; echo survived"
    control = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=False)
    assert (control.returncode, control.stdout) == (-9, b"")
    execution = boxed("""
        import os, signal
        for victim in (1, os.getppid(), 2, -1):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSTOP, signal.SIGKILL):
                if victim in (os.getpid(), -os.getpid()): continue
                try: os.kill(victim, number)
                except OSError: pass
        print("still here")
    """)
    # kill(-1, SIGSTOP) spares the sender, so it lives to tell; the box is neither stopped nor ended by it
    assert execution.ok and execution.stdout == b"still here\n"


def test_writing_to_every_descriptor_changes_nothing(boxed):
    execution = boxed("""
        import os, resource
        print("before", flush=True)
        for fd in range(3, 4096):
            for junk in (b"\\0" * 64, b'ulimit -v unlimited\\n', b'{"status": "ok"}\\n'):
                try: os.write(fd, junk)
                except OSError: break
        os.closerange(0, 4096)
        os._exit(3)
    """)
    assert (execution.status, execution.exit_code, execution.stdout) == ("error", 3, b"before\n")


def test_limits_cannot_be_raised(boxed, unboxed):
    attack = """
        import resource
        for limit in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU):
            try: resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)); print("SUCCEEDED")
            except (OSError, ValueError): pass
    """
    assert SUCCEEDED in unboxed(attack)  # up to infinity where ours are infinite
    assert SUCCEEDED not in boxed(attack).stdout


def test_the_launchers_own_exit_codes_mean_nothing_when_a_program_uses_them(boxed):
    for code in (125, 126, 127, 1):
        execution = boxed(f"import os; os._exit({code})")
        assert (execution.status, execution.exit_code) == ("error", code)


def test_a_missing_program_is_an_error_of_the_run(backend, limits):
    execution = Box(limits, backend=backend).run(["/usr/bin/no-such-program"])
    assert (execution.status, execution.exit_code) == ("error", 127)


HARNESS = """
import sys
from viscodex.sandbox.box import Box
from viscodex.sandbox.limits import Limits
box = Box(Limits(cpu_s=50, wall_s=100), backend=sys.argv[1])
print("ready", flush=True)
program = '''
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGHUP, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(90)  # MARKER
time.sleep(90)
'''
while True:
    box.run(["/usr/bin/python3", "-c", program])
"""


@pytest.mark.parametrize("fatal", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_harness_leaves_nothing(backend, survivors, fatal):
    """At any moment: while the jail is being made, at the gate, and while a daemon of the program runs."""
    chance = random.Random(0)
    for delay in [0.5, *(chance.uniform(0, 0.12) for _ in range(6))]:
        harness = subprocess.Popen([sys.executable, "-c", HARNESS, backend], stdout=subprocess.PIPE)
        assert harness.stdout is not None and harness.stdout.readline() == b"ready\n"
        time.sleep(delay)
        harness.send_signal(fatal)
        harness.wait()
        harness.stdout.close()
        assert not survivors(harness.pid), f"killed after {delay:.3f} s"


def test_without_a_box_a_killed_parent_does_leave_something():
    """The control of the test above."""
    code = "import subprocess; p = subprocess.Popen(['/bin/sleep', '30']); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    time.sleep(0.2)
    assert Path(f"/proc/{child}").exists()
    os.kill(child, signal.SIGKILL)


def test_an_interrupted_run_leaves_nothing(backend, limits, survivors):
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            Box(limits, backend=backend).run(["/bin/sleep", "20"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert not survivors(os.getpid())


def test_runs_leave_no_descriptors_children_or_groups(backend, limits):
    box = Box(limits, backend=backend)
    box.run(["/bin/true"])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for command in (["/bin/true"], ["/bin/false"], ["/nowhere"], ["/bin/sh", "-c", "sleep 9 & exit 1"]):
        box.run(command, {"file": b"x"}, b"stdin", ["file"], channel=True)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert not list(Path("/sys/fs/cgroup").glob(f"**/viscodex-{os.getpid()}-*"))


def test_boxes_run_side_by_side(backend, limits):
    """From several threads, each with its own files, answers and limits."""
    answers: dict[int, bytes] = {}

    def run(number: int) -> None:
        box = Box(limits, backend=backend)
        command = ["/bin/sh", "-c", "cat file; sleep 0.2; cat"]
        answers[number] = box.run(command, {"file": b"%d " % number}, b"%d" % (number * 7)).stdout

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: b"%d %d" % (number, number * 7) for number in range(8)}


def test_running_without_isolation_must_be_asked_for_and_is_recorded(limits):
    with pytest.raises(VisCodexError, match="must be asked for"):
        Box(limits, backend="none").run(["/bin/true"])
    execution = Box(limits, unsafe_local=True).run(["/bin/true"])
    assert execution.ok and execution.isolation == "none"


# A kernel that has less: a filter that this process puts on itself answers for the missing feature.
POORER = """
import ctypes, errno, struct, sys
from viscodex.sandbox import seccomp
from viscodex.sandbox.syscalls import number
MACHINE = seccomp.platform.machine()
from viscodex.sandbox.seccomp import JUMP_ANY_BIT, JUMP_EQUAL, LOAD, RETURN, _Step
steps = [_Step(LOAD, 0)]
if "landlock" in sys.argv[1]: steps.append(_Step(JUMP_EQUAL, 444, hit="no"))
steps += [_Step(JUMP_EQUAL, number("clone3", MACHINE), hit="no"),
          _Step(JUMP_EQUAL, number("unshare", MACHINE), hit="no"),
          _Step(JUMP_EQUAL, number("clone", MACHINE), miss="yes"),
          _Step(LOAD, 16), _Step(JUMP_ANY_BIT, 0x10000000, hit="no", miss="yes"),
          _Step(RETURN, 0x00050000 | errno.ENOSYS, label="no"), _Step(RETURN, 0x7FFF0000, label="yes")]
text = ctypes.create_string_buffer(seccomp.assemble(steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(text)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
from viscodex.sandbox.box import Box
from viscodex.core.errors import VisCodexError
try: print(Box().run(["/bin/true"]).isolation)
except VisCodexError as error: print("refused:", error)
"""


def poorer(missing: str) -> str:
    return subprocess.run([sys.executable, "-c", POORER, missing], capture_output=True, text=True, check=False).stdout


def test_without_user_namespaces_landlock_takes_over_and_without_both_nothing_runs():
    assert "refused: nothing on this machine can hold" in poorer("namespaces and landlock")
    from viscodex.sandbox import backends

    if reason := backends.problem("landlock"):
        pytest.skip(f"no Landlock to fall back to: {reason}")
    assert poorer("namespaces") == "landlock\n"
