"""One worker process, seen from inside: dies with its parent, opens what is dear once, works on one row at a time."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.runner.frames import receive, send
from viscodex.runner.stage import Fail, Result, attempt, failure

PR_SET_PDEATHSIG = 1
PARENT_DIED = int(signal.SIGRTMIN) + 5  # a number that no library uses


@dataclass(frozen=True)
class Order:
    """What a worker is for: `work(resource, row)` for each row, where `open()` made the resource; bytes of memory."""

    work: Callable[[Any, Any], Result[Any]]
    open: Callable[[], Any] | None = None
    memory: int = 0


@dataclass(frozen=True)
class Ready:
    """The first answer of a worker; with `problem`, it could not open its resource, and ends."""

    problem: str = ""


def main() -> None:
    """Of a fresh interpreter, with the arguments `channel lifeline parent` after the import path."""
    channel, lifeline, parent = map(int, sys.argv[2:5])
    die_with_parent(lifeline, parent)
    os.dup2(2, 1)  # a stage that prints must not print into the command's results
    with suppress(OSError):  # if memory ever runs out, a worker goes, not the run
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(socket.socket(fileno=channel))


def die_with_parent(lifeline: int, parent: int, *, becomes_another: bool = False) -> None:
    """Have our whole process group killed when the parent dies, however it dies.

    The group is signed up for SIGKILL when the far end of the lifeline, a pipe that the parent alone holds, is closed:
    the kernel does it, and no code of ours has to run. PDEATHSIG is there in case something else holds that end. It is
    not SIGKILL, which would kill this process alone, and often before the pipe is closed (the threads of a killed
    process end one by one): its handler kills the group. Who `becomes_another` program loses its handlers, and would be
    killed alone, the far end with it, before the group is told: it goes without PDEATHSIG.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgid(0))
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if not becomes_another:
        signal.signal(PARENT_DIED, lambda *_: os.killpg(0, signal.SIGKILL))
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, PARENT_DIED, 0, 0, 0)
    if os.getppid() != parent:  # it died before we were signed up
        os._exit(1)


def serve(channel: socket.socket) -> None:
    """Rows in, results out, until the pool closes its end."""
    try:
        order: Order = receive(channel)
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001  # a stage that cannot be imported here: the pool says so
        send(channel, Ready(_problem(error)))
        return
    if order.memory:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (order.memory, hard))
    try:
        opened = order.open() if order.open else None
    except (Exception, SystemExit) as error:  # noqa: BLE001  # no row is to blame: the pool decides
        send(channel, Ready(_problem(error)))
        return
    try:
        send(channel, Ready())
        while True:
            try:
                row = receive(channel)
            except (EOFError, OSError):
                break
            except Exception as error:  # noqa: BLE001  # a row that cannot be unpickled here
                _answer(channel, failure(error))
            else:
                _answer(channel, attempt(order.work, opened, row))
    except BrokenPipeError:
        pass
    finally:
        if close := getattr(opened, "close", None):
            close()


def _answer(channel: socket.socket, result: Result[Any]) -> None:
    try:
        send(channel, result)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  # what cannot be pickled
        send(channel, Fail("PicklingError", failure(error).detail))


def _problem(error: BaseException) -> str:
    fail = failure(error)
    return f"{fail.reason}: {fail.detail}"
