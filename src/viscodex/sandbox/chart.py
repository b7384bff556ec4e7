"""Run a chart script a model wrote: its picture, and everything that the chart metrics need, from one execution.

Scripts run in the pinned chart environment (chart_environment.py), each in a process forked from a zygote that has
matplotlib and its friends imported already (chart_zygote.py), inside a jail without network (chart_confine.py). The
same script gives the same bytes every time: fonts, hash seed, `random` and numpy are fixed, one thread.

What this does not promise: a script shares its process with the code that describes its figure, so it can lie about
itself. It cannot touch another script's result, the zygote, or the host.
"""

from __future__ import annotations

import atexit
import os
import queue
import signal
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, Literal

from pydantic import ValidationError

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import backends, chart_environment
from viscodex.sandbox.backends import Backend
from viscodex.sandbox.chart_artists import Artists, well_formed
from viscodex.sandbox.chart_environment import ChartEnvironment
from viscodex.sandbox.chart_frames import PIXEL_CEILING, FrameError, unpack
from viscodex.sandbox.chart_jail import ChartJail, Reply, ZygoteError
from viscodex.sandbox.chart_legibility import Boxes
from viscodex.sandbox.limits import GIB, MIB, Limits

ChartStatus = Literal["ok", "no_figure", "error", "exit", "died", "timeout", "memory", "output_limit", "unavailable"]
"""ok: it ran to its end and left a figure. no_figure: it ran to its end and never made one. error: it raised, or its
figure cannot be drawn. exit: SystemExit. died: its process ended without a word (os._exit, a crash). timeout, memory,
output_limit: ended by us. unavailable: the failure is ours, and says nothing about the script."""

Nameless = Literal["", "types", "colours"]

LIMITS = Limits(cpu_s=20, memory=2 * GIB, work_size=64 * MIB, tmp_size=32 * MIB, shm_size=32 * MIB, processes=32)
CODE_CEILING = 4 * MIB
_one_at_a_time = threading.Lock()
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Chart:
    """What became of a chart script. A script that raised may still have left a part of a figure."""

    status: ChartStatus
    reason: str = ""
    """One line; "" when all is well."""
    line: int | None = None
    """The script's line that raised."""
    png: bytes = b""
    """The current figure, or what there is of it; b"" when there is none."""
    artists: Artists | None = None
    """None when the script's process ended without a word, or was ended."""
    boxes: Boxes | None = None
    """Where its texts lie; only when asked for, and when there is a picture."""
    stdout: str = ""
    stderr: str = ""
    cpu_s: float = 0.0
    """CPU seconds of all its processes, fork and burial included."""
    wall_s: float = 0.0
    rss_peak: int = 0
    """Bytes; pages shared with the zygote (about 150 MB) included."""
    environment: str = ""
    """Hash of the chart environment."""
    isolation: str = ""

    @property
    def ok(self) -> bool:
        return self.status == "ok"


class Charts:
    """Some zygotes, each taking one script at a time. Safe to use from several threads; a context manager.

    A zygote starts when it is first needed (about a second) and is replaced when it dies; the script that it died
    with is reported as `unavailable`.
    """

    def __init__(
        self,
        workers: int = 1,
        *,
        limits: Limits = LIMITS,
        backend: Backend | None = None,
        environment: ChartEnvironment | None = None,
        nested: bool = True,
        unsafe_local: bool = False,
    ) -> None:
        """`nested`: give each script namespaces of its own. Where that is forbidden, they share the jail's."""
        if backend == "none" and not unsafe_local:
            raise VisCodexError("running without isolation must be asked for", hint="unsafe_local=True, --unsafe-local")
        self.environment = environment or chart_environment.require()
        self.backend: Backend = "none" if unsafe_local else backend or backends.best()
        self._owner = os.getpid()
        self._free: queue.LifoQueue[ChartJail] = queue.LifoQueue()
        self._all = [ChartJail(self.environment, limits, self.backend, nested=nested) for _ in range(workers)]
        for jail in self._all:
            self._free.put(jail)
        # The kernel ends a jail with the thread that started it, so all are started by one that stays.
        self._starter = ThreadPoolExecutor(1, "charts")

    def run(
        self,
        code: str,
        *,
        dpi: float | None = None,
        tight: bool = False,
        nameless: Nameless = "",
        boxes: bool = False,
    ) -> Chart:
        """Run one script. Never raises for what the script did.

        `dpi`: of the picture, None for the figure's own. `tight`: crop the picture to what is drawn. `nameless`: trace
        only types, or colours, by functions that have lost their names, as the paper's evaluators did; nothing else is
        collected then, and for types there is no picture. `boxes`: tell also where texts lie, and which axes are empty;
        the figure is drawn a second time for that.
        """
        if len(code) > CODE_CEILING:
            return Chart("error", f"a script of {len(code)} characters", environment=self.environment.hash)
        jail = self._free.get()
        try:
            if not jail.is_alive:
                self._starter.submit(jail.start).result()
            try:
                order = {"code": code, "dpi": dpi, "tight": tight, "nameless": nameless, "boxes": boxes}
                reply = jail.run(order)
                return self._chart(reply, jail)
            except (ZygoteError, FrameError) as error:
                status: ChartStatus = "memory" if jail.ran_out_of_memory() else "unavailable"
                jail.close()
                return self._bare(status, f"the zygote died with this script: {error}")
            except BaseException:
                jail.close()  # interrupted: an answer may still come, and belongs to nobody
                raise
        finally:
            self._free.put(jail)

    def close(self) -> None:
        """End every zygote; in a fork of the process that made them, do nothing."""
        if os.getpid() != self._owner:
            return
        self._starter.shutdown()
        for jail in self._all:
            jail.close()

    def __enter__(self) -> Charts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _bare(self, status: ChartStatus, reason: str) -> Chart:
        return Chart(status, reason, environment=self.environment.hash, isolation=self.backend)

    def _chart(self, reply: Reply, jail: ChartJail) -> Chart:
        header, watchdog = reply.header, reply.watchdog
        facts: dict[str, Any] = _verdict(reply, jail)
        return Chart(
            **facts,
            stdout=header["stdout"],
            stderr=header["stderr"],
            cpu_s=max(header["cpu_s"], watchdog.cpu_s),
            wall_s=header["wall_s"],
            rss_peak=max(header["rss_peak"], watchdog.rss_peak),
            environment=self.environment.hash,
            isolation=jail.isolation,
        )


def run_chart(code: str, *, dpi: float | None = None, tight: bool = False) -> Chart:
    """Run one script in a zygote that this process keeps; see `Charts.run`."""
    with _one_at_a_time:
        charts = _own_charts(os.getpid())
    return charts.run(code, dpi=dpi, tight=tight)


@cache
def _own_charts(process: int) -> Charts:
    """One for each process: a fork must not talk to its parent's zygote."""
    charts = Charts()
    atexit.register(charts.close)
    return charts


def _verdict(reply: Reply, jail: ChartJail) -> dict[str, Any]:
    """Status, reason, line, picture and artists."""
    if reply.excess is not None:
        return {"status": reply.excess, "reason": _over(reply.excess, jail.limits)}
    if reply.header["ending"] == "output_limit":
        return {"status": "output_limit", "reason": _over("output_limit", jail.limits)}
    if not reply.frame:
        return _without_a_word(reply, jail)
    try:
        header, png = unpack(reply.frame)
        if "confinement" in header:
            return {"status": "unavailable", "reason": f"could not be confined: {header['confinement']}"}
        return _told(header, png)
    except (FrameError, ValidationError, KeyError, TypeError, ValueError) as error:
        return {"status": "died", "reason": f"its process said something else than a result: {type(error).__name__}"}


def _over(excess: str, limits: Limits) -> str:
    return {
        "error": f"more than {limits.processes} processes and threads",
        "timeout": f"more than {limits.cpu_s:g} CPU seconds, or {limits.wall:g} in all",
        "memory": f"more than {limits.memory / MIB:.0f} MiB of memory",
        "output_limit": f"more than {limits.stdout / MIB:g} MiB on stdout or stderr, or more files than fit",
    }[excess]


def _without_a_word(reply: Reply, jail: ChartJail) -> dict[str, Any]:
    code = reply.header["exit_code"]
    cpu_s = max(reply.header["cpu_s"], reply.watchdog.cpu_s)
    if code == -signal.SIGKILL and jail.ran_out_of_memory():
        return {"status": "memory", "reason": _over("memory", jail.limits)}
    # The kernel counts CPU time by ticks, and its limit may come before ours.
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and cpu_s >= 0.8 * jail.limits.cpu_s):
        return {"status": "timeout", "reason": _over("timeout", jail.limits)}
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return {"status": "died", "reason": f"its process ended before the picture was taken: {how}"}


def _told(header: dict[str, Any], png: bytes) -> dict[str, Any]:
    """What the script's process says about itself."""
    outcome, artists = header["outcome"], Artists.model_validate(header["artists"])
    status, trouble = outcome["status"], str(header["render"])
    told: dict[str, Any] = {"png": _checked(png), "artists": artists}
    if header.get("boxes") is not None:
        told["boxes"] = Boxes.model_validate(header["boxes"])
    if status == "ok":
        if trouble:
            return told | {"status": "error", "reason": f"the figure cannot be drawn: {_one_line(trouble)}"}
        return told | {"status": "no_figure" if artists.figure == "none" else "ok"}
    if status not in ("error", "exit", "memory"):
        raise ValueError(status)
    line = outcome["line"] if isinstance(outcome["line"], int) else None
    reason = _one_line(f"{outcome['type']}: {outcome['message']}").removesuffix(":")
    return told | {"status": status, "reason": reason, "line": line}


def _one_line(text: str) -> str:
    return " ".join(well_formed(text).split())[:500]


def _checked(png: bytes) -> bytes:
    """The picture, if its header is a PNG's and announces a size that can be decoded."""
    if not png:
        return b""
    if len(png) < 33 or not png.startswith(PNG_SIGNATURE) or png[12:16] != b"IHDR":
        raise ValueError("not a PNG")
    width, height = struct.unpack_from("!II", png, 16)
    if width * height > PIXEL_CEILING:
        raise ValueError("a picture too large to decode")
    return png
