"""What a run says about itself, and the pieces it is made of."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import backends, cgroup, identity, seccomp
from viscodex.sandbox.box import Box
from viscodex.sandbox.boxed import Streams
from viscodex.sandbox.jail import INSIDE_ID, WORK, Jail, Mount, checked_name
from viscodex.sandbox.limits import GIB, MIB, Limits
from viscodex.sandbox.seccomp import Policy, compile_policy
from viscodex.sandbox.wrapper import write_wrapper


def test_a_run_tells_what_it_used(boxed, limits):
    execution = boxed("x = bytearray(b'x') * (50 << 20)\nfor _ in range(3_000_000): pass\nimport time; time.sleep(0.2)")
    assert execution.ok
    assert 0.02 < execution.cpu_s < 5
    assert 0.2 <= execution.wall_s < 20
    assert 50 * MIB < execution.rss_peak < limits.memory


def test_input_comes_from_bytes_or_a_descriptor(boxed, tmp_path):
    echo = "import sys; sys.stdout.write(sys.stdin.read())"
    assert boxed(echo, stdin=b"from bytes").stdout == b"from bytes"
    assert boxed(echo).stdout == b""
    path = tmp_path / "input"
    path.write_bytes(b"from a file")
    with path.open("rb") as file:
        assert boxed(echo, stdin=file.fileno()).stdout == b"from a file"
    large = os.urandom(3 << 20).hex().encode()
    execution = boxed("import sys; print(len(sys.stdin.buffer.read()))", stdin=large)
    assert int(execution.stdout) == len(large)


def test_the_usual_ways_of_reading_and_writing_work(backend, limits):
    script = "cat /dev/stdin > /dev/stdout; echo error > /dev/stderr; test -t 0 || echo no terminal"
    execution = Box(limits, backend=backend).run(["/bin/sh", "-c", script], stdin=b"text\n")
    assert (execution.stdout, execution.stderr) == (b"text\nno terminal\n", b"error\n")


def test_files_go_in_and_come_out(boxed, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"on disk")
    with path.open("rb") as file:
        execution = boxed(
            "import os; print(open('a/b.txt').read(), open('c').read()); open('out', 'w').write('made')",
            files={"a/b.txt": b"in memory", "c": file.fileno()},
            collect=["out", "a/b.txt"],
        )
    assert execution.stdout == b"in memory on disk\n"
    assert execution.artifacts == {"out": b"made", "a/b.txt": b"in memory"}


def test_runs_do_not_see_each_other(boxed):
    assert boxed("open('left', 'w').write('x')").ok
    assert boxed("import os; print(os.listdir('.'))").stdout == b"[]\n"


def test_the_private_channel_is_the_programs_third_descriptor(boxed):
    execution = boxed("import os; os.write(3, b'private'); print('public')", channel=True)
    assert (execution.channel, execution.stdout) == (b"private", b"public\n")
    assert boxed("import os; os.write(3, b'x')").status == "error"


def test_signals_are_told_as_a_shell_tells_them(boxed):
    assert boxed("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").exit_code == 139
    assert boxed("import os; os.abort()").exit_code == 134


def test_a_mount_is_shown_and_read_only(backend, limits, public):
    (public / "data").write_text("shown")
    (public / "data").chmod(0o644)
    box = Box(limits, Jail(mounts=(Mount(str(public)),)), backend)
    script = f"cat {public}/data; echo x 2>/dev/null > {public}/new || echo read-only"
    assert box.run(["/bin/sh", "-c", script]).stdout == b"shownread-only\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's folders are in reach anyway")
def test_a_folder_that_only_root_can_reach_can_be_shown(limits, tmp_path):
    if reason := backends.problem("bwrap"):
        pytest.skip(reason)
    tmp_path.chmod(0o700)
    inner = tmp_path / "tools"
    inner.mkdir()
    (inner / "data").write_text("shown")
    box = Box(limits, Jail(mounts=(Mount(str(inner)),)), "bwrap")
    assert box.run(["/bin/sh", "-c", f"cat {inner}/data; ls {tmp_path}"]).stdout == b"showntools\n"
    assert not list(tmp_path.parent.glob("**/0"))


def test_variables_are_the_jails(backend, limits):
    box = Box(limits, Jail(environment={"GREETING": "hello"}), backend)
    assert box.run(["/bin/sh", "-c", "echo $GREETING $LANG"]).stdout == b"hello C.UTF-8\n"


def test_a_long_lived_process_is_spoken_to_over_its_streams(backend, limits):
    """The way a zygote is run: start, talk, close."""
    inside, ours_out = os.pipe()
    ours_in, outside = os.pipe()
    echo = "import sys\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)"
    held = backends.start(backend, Jail(limits=limits), ["/usr/bin/python3", "-c", echo], Streams(inside, outside, 2))
    try:
        os.close(inside)
        os.close(outside)
        for word in (b"abc", b"xyz"):
            os.write(ours_out, word + b"\n")
            assert os.read(ours_in, 100) == word[::-1] + b"\n"
        assert not held.ended()
    finally:
        held.close()
        os.close(ours_out)
        os.close(ours_in)
    assert held.exit_code == 137


def test_a_jail_may_nest(limits):
    """A zygote that isolates its children makes namespaces; an ordinary program must not."""
    if reason := backends.problem("bwrap"):
        pytest.skip(reason)
    nest = ["/usr/bin/unshare", "--user", "--pid", "--fork", "--mount-proc", "/bin/echo", "nested"]
    zygote = Jail(policy=Policy(namespaces=True), nested=True)
    assert Box(limits, zygote, "bwrap").run(nest).stdout == b"nested\n"
    assert b"nested" not in Box(limits, backend="bwrap").run(nest).stdout


def test_a_jail_can_be_an_executable(limits, public):
    """For a browser driver: descriptors 3 and 4 are the program's, and the rest is as in a box."""
    if reason := backends.problem("bwrap"):
        pytest.skip(reason)
    script = write_wrapper(Jail(limits=limits), ["/bin/sh", "-c", "pwd; ulimit -n; id -u; echo x >&4; echo $0"], public)
    command = ["/bin/sh", "-c", f'exec 4>{public}/out; exec "$@"', "sh", str(script), "last"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert (public / "out").read_text() == "x\n"
    assert done.stdout == f"{WORK}\n{limits.open_files}\n{INSIDE_ID}\nlast\n".encode()


# Limits


def test_the_shell_sets_what_setrlimit_would(limits):
    command = ["/bin/sh", "-c", f"{limits.shell_line()}; exec {sys.executable} -c 'import resource; print(*[resource."
               "getrlimit(n)[1] for n in range(16) if n != resource.RLIMIT_NPROC])'"]  # fmt: skip
    seen = list(map(int, subprocess.run(command, capture_output=True, check=True).stdout.split()))
    import resource

    names = [n for n in range(16) if n != resource.RLIMIT_NPROC]
    wanted = limits.rlimits()
    assert {n: v for n, v in zip(names, seen, strict=True) if n in wanted} == {
        n: v for n, v in wanted.items() if n != resource.RLIMIT_NPROC
    }


def test_the_wall_clock_is_four_times_the_cpu_limit_unless_said():
    assert Limits(cpu_s=3).wall == 12
    assert Limits(cpu_s=3, wall_s=5).wall == 5


def test_limits_are_never_above_our_own():
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert Limits(open_files=10**9).rlimits()[resource.RLIMIT_NOFILE] == (hard if hard > 0 else 10**9)


# Names


@given(st.text())
def test_a_name_is_inside_the_box_or_refused(name):
    try:
        checked = checked_name(name)
    except VisCodexError:
        return
    place = os.path.normpath(f"{WORK}/{checked}")
    assert place.startswith(f"{WORK}/")
    assert "\0" not in checked


# The filter


def execute(program: bytes, nr: int, arch: int, *arguments: int) -> int:
    """A BPF machine of a few lines: what the kernel would answer."""
    data = struct.pack("=IIQ6Q", nr, arch, 0, *(arguments + (0,) * (6 - len(arguments))))
    steps = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator, at = 0, 0
    while True:
        code, hit, miss, value = steps[at]
        if code == seccomp.LOAD:
            accumulator, at = struct.unpack_from("=I", data, value)[0], at + 1
        elif code == seccomp.RETURN:
            return value
        else:
            true = {
                seccomp.JUMP_EQUAL: accumulator == value,
                seccomp.JUMP_GREATER_EQUAL: accumulator >= value,
                seccomp.JUMP_ANY_BIT: bool(accumulator & value),
            }[code]
            at += 1 + (hit if true else miss)


ALLOW, EPERM, ENOSYS, EAFNOSUPPORT, KILL = 0x7FFF0000, 0x50001, 0x50026, 0x50061, 0x80000000
X86_64 = 0xC000003E


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_answers_as_the_list_says(machine):
    from viscodex.sandbox.syscalls import AUDIT_ARCH, DENIED, number

    arch, program = AUDIT_ARCH[machine], compile_policy(Policy(), machine)

    def nr(name: str) -> int:
        found = number(name, machine)
        assert found is not None
        return found

    for name in DENIED:
        if number(name, machine) is not None:
            assert execute(program, nr(name), arch) == EPERM, name
    assert execute(program, nr("clone3"), arch) == ENOSYS
    assert execute(program, nr("clone"), arch, 17) == ALLOW
    assert execute(program, nr("clone"), arch, 0x10000011) == EPERM
    assert [execute(program, nr("socket"), arch, family) for family in (1, 2, 10, 16, 40)] == [
        *[ALLOW] * 3, *[EAFNOSUPPORT] * 2
    ]  # fmt: skip
    assert execute(program, nr("ioctl"), arch, 0, 0x5412) == EPERM
    assert execute(program, nr("ioctl"), arch, 0, 0x5401) == ALLOW
    assert execute(program, nr("kill"), arch) == ALLOW
    assert execute(program, nr("clone"), 0x40000003) == KILL
    silent = compile_policy(Policy(signals=False), machine)
    assert execute(silent, nr("kill"), arch) == EPERM
    nested = compile_policy(Policy(namespaces=True), machine)
    for name in ("unshare", "setns", "mount", "clone3"):
        assert execute(nested, nr(name), arch) == ALLOW
    assert execute(nested, nr("bpf"), arch) == EPERM


@given(nr=st.integers(0, 600))
def test_what_is_not_named_is_allowed(nr):
    from viscodex.sandbox.syscalls import NUMBERS, number

    if nr not in {number(name, "x86_64") for name in NUMBERS}:
        assert execute(compile_policy(Policy(), "x86_64"), nr, X86_64) == ALLOW


def test_x32_is_refused():
    assert execute(compile_policy(Policy(), "x86_64"), 0x40000000 | 1, X86_64) == EPERM


def test_the_kernel_takes_the_filter():
    code = (
        "import ctypes, struct\nfrom viscodex.sandbox.seccomp import compile_policy\nsteps = compile_policy()\n"
        "text = ctypes.create_string_buffer(steps)\n"
        "program = ctypes.create_string_buffer(struct.pack('HxxxxxxP', len(steps) // 8, ctypes.addressof(text)))\n"
        "libc = ctypes.CDLL(None)\n"
        "assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0\n"
        "print(libc.prctl(21, 0, 0, 0, 0))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"2\n"
    assert ctypes.CDLL(None).prctl(21, 0, 0, 0, 0) in (0, 2)


# Identity and control groups


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs programs as himself")
def test_root_gives_every_run_a_uid_of_its_own(limits):
    uids = {identity.identity().uid for _ in range(10)}
    assert len(uids) == 10 and all(identity.FIRST_UID <= uid <= identity.LAST_UID for uid in uids)
    assert not identity.reachable("/root/anything") and identity.reachable("/usr/bin/env")


def test_a_control_group_is_capped_and_goes_away(limits):
    group = cgroup.make(limits)
    if group is None:
        pytest.skip("no writable control group here")
    try:
        caps = [int(path.read_text()) for path in group.memory.glob("memory.*") if path.name in
                ("memory.max", "memory.limit_in_bytes")]  # fmt: skip
        assert caps == [limits.memory + cgroup.SLACK]
        assert (group.pids / "pids.max").read_text().strip() == str(limits.processes + 8)
        assert not group.out_of_memory()
    finally:
        group.remove()
    assert not group.memory.exists() and not group.pids.exists()


def test_the_kernels_cap_ends_what_outruns_the_watchdog(limits):
    """Gigabytes in one call, faster than any sampling."""
    if (group := cgroup.make(limits)) is None:
        pytest.skip("no writable control group here")
    group.remove()
    roomy = replace(limits, address_space=8 * GIB)
    assert Box(roomy).run(["/usr/bin/python3", "-c", "bytearray(b'x') * (3 << 30)"]).status == "memory"
