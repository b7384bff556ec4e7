"""Run something a model wrote, once, and learn what happened.

What this does not protect against: bugs in the kernel, timing channels, and traffic on the memory bus or the disk.
docs/security.md lists every promise with its test.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import backends
from viscodex.sandbox.backends import Backend
from viscodex.sandbox.boxed import Boxed, StartError, sealed_file
from viscodex.sandbox.collect import collect as collect_files
from viscodex.sandbox.jail import Jail
from viscodex.sandbox.limits import Limits
from viscodex.sandbox.output import Output
from viscodex.sandbox.watchdog import FIRST_LOOK_S, SLOWEST_LOOK_S, Excess, Watchdog

Status = Literal["ok", "error", "timeout", "memory", "output_limit", "unavailable"]
LOOK_REST = 5.0
"""A look that takes long is followed by a rest that is longer: thousands of processes or files are slow to count.
What counts is our own CPU time: on a busy machine a look takes long because others run, the program among them."""
OUT_OF_CPU = 128 + signal.SIGXCPU


@dataclass(frozen=True)
class Execution:
    """What a boxed run did. `exit_code` is a shell's: 128 + n for signal n; None when nothing was run."""

    status: Status
    exit_code: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    cpu_s: float = 0.0
    """CPU seconds of all its processes, the box's own few milliseconds included."""
    wall_s: float = 0.0
    rss_peak: int = 0
    """The largest resident set sampled, of all processes together, files in its folders included; for a run too short
    to be sampled, the control group's peak, or 0 where there is none."""
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    isolation: str = ""
    """The back end that held it: bwrap, landlock, or none when the user asked for that."""
    channel: bytes = b""
    """What came over the private channel."""

    @property
    def ok(self) -> bool:
        return self.status == "ok"


@dataclass(frozen=True)
class Box:
    """Where a program is run. Cheap to make; safe to use from several threads at once."""

    limits: Limits = field(default_factory=Limits)
    jail: Jail | None = None
    """Mounts, environment and policy; `limits` replace the jail's own."""
    backend: Backend | None = None
    """None takes the best that this machine's self-test passes."""
    unsafe_local: bool = False
    """Run without any isolation, limits apart. Never a fallback: only ever by explicit wish."""

    def run(
        self,
        argv: Sequence[str],
        files: Mapping[str, bytes | int] | None = None,
        stdin: bytes | int = b"",
        collect: Iterable[str] = (),
        *,
        channel: bool = False,
    ) -> Execution:
        """Run `argv` with `files` in its work folder; read back the files named in `collect`.

        Never raises for what the program did. `channel` gives it a private pipe to us as descriptor 3.
        """
        jail = replace(self.jail or Jail(), limits=self.limits)
        backend = "none" if self.unsafe_local else self.backend or backends.best()
        if backend == "none" and not self.unsafe_local:
            raise VisCodexError("running without isolation must be asked for", hint="unsafe_local=True, --unsafe-local")
        began = time.monotonic()
        output = Output(self.limits.stdout, channel)
        try:
            try:
                boxed = _start(backend, jail, argv, files or {}, stdin, output)
            except StartError as error:
                output.drain()
                message = f"{error}\n".encode() + bytes(output.stderr.content)
                return Execution("unavailable", stderr=message, isolation=backend)
            return _attended(boxed, output, jail.limits, tuple(collect), began)
        finally:
            output.close()


def _start(
    backend: Backend,
    jail: Jail,
    argv: Sequence[str],
    files: Mapping[str, bytes | int],
    stdin: bytes | int,
    output: Output,
) -> Boxed:
    source = sealed_file(stdin) if isinstance(stdin, bytes) else stdin
    try:
        return backends.start(backend, jail, argv, output.streams(source), files)
    finally:
        output.close_writers()
        if isinstance(stdin, bytes):
            os.close(source)


def _attended(boxed: Boxed, output: Output, limits: Limits, wanted: tuple[str, ...], began: float) -> Execution:
    """Watch a box to its end, by itself or by ours; then read what it left."""
    try:
        watchdog = Watchdog(limits, boxed.processes, boxed.stored)
        excess = _attend(boxed, output, watchdog, began + limits.wall)
        boxed.end()
        code = boxed.wait()
        output.drain()
        found = collect_files(boxed.work, wanted, limits.artifact)
        if excess is None and boxed.cgroup is not None and boxed.cgroup.out_of_memory():
            excess = "memory"
        watchdog.rss_peak = watchdog.rss_peak or _own_peak(boxed)
    finally:
        boxed.close()
    return _execution(boxed, code, excess, output, watchdog, found, time.monotonic() - began)


def _attend(boxed: Boxed, output: Output, watchdog: Watchdog, deadline: float) -> Excess | None:
    """Read and watch until the jail ends by itself or passes a limit; name the limit."""
    poll = select.poll()
    poll.register(boxed.launcher_fd, select.POLLIN)
    for pipe in output.pipes:
        poll.register(pipe.reader, select.POLLIN)
    readers = {pipe.reader: pipe for pipe in output.pipes}
    pause = FIRST_LOOK_S
    look_at = time.monotonic() + pause
    while True:
        for fd, _ in poll.poll(max(0.0, look_at - time.monotonic()) * 1000):
            if fd == boxed.launcher_fd:
                return None
            if not readers[fd].read():
                poll.unregister(fd)
        if output.overflowed:
            return "output_limit"
        now = time.monotonic()
        if now >= deadline:
            return "timeout"
        if now >= look_at:
            began = time.thread_time()
            if (excess := watchdog.look()) is not None:
                return excess
            pause = max(min(SLOWEST_LOOK_S, pause * 1.5), LOOK_REST * (time.thread_time() - began))
            look_at = min(time.monotonic() + pause, deadline)


def _execution(
    boxed: Boxed,
    code: int,
    excess: Excess | None,
    output: Output,
    watchdog: Watchdog,
    found: Mapping[str, bytes],
    wall_s: float,
) -> Execution:
    usage = boxed.usage
    assert usage is not None
    cpu_s = max(usage.ru_utime + usage.ru_stime, watchdog.cpu_s)
    status: Status = excess or ("ok" if code == 0 else "error")
    if excess is None and output.overflowed:
        status = "output_limit"
    elif excess is None and (code == OUT_OF_CPU or (code != 0 and cpu_s >= watchdog.limits.cpu_s)):
        status = "timeout"
    return Execution(
        status=status,
        exit_code=code,
        stdout=bytes(output.stdout.content),
        stderr=bytes(output.stderr.content),
        cpu_s=cpu_s,
        wall_s=wall_s,
        rss_peak=watchdog.rss_peak,
        artifacts=found,
        isolation=boxed.isolation,
        channel=bytes(output.channel.content) if output.channel else b"",
    )


def _own_peak(boxed: Boxed) -> int:
    """Peak memory in bytes of a box that ended before it was sampled; 0 where it cannot be told.

    The kernel puts the parent's peak on the account of a child made by vfork, so only what exceeds ours is the box's.
    """
    if boxed.cgroup is not None and (peak := boxed.cgroup.peak()):
        return peak
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return boxed.usage.ru_maxrss * 1024 if boxed.usage is not None and boxed.usage.ru_maxrss > ours else 0
