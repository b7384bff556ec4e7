"""A program in vLLM's place: it serves the loopback endpoint, has a worker as engines have, and tells of itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

STAND_IN = """#!{python}
import json, os, subprocess, sys, threading, time
from pathlib import Path
sys.path[:0] = {path!r}
from tests.endpoint import Endpoint, Says, Status
child = subprocess.Popen(["sleep", "600"])  # an engine's worker
told = {{"argv": sys.argv[1:], "pids": [os.getpid(), child.pid], "pythonpath": os.environ.get("PYTHONPATH", "")}}
Path({told!r}).write_text(json.dumps(told))
print("loading weights", flush=True)
{before}
def answer(call):
    {answer}
port = int(sys.argv[sys.argv.index("--port") + 1])
with Endpoint(answer, port=port):
    time.sleep({seconds})
"""
SAYS = 'return Says("served " + call.body["model"])'


def write(folder: Path, told: Path, *, before: str = "", answer: str = SAYS, seconds: float = 60.0) -> Path:
    """The program; `before` runs before it listens, `answer` is the body of a function of the call."""
    root = Path(__file__).parent.parent
    program = folder / "bin" / "vllm"
    program.parent.mkdir(exist_ok=True)
    path = [str(root), str(root / "src")]
    text = STAND_IN.format(
        python=sys.executable, path=path, told=str(told), before=before, answer=answer, seconds=seconds
    )
    program.write_text(text)
    program.chmod(0o755)
    return program


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: Iterable[int], seconds: float = 10.0) -> bool:
    """Whether all of them are, after a while at most."""
    deadline = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(is_alive, pids))
