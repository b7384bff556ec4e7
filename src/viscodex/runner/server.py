"""A server program of somebody else's, for as long as we need it: started, waited for until it is well, ended.

It leads a process group of its own, and none of that group outlives us, however we end: see `worker.die_with_parent`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from viscodex.core.errors import VisCodexError

START = """import json, os, sys
sys.path[:] = json.loads(sys.argv[1])
from viscodex.runner.worker import die_with_parent
die_with_parent(int(sys.argv[2]), int(sys.argv[3]), becomes_another=True)
os.execv(sys.argv[4], sys.argv[4:])"""
"""Our interpreter becomes the program, so that the group is signed up before the program can start anything."""
OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSAFEPATH")
"""Variables that say where our packages are: the program has its own."""
LOOK_EVERY_S = 0.2
GRACE_S = 20.0
"""For leaving in good order: freeing a GPU takes a moment."""
LAST_LINES = 15
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def running(
    argv: Sequence[str],
    health: str,
    log: Path,
    *,
    start_s: float,
    environment: Mapping[str, str] | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server while the block runs; `health` is the URL that answers 200 once it is well; all it says is in `log`.

    Raises VisCodexError when there is no such program, when it ends by itself, when it is not well in `start_s`, and
    when it is not `is_wanted` any more before that.
    """
    process, lifeline = _start(argv, log, environment or {})
    try:
        _wait_until_well(process, health, log, time.monotonic() + start_s, is_wanted)
        yield process
        if process.poll() is not None:
            raise _ended(process, log)
    finally:
        _end(process)
        os.close(lifeline)


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _start(argv: Sequence[str], log: Path, environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """The process, and our end of its lifeline."""
    program = shutil.which(argv[0])
    if program is None:
        raise VisCodexError(f"there is no program {argv[0]}", hint="install it, or name it with its path")
    far_end, lifeline = os.pipe()
    inherited = {name: value for name, value in os.environ.items() if name not in OURS}
    wrapper = [sys.executable, "-c", START, json.dumps(sys.path), str(far_end), str(os.getpid())]
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*wrapper, str(Path(program).absolute()), *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=inherited | dict(environment),
                pass_fds=(far_end,),
                process_group=0,
            )
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(far_end)
    return process, lifeline


def _wait_until_well(
    process: subprocess.Popen[bytes], health: str, log: Path, deadline: float, is_wanted: Callable[[], bool]
) -> None:
    while not _is_well(health):
        if not is_wanted():
            raise VisCodexError("the server is not wanted any more", where=str(log))
        if process.poll() is not None:
            raise _ended(process, log)
        if time.monotonic() > deadline:
            raise VisCodexError("the server does not become well in time", where=str(log), hint=_last_lines(log))
        time.sleep(LOOK_EVERY_S)


def _is_well(health: str) -> bool:
    try:
        with _DIRECT.open(health, timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _ended(process: subprocess.Popen[bytes], log: Path) -> VisCodexError:
    code = process.returncode
    how = f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
    return VisCodexError(f"the server ended by itself: {how}", where=str(log), hint=_last_lines(log))


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    return "its last words:\n" + "\n".join(lines) if lines else "it said nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to end, then make it; what the leader left behind ends, too."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
