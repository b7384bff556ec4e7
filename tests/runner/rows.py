"""Work that the pool's tests give to its workers: importable there, obedient, or as nasty as a row says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from viscodex.runner.stage import Keep, Reject


def double(_: Any, row: int) -> Keep[int] | Reject:
    return Reject("odd", f"{row} is odd") if row % 2 else Keep(2 * row)


def obey(_: Any, row: Any) -> Any:
    """Do what a row says: ("kill",), ("sleep", seconds), ("raise", text), …; anything else is kept."""
    if not isinstance(row, tuple):
        return Keep(row)
    verb, *rest = row
    if verb == "raise":
        raise ValueError(rest[0])
    if verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if verb == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if verb == "_exit":
        os._exit(0)
    if verb == "exit":
        sys.exit(3)
    if verb == "sleep":
        time.sleep(rest[0])
    if verb == "spin":
        while True:
            pass
    if verb == "deaf":
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        time.sleep(60)
    if verb == "eat":
        return Keep(len(bytearray(rest[0])))
    if verb == "print":
        print("from a stage", flush=True)
        os.write(1, b"from a library\n")
    if verb == "unpicklable":
        return Keep(lambda: None)
    if verb == "nonsense":
        return "neither"
    if verb == "huge":
        return Keep(b"x" * rest[0])
    if verb == "child":
        return Keep(subprocess.Popen(["sleep", "300"]).pid)
    if verb == "holder":  # a child that keeps our channel open after we are gone
        if os.fork() == 0:
            time.sleep(300)
        os.kill(os.getpid(), signal.SIGKILL)
    if verb == "once":  # dies the first time
        mark = Path(rest[0])
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return Keep(verb)


def pid(_: Any, row: Any) -> Keep[int]:
    return Keep(os.getpid())


def slowly(_: Any, row: tuple[float, int]) -> Keep[int]:
    time.sleep(row[0])
    return Keep(row[1])


class Dear:
    """A resource that says when it is opened and closed."""

    def __init__(self, log: str) -> None:
        self.log = Path(log)
        self.note("open")

    def note(self, what: str) -> None:
        with self.log.open("a") as file:
            file.write(f"{what} {os.getpid()}\n")

    def close(self) -> None:
        self.note("close")


class Open:
    """A picklable opener."""

    def __init__(self, log: Path) -> None:
        self.log = str(log)

    def __call__(self) -> Dear:
        return Dear(self.log)


class OpenAtSecondTry(Open):
    def __call__(self) -> Dear:
        mark = Path(self.log).with_suffix(".tried")
        if not mark.exists():
            mark.touch()
            raise OSError("not yet")
        return Dear(self.log)


def no_resource() -> Any:
    raise RuntimeError("the browser is missing")


def use(dear: Dear, row: int) -> Keep[int]:
    dear.note(f"row-{row}")
    return Keep(row)


class Record:
    """Leaves a line per row in a file, takes a moment, and dies on rows that are multiples of `poison`."""

    def __init__(self, log: Path, seconds: float, poison: int = 0) -> None:
        self.log, self.seconds, self.poison = str(log), seconds, poison

    def __call__(self, _: Any, row: int) -> Any:
        time.sleep(self.seconds)
        if self.poison and row % self.poison == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        handle = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{row}\n".encode())
        os.close(handle)
        return Reject("odd") if row % 2 else Keep({"double": 2 * row})
