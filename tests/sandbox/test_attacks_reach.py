"""Attacks on what lies outside: the network, the host's files, its environment, its processes."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from viscodex.sandbox import scratch

SUCCEEDED = b"SUCCEEDED"


def serve(server: socket.socket) -> None:
    """Greet whoever connects, until the socket is closed."""

    def greet() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"secret")

    server.listen()
    threading.Thread(target=greet, daemon=True).start()


def test_a_tcp_service_on_the_host_is_out_of_reach(boxed, unboxed):
    with socket.create_server(("127.0.0.1", 0)) as server:
        serve(server)
        attack = f"""
            import socket
            s = socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), timeout=3)
            if s.recv(6) == b"secret": print("SUCCEEDED")
        """
        assert SUCCEEDED in unboxed(attack)
        assert SUCCEEDED not in boxed(attack).stdout


def test_names_cannot_be_resolved_and_datagrams_do_not_arrive(boxed, unboxed):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.5)
        attack = f"""
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.sendto(b"query", ("127.0.0.1", {server.getsockname()[1]}))
        """
        unboxed(attack)
        assert server.recv(16) == b"query"
        boxed(attack)
        with pytest.raises(TimeoutError):
            server.recv(16)
    names = "import socket; print(socket.getaddrinfo('example.org', 80)); print('SUCCEEDED')"
    assert SUCCEEDED not in boxed(names).stdout


def test_a_unix_socket_in_the_file_system_is_out_of_reach(boxed, unboxed, public):
    path = public / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o777)
        serve(server)
        attack = f"""
            import socket
            s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r})
            if s.recv(6) == b"secret": print("SUCCEEDED")
        """
        assert SUCCEEDED in unboxed(attack)
        assert SUCCEEDED not in boxed(attack).stdout


def test_an_abstract_unix_socket_is_out_of_reach(boxed, unboxed, tmp_path):
    name = f"\0{tmp_path}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        serve(server)
        attack = f"""
            import socket
            s = socket.socket(socket.AF_UNIX); s.connect({name!r})
            if s.recv(6) == b"secret": print("SUCCEEDED")
        """
        assert SUCCEEDED in unboxed(attack)
        assert SUCCEEDED not in boxed(attack).stdout


@pytest.mark.parametrize("family", ["AF_VSOCK", "AF_NETLINK", "AF_PACKET", "AF_ALG", "AF_CAN"])
def test_unusual_sockets_cannot_be_made(boxed, unboxed, family):
    attack = f"""
        import socket
        kinds = {{"AF_NETLINK": socket.SOCK_RAW, "AF_PACKET": socket.SOCK_RAW, "AF_CAN": socket.SOCK_RAW,
                  "AF_ALG": socket.SOCK_SEQPACKET}}
        socket.socket(socket.{family}, kinds.get("{family}", socket.SOCK_STREAM)); print("SUCCEEDED")
    """
    assert SUCCEEDED not in boxed(attack).stdout
    if SUCCEEDED not in unboxed(attack):
        pytest.skip(f"held, but this kernel or user cannot make {family} sockets outside either: no control")


def test_a_secret_file_cannot_be_read(boxed, unboxed, tmp_path):
    secret = tmp_path / "key"
    secret.write_text("secret")
    secret.chmod(0o600)
    attack = f"if open({str(secret)!r}).read() == 'secret': print('SUCCEEDED')"
    assert SUCCEEDED in unboxed(attack)
    assert SUCCEEDED not in boxed(attack).stdout


def test_a_world_readable_file_outside_the_system_cannot_be_read(boxed, unboxed, public):
    note = public / "note"
    note.write_text("secret")
    note.chmod(0o644)
    attack = f"if open({str(note)!r}).read() == 'secret': print('SUCCEEDED')"
    assert SUCCEEDED in unboxed(attack)
    assert SUCCEEDED not in boxed(attack).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can read /etc/shadow anyway")
def test_roots_files_cannot_be_read_when_root_started_the_box(boxed, unboxed):
    attack = "if open('/etc/shadow').read(): print('SUCCEEDED')"
    assert SUCCEEDED in unboxed(attack)
    assert SUCCEEDED not in boxed(attack).stdout


def test_home_folders_cannot_be_listed(boxed, unboxed):
    attack = "import os; os.listdir('/home'); print('SUCCEEDED')"
    assert SUCCEEDED in unboxed(attack)
    assert SUCCEEDED not in boxed(attack).stdout


def test_the_environment_is_not_passed_on(boxed, unboxed, monkeypatch):
    monkeypatch.setenv("API_KEY", "secret-in-environment")
    attack = "import os; print('SUCCEEDED' if 'secret-in-environment' in str(os.environ) else '')"
    assert SUCCEEDED in unboxed(attack)
    assert SUCCEEDED not in boxed(attack).stdout


def test_another_process_of_the_same_user_keeps_its_environment(boxed, unboxed):
    victim = subprocess.Popen(["/bin/sleep", "60"], env={"API_KEY": "secret-of-a-neighbour"})
    try:
        attack = f"""
            import glob
            for path in ["/proc/{victim.pid}/environ", *glob.glob("/proc/[0-9]*/environ")]:
                try:
                    if b"secret-of-a-neighbour" in open(path, "rb").read(): print("SUCCEEDED"); break
                except OSError: pass
        """
        assert SUCCEEDED in unboxed(attack)
        assert SUCCEEDED not in boxed(attack).stdout
    finally:
        victim.kill()
        victim.wait()


def test_other_processes_cannot_be_listed(boxed, unboxed):
    attack = """
        import os
        for name in filter(str.isdigit, os.listdir("/proc")):
            command = open(f"/proc/{name}/cmdline", "rb").read()
            if b"pytest" in command and b"SUCCEEDED" not in command: print("SUCCEEDED"); break
    """
    assert SUCCEEDED in unboxed(attack)
    assert SUCCEEDED not in boxed(attack).stdout


def test_other_processes_cannot_be_signalled(boxed, unboxed):
    def attack(victim: int) -> str:
        return f"import os; os.kill({victim}, 9); print('SUCCEEDED')"

    for run, falls in ((unboxed, True), (boxed, False)):
        victim = subprocess.Popen(["/bin/sleep", "60"])
        try:
            run(attack(victim.pid))
            if not falls:
                run("import os, signal; os.kill(-1, signal.SIGKILL)")
            assert (victim.poll() is not None) is falls or (falls and victim.wait(5) == -9)
        finally:
            victim.kill()
            victim.wait()


def test_another_process_cannot_be_traced_or_read(boxed, unboxed):
    victim = subprocess.Popen(["/bin/sleep", "60"])
    try:
        attack = f"""
            import ctypes
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.ptrace(16, {victim.pid}, 0, 0) == 0: print("SUCCEEDED")
        """
        assert SUCCEEDED in unboxed(attack)
        assert SUCCEEDED not in boxed(attack).stdout
    finally:
        victim.kill()
        victim.wait()


def test_descriptors_of_the_caller_do_not_leak(boxed, tmp_path):
    """A C library's descriptor without close-on-exec would be inherited by an ordinary child."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    leak = os.open(secret, os.O_RDONLY)
    try:
        os.set_inheritable(leak, True)
        attack = """
            import os
            for fd in range(3, 256):
                try: os.fstat(fd); print("SUCCEEDED", fd)
                except OSError: pass
        """
        control = subprocess.run(
            ["/usr/bin/python3", "-c", f"import os; os.fstat({leak})"], close_fds=False, check=False
        )
        assert control.returncode == 0
        assert SUCCEEDED not in boxed(attack).stdout
    finally:
        os.close(leak)


def test_the_systems_files_cannot_be_written(boxed):
    attack = """
        import os
        for path in ("/", "/usr", "/etc", "/dev", "/proc/sys/kernel", "/usr/lib", "/bin", "/box/..", "/home", "/var"):
            try:
                open(path + "/attack", "w").close(); print("SUCCEEDED", path)
            except OSError: pass
        open("mine", "w").close(); print("control")
    """
    execution = boxed(attack)
    assert b"control" in execution.stdout
    assert SUCCEEDED not in execution.stdout


def test_nothing_of_the_host_is_left_behind(boxed, tmp_path):
    before = set(Path("/tmp").iterdir()) | set(Path("/dev/shm").iterdir())
    boxed("""
        import tempfile, os
        for folder in (os.getcwd(), tempfile.gettempdir(), "/tmp", "/dev/shm"):
            try: open(f"{folder}/left-behind-by-an-attack", "w").close()
            except OSError: pass
        os.mkdir("locked"); open("locked/file", "w").close(); os.chmod("locked", 0)
    """)
    left = (set(Path("/tmp").iterdir()) | set(Path("/dev/shm").iterdir())) - before
    ours = ("left-behind", f"{scratch.PREFIX}{os.getpid()}-")  # others may run boxes of their own meanwhile
    assert not [path for path in left if any(word in path.name for word in ours)]
