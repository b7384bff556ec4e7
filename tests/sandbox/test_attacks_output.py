"""Attacks on whoever collects what a program leaves behind."""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from dataclasses import replace

import pytest

from viscodex.core.errors import VisCodexError
from viscodex.sandbox.collect import collect, png_size


def test_a_plain_file_is_collected(boxed):
    execution = boxed(
        """
        import os
        open("out.txt", "w").write("result")
        os.makedirs("a/b"); open("a/b/deep.txt", "w").write("deep")
        """,
        collect=["out.txt", "a/b/deep.txt", "missing.txt"],
    )
    assert execution.artifacts == {"out.txt": b"result", "a/b/deep.txt": b"deep"}


@pytest.mark.parametrize(
    "plant",
    [
        "os.symlink('/etc/passwd', 'out')",
        "os.symlink('/proc/self/environ', 'out')",
        "os.symlink('/proc/1/root/etc/hosts', 'out')",
        "open('real', 'w').write('x'); os.symlink('real', 'out')",
        "os.mkfifo('out')",
        "os.mkdir('out')",
        "import socket; socket.socketpair()",
        "os.symlink('out', 'out')",
    ],
)
def test_what_is_not_a_plain_file_is_not_collected(boxed, plant):
    """And nothing waits for it: a FIFO without a writer would hold an ordinary reader for ever."""
    execution = boxed(f"import os\n{plant}", collect=["out"])
    assert execution.artifacts == {}
    assert execution.wall_s < 10


def test_a_naive_collector_would_follow(tmp_path):
    """The control of the tests around it, over one folder that an attacker has prepared."""
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    os.mkfifo(tmp_path / "fifo")
    assert b"root" in (tmp_path / "link").read_bytes() and b"root" in (tmp_path / "folder/passwd").read_bytes()
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["/bin/cat", tmp_path / "fifo"], timeout=0.3, check=False)
    work = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert collect(work, ["link", "folder/passwd", "fifo"], 1 << 20) == {}
    finally:
        os.close(work)


def test_a_link_in_the_middle_of_a_path_is_not_followed(boxed):
    execution = boxed("import os; os.symlink('/etc', 'folder')", collect=["folder/hostname", "folder/passwd"])
    assert execution.artifacts == {}


def test_a_file_that_changes_while_it_is_read_cannot(boxed):
    """The attacker swaps a file and a link as fast as it can; by the time we read, nobody is left to swap."""
    execution = boxed(
        """
        import os
        open("good", "w").write("good"); os.symlink("/etc/passwd", "bad")
        if os.fork() == 0:
            while True:
                os.link("good", "t1"); os.rename("t1", "out"); os.symlink("/etc/passwd", "t2"); os.rename("t2", "out")
        import time; time.sleep(0.2)
        """,
        collect=["out"],
    )
    assert execution.artifacts in ({}, {"out": b"good"})


def test_forged_names_are_refused_before_anything_runs(boxed):
    for name in ("../etc/passwd", "/etc/passwd", "", "a/../../b", "line\nbreak", "folder/"):
        with pytest.raises(VisCodexError, match="not a file name"):
            boxed("pass", collect=[name])
        with pytest.raises(VisCodexError, match="not a file name"):
            boxed("pass", files={name: b""})


def test_an_oversized_file_is_not_read(boxed, limits):
    execution = boxed("open('out', 'wb').truncate(9 << 20)", collect=["out"], limits=replace(limits, artifact=1 << 20))
    assert execution.artifacts == {}
    assert boxed("open('out', 'wb').truncate(1000)", collect=["out"]).artifacts == {"out": bytes(1000)}


def test_a_file_nobody_may_read_is_read_or_left_but_never_an_error(boxed):
    assert boxed("import os; open('out', 'w').write('x'); os.chmod('out', 0)", collect=["out"]).ok


def png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + bytes(12)


def test_a_decompression_bomb_is_seen_in_its_header():
    assert png_size(png(640, 480)) == (640, 480)
    for bad in (png(60_000, 60_000), png(0, 5), png(2**32 - 1, 2**32 - 1), b"GIF89a" + bytes(40), b"", png(5, 5)[:20]):
        with pytest.raises(VisCodexError):
            png_size(bad)


def test_output_that_is_not_text_is_kept_as_it_is(boxed):
    execution = boxed("import sys; sys.stdout.buffer.write(bytes(range(256)))")
    assert execution.stdout == bytes(range(256))


def test_hostile_folders_are_measured_and_removed(boxed, limits):
    """Modes that forbid, thousands of levels, names that are not text: the run ends normally and nothing stays."""
    execution = boxed(
        """
        import os
        os.mkdir("locked"); open("locked/file", "w").close(); os.chmod("locked", 0)
        open(b"\\xff\\xfe", "w").close()
        for _ in range(2500): os.mkdir("d" * 200); os.chdir("d" * 200)
        import time; time.sleep(0.2); print("done")
        """,
        limits=replace(limits, inodes=10_000),
        collect=["locked/file"],
    )
    assert execution.status in ("ok", "output_limit"), execution
