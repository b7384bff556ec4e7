"""A jail with a zygote in it, from outside: start it, give it scripts, watch what they use up."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import select
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import backends, landlock
from viscodex.sandbox.backends import Backend
from viscodex.sandbox.boxed import Boxed, StartError, Streams
from viscodex.sandbox.chart_confine import Containment
from viscodex.sandbox.chart_environment import ChartEnvironment
from viscodex.sandbox.chart_frames import CHUNK, FrameError, Incoming, pack, unpack
from viscodex.sandbox.jail import Jail, Mount
from viscodex.sandbox.limits import GIB, MIB, Limits
from viscodex.sandbox.output import Pipe
from viscodex.sandbox.seccomp import Policy, compile_policy
from viscodex.sandbox.watchdog import SLOWEST_LOOK_S, Excess, ProcessUse, Watchdog

SHIPPED = (
    *("launcher", "limits", "chart_frames", "chart_colours", "chart_tracers", "chart_png", "chart_boxes"),
    *("chart_shortcuts", "chart_probe", "chart_confine", "chart_zygote"),
)
"""Our modules that run inside; their text is copied in, since the jail's user may not be able to read this folder."""
BOOT = "import os, sys; sys.path.insert(0, os.getcwd()); from viscodex.sandbox import chart_zygote; chart_zygote.main()"
ENVIRONMENT = {"MPLBACKEND": "Agg", "PYTHONHASHSEED": "0"} | dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
READY_PATIENCE_S = 120.0
END_PATIENCE_S = 10.0


@cache
def program_hash() -> str:
    """SHA-256 of what runs inside: the same script may be described otherwise when it changes."""
    digest = hashlib.sha256()
    for name in SHIPPED:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()


class ZygoteError(Exception):
    """The zygote ended, or fell silent, while a script ran."""


@dataclass
class Reply:
    """What the zygote says about one script, and what we saw of it."""

    header: dict[str, Any]
    frame: bytes
    """The script's own process's frame, still packed and not to be trusted; empty when there is none."""
    excess: Excess | None
    watchdog: Watchdog


class ChartJail:
    """One zygote in its jail. Not for use by two threads at once; `start` must run in a thread that outlives it."""

    def __init__(self, environment: ChartEnvironment, limits: Limits, backend: Backend, *, nested: bool) -> None:
        self.environment, self.limits, self.backend = environment, limits, backend
        self._told_limits = asdict(limits)
        self.nested = nested and backend == "bwrap"
        self.isolation: str = backend
        """The back end, and how scripts are held in it where that is not the usual way."""
        self._boxed: Boxed | None = None
        self._own_ends = contextlib.ExitStack()

    @property
    def is_alive(self) -> bool:
        return self._boxed is not None and not self._boxed.ended()

    def start(self) -> None:
        """Start a zygote and wait until it is ready, about a second."""
        self.close()
        try:
            self._boxed = self._start()
            self._introduce()
        except BaseException:
            self.close()
            raise
        self._own = {process.key for process in self._boxed.processes()}
        self._own_stored = self._boxed.stored()

    def _start(self) -> Boxed:
        self._answers, self._errors, self._incoming = Pipe(0), Pipe(1 * MIB), Incoming()
        inside_orders, self._orders = os.pipe()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        self._own_ends.callback(os.close, self._orders)
        self._own_ends.callback(self._answers.close)
        self._own_ends.callback(self._errors.close)
        streams = Streams(inside_orders, nowhere, self._errors.writer, self._answers.writer)
        try:
            return backends.start(self.backend, self._jail(), self._command(), streams, self._files())
        except StartError as error:
            raise VisCodexError(f"the jail for charts did not start: {error}; {self._last_words()}") from None
        finally:
            for fd in (inside_orders, nowhere):
                os.close(fd)
            self._answers.close_writer()
            self._errors.close_writer()

    def run(self, order: dict[str, Any]) -> Reply:
        """Hand over one script (`code` and the settings of `Charts.run`) and wait for its end, by itself or by ours."""
        assert self._boxed is not None
        watchdog = Watchdog(self.limits, self._strangers, self._stored)
        self._send(order | {"limits": self._told_limits})
        excess = self._await(time.monotonic() + self.limits.wall, watchdog)
        if excess is not None:
            self._send({"end": True})
            if self._await(time.monotonic() + END_PATIENCE_S, None) is not None:
                raise ZygoteError(f"it did not end a script that was over its limit ({excess})")
        return Reply(*self._take(), excess, watchdog)

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed something in the jail for its memory, where that can be told."""
        return self._boxed is not None and self._boxed.cgroup is not None and self._boxed.cgroup.out_of_memory()

    def close(self) -> None:
        """End the jail and everything in it."""
        if self._boxed is not None:
            self._boxed.close()
            self._boxed = None
        self._own_ends.close()

    def _jail(self) -> Jail:
        """Room for the zygote beside the script, whose own limits are set when it is forked."""
        roomy = replace(
            self.limits,
            cpu_s=1e8,
            wall_s=1e8,
            memory=self.limits.memory + 1 * GIB,
            address_space=None,
            processes=self.limits.processes + 8,
        )
        base = self.environment.base
        mounts = [str(self.environment.path)] + ([base] if not Path(base).is_relative_to("/usr") else [])
        return Jail(
            limits=roomy,
            mounts=tuple(Mount(path) for path in mounts),
            environment=ENVIRONMENT,
            policy=Policy(namespaces=self.nested),
            nested=self.nested,
        )

    def _command(self) -> list[str]:
        return [self.environment.python, "-s", "-P", "-B", "-c", BOOT]

    def _files(self) -> dict[str, bytes]:
        here, fonts = Path(__file__).parent, self.environment.font_cache
        files = {f"viscodex/sandbox/{name}.py": (here / f"{name}.py").read_bytes() for name in SHIPPED}
        files |= {"viscodex/__init__.py": b"", "viscodex/sandbox/__init__.py": b""}
        return files | {f"{fonts.name}/{path.name}": path.read_bytes() for path in fonts.iterdir()}

    def _introduce(self) -> None:
        """Tell the zygote how scripts are to be held, and wait until it has imported everything."""
        wanted: dict[Backend, Containment] = {"bwrap": "namespaces", "landlock": "domain", "none": "none"}
        seccomp = base64.b64encode(compile_policy(Policy(families=()))).decode()
        try:
            facts = {"landlock_abi": landlock.abi(), "has_own_system": self.backend == "bwrap", "seccomp": seccomp}
            self._send({"containment": wanted[self.backend]} | facts)
            if self._await(time.monotonic() + READY_PATIENCE_S, None) is not None:
                raise ZygoteError("it is not ready after two minutes")
            ready, _ = self._take()
        except (ZygoteError, FrameError) as error:
            problem = f"the chart zygote did not start: {self._last_words() or error}"
            raise VisCodexError(problem, str(self.environment.path)) from None
        if ready["threads"] != 1:
            raise VisCodexError(f"the chart zygote has {ready['threads']} threads, and may fork with one only")
        fallen_back = ready["containment"] != wanted[self.backend]
        self.isolation = f"{self.backend}, {ready['containment']}" if fallen_back else self.backend

    def _strangers(self) -> Iterator[ProcessUse]:
        """The script's processes: whatever was not there before it."""
        assert self._boxed is not None
        return (process for process in self._boxed.processes() if process.key not in self._own)

    def _stored(self) -> tuple[int, int]:
        """Bytes and inodes that the script has added; in namespaces its files are out of sight, but capped."""
        assert self._boxed is not None
        (used, inodes), (own_used, own_inodes) = self._boxed.stored(), self._own_stored
        return max(0, used - own_used), max(0, inodes - own_inodes)

    def _send(self, order: dict[str, Any]) -> None:
        """Orders are small beside what the zygote reads at once, and it reads whenever it is not dead."""
        view = memoryview(pack(order))
        try:
            while view:
                view = view[os.write(self._orders, view[:CHUNK]) :]
        except BrokenPipeError:
            raise ZygoteError(self._how_it_ended()) from None

    def _await(self, deadline: float, watchdog: Watchdog | None) -> Excess | None:
        """Read until an answer is complete; or name the limit that was passed first."""
        assert self._boxed is not None
        poll = select.poll()
        poll.register(self._answers.reader, select.POLLIN)
        poll.register(self._boxed.launcher_fd, select.POLLIN)
        look_at = time.monotonic() + SLOWEST_LOOK_S  # most charts are done before a second look
        while not self._incoming.is_complete:
            ready = poll.poll(max(0.0, min(look_at, deadline) - time.monotonic()) * 1000)
            for fd, _ in ready:
                if fd == self._boxed.launcher_fd or not self._read():
                    raise ZygoteError(self._how_it_ended())
            now = time.monotonic()
            if now >= deadline and not ready:
                return "timeout"
            if now >= look_at:
                if watchdog is not None and (excess := watchdog.look()) is not None:
                    return excess
                look_at = now + SLOWEST_LOOK_S
        return None

    def _read(self) -> bool:
        """Take what the zygote has written; False at its end."""
        try:
            chunk = os.read(self._answers.reader, CHUNK)
        except BlockingIOError:
            return True
        self._incoming.feed(chunk)
        self._errors.read()
        return bool(chunk)

    def _take(self) -> tuple[dict[str, Any], bytes]:
        return unpack(self._incoming.take())

    def _how_it_ended(self) -> str:
        if self._boxed is None or not self._boxed.ended(END_PATIENCE_S):
            return "it closed its pipes"
        return f"exit code {self._boxed.wait()}"

    def _last_words(self) -> str:
        self._errors.read()
        lines = bytes(self._errors.content).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
