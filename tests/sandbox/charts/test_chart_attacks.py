"""One attack for each promise: a script prints SUCCEEDED when it gets what it wants."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

DRAW = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"

FILL = "with open('{}', 'wb') as f:\n    for _ in range(99): f.write(bytes(1 << 20)); f.flush()"

ATTACKS = {
    "connecting anywhere": "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)",
    "a socket of its own": "import socket\nsocket.socket(socket.AF_UNIX)",
    "the host's passwords": "print(open('/etc/shadow').read())",
    "root's home": "import os\nos.listdir('/root')",
    "the machine's users": "assert 'root' in open('/etc/passwd').read()",
    "writing to the environment": "import matplotlib\nopen(matplotlib.__file__, 'a')",
    "writing to the system": "open('/usr/x', 'w')",
    "the zygote's process": "import os\nassert os.getppid() > 1\nos.kill(os.getppid(), 9)",
    "every process": "import os, signal\nos.kill(-1, 9)\nassert 'box' not in os.getcwd()\nraise SystemExit",
    "other processes' environment": """
import os
found = [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]
for p in found: open(f'/proc/{p}/environ').read()
assert found
""",
    "the zygote's memory": "open(f'/proc/{__import__(\"os\").getppid()}/mem', 'rb')",
    "a namespace of its own": "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "mounting": "import ctypes\nassert ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "capabilities": """
import ctypes
data = (ctypes.c_uint32 * 6)()
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
assert ctypes.CDLL(None).capget(header, data) == 0
assert any(data)
""",
    "becoming somebody else": "import os\nos.setuid(0)",
    "debugging": "import ctypes\nassert ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0",
    "memory that no limit sees": "import os\nos.memfd_create('x')",
    "the zygote's descriptors": "import os\nassert len([fd for fd in range(300) if is_open(fd)]) > 4",
    "raising a limit": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "more processes than allowed": "import os, time\nfor _ in range(100):\n    if os.fork() == 0: time.sleep(9)",
    "more threads than allowed": "import threading, time\nfor _ in range(99):\n"
    "    threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
    "a file larger than allowed": FILL.format("f"),
    "more files than allowed": "for i in range(9000): open(f'f{i}', 'w').close()",
    "shared memory without end": FILL.format("/dev/shm/f"),
}  # fmt: skip
IS_OPEN = """
def is_open(fd):
    import os
    try: os.fstat(fd)
    except OSError: return False
    return True
"""


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_fails(run, attack):
    chart = run(IS_OPEN + attack + "\nprint('SUCCEEDED')")
    assert "SUCCEEDED" not in chart.stdout
    assert chart.status in ("error", "exit", "output_limit", "timeout"), chart
    assert run(DRAW).ok


def test_the_check_of_descriptors_can_succeed(run):
    """0, 1, 2, and the socket that the answer goes through."""
    assert run(IS_OPEN + "print([fd for fd in range(300) if is_open(fd)])").stdout == "[0, 1, 2, 3]\n"


def test_a_grandchild_cannot_answer_for_the_script(run):
    """The kernel says who speaks on the socket, and the zygote listens to its own child only."""
    code = """
        import os, socket, struct, json
        voice = socket.socket(fileno=3)
        header = json.dumps({"outcome": {"status": "ok"}, "render": "", "artists": {}}).encode()
        for _ in range(3):
            if os.fork() == 0:
                voice.send(struct.pack("!II", len(header), 0) + header)
                os._exit(0)
            os.wait()
        import matplotlib.pyplot as plt
        plt.title("mine")
    """
    chart = run(code)
    assert chart.ok, chart
    assert chart.artists.text == ("mine",)


@pytest.mark.parametrize(
    "frame",
    [
        "struct.pack('!II', 2, 0) + b'{}'",
        "struct.pack('!II', 1 << 31, 0)",
        "struct.pack('!II', 9, 9) + b'not json!not a png'",
        "struct.pack('!II', 100_000, 0) + b'[' * 50_000 + b']' * 50_000",
        "frame({'outcome': {'status': 'ok'}, 'render': '', 'artists': None})",
        "frame({'outcome': {'status': 'brilliant'}, 'render': '', 'artists': GOOD})",
        "frame({'outcome': {'status': 'ok'}, 'render': '', 'artists': {**GOOD, 'score': 100}})",
        "frame({'outcome': {'status': 'ok'}, 'render': '', 'artists': GOOD}, b'GIF89a' + bytes(99))",
        "frame({'outcome': {'status': 'ok'}, 'render': '', 'artists': GOOD}, PNG + struct.pack('!II', 60_000, 60_000))",
    ],
)
def test_a_script_that_answers_for_itself_answers_properly_or_not_at_all(run, frame):
    code = f"""
        import json, socket, struct, time
        GOOD = dict(figure="none", figures=0, size=[0, 0], dpi=0, layout=[], types={{}}, colours=[], late_types={{}},
                    late_colours=[], text=[], saved_text=[], problems=[])
        PNG = b"\\x89PNG\\r\\n\\x1a\\n\\0\\0\\0\\x0dIHDR"
        def frame(header, png=b""):
            png += bytes(99 if png else 0)
            text = json.dumps(header).encode()
            return struct.pack("!II", len(text), len(png)) + text + png
        voice, answer = socket.socket(fileno=3), {frame}
        for start in range(0, len(answer), 60_000):
            voice.send(answer[start : start + 60_000])
        time.sleep(1000)
    """
    chart = run(code)
    assert chart.status == "died", chart
    assert (chart.png, chart.artists) == (b"", None)
    assert run(DRAW).ok


def test_a_grandchild_that_holds_everything_open_delays_nothing(run):
    code = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(1000)
            os._exit(0)
        import matplotlib.pyplot as plt
        plt.plot([1])
    """
    began = time.monotonic()
    for _ in range(3):
        assert run(code).ok
    assert time.monotonic() - began < 20


def test_nothing_outlives_a_script(run, charts):
    """What a script leaves running has ended when the answer is there."""
    marker = f"left-by-{os.getpid()}"
    code = f"""
        import os, sys
        for _ in range(4):
            if os.fork() == 0:
                os.setsid()
                os.execv(sys.executable, ["{marker}", "-S", "-c", "import time; time.sleep(1000)"])
        import time; time.sleep(0.3)
    """
    assert run(code).status == "no_figure"
    assert not [folder for folder in Path("/proc").glob("[0-9]*") if marker in _command(folder)]


def _command(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_text()
    except OSError:
        return ""


def test_a_grandchild_that_never_stops_talking_can_be_ended(run):
    code = """
        import os, socket, time
        voice = socket.socket(fileno=3)
        if os.fork() == 0:
            while True: voice.send(b"x")
        while True: pass
    """
    chart = run(code)
    assert chart.status == "timeout", chart
    assert run(DRAW).ok


@pytest.mark.slow
def test_a_fork_bomb_is_ended_and_forgotten(run):
    chart = run("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass")
    assert chart.status in ("timeout", "memory", "error"), chart
    assert run(DRAW).ok
