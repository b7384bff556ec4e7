"""The process that chart scripts are forked from: everything imported, fonts known, caches warm, one thread.

It runs inside the jail, in the chart environment, and takes one order at a time: fork a child, hand on what the child
says, end it with all it has started, answer. It never runs a script itself. What the child says is believed only from
the child: each message carries the sender's process id, which the kernel vouches for, so a process that outlives the
script can neither forge an answer nor, since a frame says where it ends, delay one.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import os
import resource
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from viscodex.sandbox import chart_confine
from viscodex.sandbox.chart_confine import Containment, Nursery
from viscodex.sandbox.chart_frames import CHUNK, FrameError, Incoming, pack, unpack, write_all
from viscodex.sandbox.limits import Limits

ORDERS, ANSWERS = 0, 3
"""Descriptors: orders come in, answers go out."""
MESSAGES_AT_ONCE = 64
"""Then look whether the sandbox wants the script ended: its other processes may never stop talking."""


@dataclass
class Stream:
    """What a script writes to stdout or stderr, up to a ceiling."""

    ceiling: int
    content: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def read(self) -> bool:
        """Take what is there; False at the end, or once it is too much."""
        with contextlib.suppress(BlockingIOError):
            while len(self.content) <= self.ceiling:
                chunk = os.read(self.reader, CHUNK)
                if not chunk:
                    return False
                self.content += chunk
        return len(self.content) <= self.ceiling

    @property
    def overflowed(self) -> bool:
        return len(self.content) > self.ceiling

    def text(self) -> str:
        return bytes(self.content[: self.ceiling]).decode(errors="replace")


@dataclass
class Run:
    """One script, while it runs."""

    limits: Limits
    ours: socket.socket
    theirs: socket.socket
    stdout: Stream
    stderr: Stream
    answer: Incoming = field(default_factory=Incoming)
    is_broken: bool = False

    @classmethod
    def begin(cls, limits: Limits) -> Run:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.setblocking(False)
        return cls(limits, ours, theirs, Stream(limits.stdout), Stream(limits.stdout))

    def close_writers(self) -> None:
        self.theirs.close()
        os.close(self.stdout.writer)
        os.close(self.stderr.writer)

    def close(self) -> None:
        self.ours.close()
        os.close(self.stdout.reader)
        os.close(self.stderr.reader)

    def hear(self, child: int) -> None:
        """Take the messages that are there, the child's only."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            for _ in range(MESSAGES_AT_ONCE):
                if self.answer.is_complete or self.is_broken:
                    return
                data, ancillary, flags, _ = self.ours.recvmsg(CHUNK, socket.CMSG_SPACE(12))
                if not data:
                    return
                senders = [load[:4] for _, kind, load in ancillary if kind == socket.SCM_CREDENTIALS]
                if senders == [struct.pack("=i", child)]:
                    self.take(data, flags)

    def take(self, data: bytes, flags: int) -> None:
        try:
            self.answer.feed(data)
        except FrameError:
            self.is_broken = True
        self.is_broken |= bool(flags & socket.MSG_TRUNC)


class Zygote:
    """The loop."""

    def __init__(self) -> None:
        self.orders = Incoming()
        configuration = self.next_order()
        self.containment: Containment = configuration["containment"]
        if self.containment == "namespaces" and not chart_confine.enter_user_namespace():
            self.containment = "domain"
        seccomp = base64.b64decode(configuration["seccomp"])
        self.nursery = Nursery(
            self.containment,
            seccomp,
            configuration["landlock_abi"],
            has_own_system=configuration["has_own_system"],
        )

    def next_order(self) -> dict[str, Any]:
        """Wait for the sandbox to speak; its end of the pipe closing ends us."""
        while not self.orders.is_complete:
            chunk = os.read(ORDERS, CHUNK)
            if not chunk:
                os._exit(0)
            self.orders.feed(chunk)
        return unpack(self.orders.take())[0]

    def serve(self) -> NoReturn:
        while True:
            order = self.next_order()
            if "code" in order:  # else a request to end what has already ended
                header, blob = self.attend(order)
                write_all(ANSWERS, pack(header, blob))

    def attend(self, order: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Run one script from its fork to its burial."""
        began = time.monotonic()
        run = Run.begin(Limits(**order["limits"]))
        child = self.nursery.fork(lambda: _be_script(self.nursery, run, order))
        run.close_writers()
        try:
            ending = self.watch(run, child)
        finally:
            status, usage = self.nursery.end(child)
        run.hear(child)
        run.stdout.read()
        run.stderr.read()
        run.close()
        is_heard = run.answer.is_complete and not run.is_broken
        header = {
            "ending": ending,
            "exit_code": None if is_heard else os.waitstatus_to_exitcode(status),
            "stdout": run.stdout.text(),
            "stderr": run.stderr.text(),
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "wall_s": time.monotonic() - began,
            "rss_peak": usage.ru_maxrss * 1024,
        }
        return header, run.answer.take() if is_heard else b""

    def watch(self, run: Run, child: int) -> str:
        """Listen until the script has answered, ended, written too much, or is to be ended; say which."""
        poll = select.poll()
        pidfd = os.pidfd_open(child)
        try:
            for fd in (run.ours.fileno(), run.stdout.reader, run.stderr.reader, ORDERS, pidfd):
                poll.register(fd, select.POLLIN)
            while True:
                for fd, _ in poll.poll():
                    if fd == run.ours.fileno():
                        run.hear(child)
                        if run.answer.is_complete or run.is_broken:
                            return "answered"
                    elif fd == pidfd:
                        return "ended"
                    elif fd == ORDERS:
                        self.next_order()
                        return "asked"
                    elif not (run.stdout if fd == run.stdout.reader else run.stderr).read():
                        if run.stdout.overflowed or run.stderr.overflowed:
                            return "output_limit"
                        poll.unregister(fd)
        finally:
            os.close(pidfd)


def _be_script(nursery: Nursery, run: Run, order: dict[str, Any]) -> None:
    """In the child: leave the zygote's descriptors behind, be confined, run, answer."""
    voice = _rewire(run)
    from viscodex.sandbox import chart_probe

    try:
        nursery.confine(run.limits)
        with open(chart_probe.SCRIPT, "w", encoding="utf-8", errors="surrogatepass") as file:  # noqa: PTH123
            file.write(order["code"])
    except BaseException as error:  # noqa: BLE001  # ours, and to be told apart from the script's
        _answer(voice, pack({"confinement": f"{type(error).__name__}: {error}"}))
        return
    header, png = chart_probe.run(order["code"], order)
    _answer(voice, pack(header, png))


def _rewire(run: Run) -> socket.socket:
    """stdin empty, stdout and stderr the run's pipes, one socket, and nothing else open."""
    empty = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((empty, 0), (run.stdout.writer, 1), (run.stderr.writer, 2), (run.theirs.fileno(), 3)):
        os.dup2(source, target, inheritable=target < 3)
    os.closerange(4, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    for own in (run.ours, run.theirs):
        own.detach()
    return socket.socket(fileno=3)


def _answer(voice: socket.socket, frame: bytes) -> None:
    for start in range(0, len(frame), CHUNK):
        voice.send(frame[start : start + CHUNK])


def main() -> NoReturn:
    """Read the configuration, preload, say that we are ready, serve."""
    began = time.monotonic()
    zygote = Zygote()
    os.environ["MPLCONFIGDIR"] = str(Path("matplotlib").absolute())
    from viscodex.sandbox import chart_probe, chart_shortcuts

    chart_probe.prepare()
    gc.collect()
    gc.freeze()  # the children share these pages: the collector must not write to them
    chart_shortcuts.use_large_pages()
    threads = len(os.listdir("/proc/self/task")) if zygote.containment == "namespaces" else 1  # noqa: PTH208
    ready = {"containment": zygote.containment, "threads": threads, "wall_s": time.monotonic() - began}
    write_all(ANSWERS, pack(ready))
    zygote.serve()


if __name__ == "__main__":
    sys.exit(main())
