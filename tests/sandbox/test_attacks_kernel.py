"""Attacks through the kernel: more rights, other namespaces, memory that no limit sees, calls that are refused."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

import pytest

from viscodex.sandbox.box import Box
from viscodex.sandbox.jail import Jail, Mount
from viscodex.sandbox.syscalls import NUMBERS, number

SUCCEEDED = b"SUCCEEDED"
MACHINE = platform.machine()
LIBC = """
import ctypes, errno, os, signal
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*[a if isinstance(a, (bytes, ctypes.c_void_p)) else ctypes.c_long(a) for a in arguments])
    return (result, ctypes.get_errno())
"""


def nr(name: str) -> int:
    found = number(name, MACHINE)
    assert found is not None
    return found


# call: (arguments, ) such that outside it succeeds, or fails for another reason than being refused
CALLS = {
    "memfd_create": "b'x', 0",
    "shmget": "0, 4096, 0o1600",
    "msgget": "0, 0o1600",
    "semget": "0, 1, 0o1600",
    "keyctl": "0, -3, 0",
    "add_key": "b'user', b'x', b'y', 1, -3",
    "io_uring_setup": "4, 0",
    "bpf": "0, 0, 0",
    "userfaultfd": "0",
    "perf_event_open": "0, 0, -1, -1, 0",
    "ptrace": "0, 0, 0, 0",
    "process_vm_readv": "os.getpid(), 0, 0, 0, 0, 0",
    "kcmp": "os.getpid(), os.getpid(), 0, 0, 0",
    "mount": "0, 0, 0, 0, 0",
    "umount2": "b'/nowhere', 0",
    "pivot_root": "b'/nowhere', b'/nowhere'",
    "chroot": "b'/nowhere'",
    "unshare": "0x10000000",
    "setns": "-1, 0",
    "open_tree": "-100, b'/', 0",
    "fsopen": "b'tmpfs', 0",
    "name_to_handle_at": "-1, b'', 0, 0, 0",
    "open_by_handle_at": "-1, 0, 0",
    "fanotify_init": "0, 0",
    "vmsplice": "-1, 0, 0, 0",
    "mq_open": "b'x', 0o102, 0o600, 0",
    "syslog": "3, 0, 0",
    "sethostname": "b'x', -1",
    "clone3": "0, 0",
}


@pytest.mark.parametrize("name", CALLS)
def test_a_dangerous_call_is_refused(boxed, unboxed, name):
    """Refused is EPERM (or ENOSYS for clone3), whatever the arguments; outside, the same call is not refused so."""
    attack = f"{LIBC}\nresult, error = call({nr(name)}, {CALLS[name]})\nprint('errno', error if result < 0 else 0)"
    refusal = b"errno 38" if name == "clone3" else b"errno 1\n"
    execution = boxed(attack)
    assert refusal in execution.stdout, (execution.stdout, execution.stderr)
    if refusal in unboxed(attack):
        pytest.skip("held, but this user may not call it outside either: no control")


def test_every_name_in_the_list_has_its_number():
    """The table is the kernel's: checked against the C library's headers where they are installed."""
    headers = {
        "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
        "aarch64": "/usr/include/asm-generic/unistd.h",
    }
    import re
    from pathlib import Path

    checked = 0
    for machine, path in headers.items():
        if not Path(path).exists():
            continue
        text = Path(path).read_text()
        kernel = {name: int(value) for name, value in re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", text)}
        for name in NUMBERS:
            if name in kernel:
                assert number(name, machine) == kernel[name], (machine, name)
                checked += 1
    if not checked:
        pytest.skip("no kernel headers here")
    assert checked > 100


def test_a_new_user_namespace_cannot_be_made(boxed, unboxed):
    attack = (
        LIBC
        + f"""
flags = 0x10000000 | signal.SIGCHLD
result, error = call({nr("clone")}, flags, 0, 0, 0, 0)
if result == 0: os._exit(0)
print("SUCCEEDED" if result > 0 else error)
"""
    )
    assert SUCCEEDED in unboxed(attack)
    assert SUCCEEDED not in boxed(attack).stdout


def test_threads_and_children_still_work(boxed):
    """The other side of refusing clone3 and namespaces."""
    execution = boxed("""
        import os, subprocess, threading
        t = threading.Thread(target=lambda: print("thread")); t.start(); t.join()
        print(subprocess.run(["/bin/echo", "child"], capture_output=True, text=True).stdout)
    """)
    assert execution.ok and b"thread" in execution.stdout and b"child" in execution.stdout


def test_no_rights_are_held_and_none_can_be_gained(boxed, unboxed):
    """No capabilities, no_new_privs (so set-uid files give nothing), a seccomp filter, not uid 0."""
    attack = (
        LIBC
        + """
import struct
header, data = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0)), ctypes.create_string_buffer(24)
assert libc.capget(header, data) == 0
capabilities = sum(struct.unpack("6I", data.raw))
nnp, mode = libc.prctl(39, 0, 0, 0, 0), libc.prctl(21, 0, 0, 0, 0)
print("caps", capabilities, "nnp", nnp, "seccomp", mode, "uid0", os.geteuid() == 0)
"""
    )
    assert b"nnp 0" in unboxed(attack)
    assert boxed(attack).stdout.strip() == b"caps 0 nnp 1 seccomp 2 uid0 False"


def test_a_set_uid_program_does_not_make_root(boxed):
    """su, mount and the like are in /usr and can be run; they run as the program's own user."""
    execution = boxed("""
        import os, stat, subprocess
        found = [p for p in ("/usr/bin/su", "/usr/bin/mount", "/usr/bin/passwd", "/usr/bin/newgrp")
                 if os.path.exists(p) and os.stat(p).st_mode & stat.S_ISUID]
        print("found", len(found))
        for call in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
            try: call(); print("SUCCEEDED")
            except OSError: pass
        for path in found:
            r = subprocess.run([path, "-c", "id -u"], capture_output=True, input=b"")
            if r.stdout.strip() == b"0": print("SUCCEEDED", path)
    """)
    assert b"found 0" not in execution.stdout
    assert SUCCEEDED not in execution.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a set-uid program")
def test_a_set_uid_program_of_roots_making_gives_nothing(backend, limits, public):
    """With its control: the same file makes nobody root outside."""
    tool = public / "id"
    shutil.copy("/usr/bin/id", tool)
    tool.chmod(0o4755)
    outside = subprocess.run([tool, "-u"], user=65534, group=65534, extra_groups=[], capture_output=True, check=True)
    assert outside.stdout == b"0\n"
    inside = Box(limits, Jail(mounts=(Mount(str(public)),)), backend).run([str(tool), "-u"])
    assert inside.ok and inside.stdout != b"0\n"


@pytest.mark.skipif(MACHINE != "x86_64", reason="the 32-bit and x32 doors are x86-64's")
@pytest.mark.parametrize("door", ["int80", "x32"])
def test_the_old_doors_into_the_kernel_are_shut(boxed, unboxed, door):
    """int 0x80 and x32 number the calls differently, so a filter that overlooks them can be walked around."""
    # memfd_create: 356 in the 32-bit table; mov eax, N; xor ecx, ecx; int 0x80; ret. x32: bit 30 set, syscall.
    attack = (
        LIBC
        + f"""
import mmap
door = {door!r}
le = lambda number: number.to_bytes(4, "little")
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
low = libc.mmap
low.restype = ctypes.c_void_p
name = low(ctypes.c_void_p(0x10000000), 4096, 3, 0x32, -1, 0)
ctypes.memmove(name, b"x\\0", 2)
if door == "int80":
    code = b"\\x53\\xbb" + le(0x10000000) + b"\\x31\\xc9\\xb8" + le(356) + b"\\xcd\\x80\\x5b\\xc3"
else:
    code = b"\\x48\\xc7\\xc7" + le(0x10000000) + b"\\x31\\xf6\\xb8" + le(0x40000000 | 319) + b"\\x0f\\x05\\xc3"
page.write(code)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
print("SUCCEEDED" if result >= 0 else result)
"""
    )
    execution = boxed(attack)
    assert SUCCEEDED not in execution.stdout
    assert execution.exit_code in (0, 159), execution  # refused, or killed by SIGSYS
    if SUCCEEDED not in unboxed(attack):
        pytest.skip(f"held, but this kernel does not open {door} at all: no control")


def test_nothing_can_be_typed_into_the_terminal(boxed, unboxed):
    attack = """
        import errno, fcntl, os
        try: fcntl.ioctl(0, 0x5412, b"x")
        except OSError as error: print("refused" if error.errno == errno.EPERM else "SUCCEEDED")
    """
    assert SUCCEEDED in unboxed(attack)  # not a terminal (ENOTTY): the request reached the driver
    assert SUCCEEDED not in boxed(attack).stdout


def test_devices_cannot_be_made_or_opened(boxed, unboxed):
    make = """
        import os, stat
        for kind, device in ((stat.S_IFBLK, os.makedev(254, 0)), (stat.S_IFCHR, os.makedev(1, 5))):
            try: os.mknod("device", 0o666 | kind, device); print("SUCCEEDED")
            except OSError: pass
    """
    assert (SUCCEEDED in unboxed(make)) is (os.geteuid() == 0)
    assert SUCCEEDED not in boxed(make).stdout
    execution = boxed("""
        for name in ("vda", "sda", "mem", "kvm", "fuse", "vsock", "nvidia0", "core"):
            try: open(f"/dev/{name}", "rb").read(1); print("SUCCEEDED", name)
            except OSError: pass
        print(open("/dev/urandom", "rb").read(4) != b"", open("/dev/null", "w").write("x"))
    """)
    assert execution.stdout.strip() == b"True 1"
