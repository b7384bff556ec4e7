"""Which back end holds programs here: the first that shows, by running something, that it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Literal

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import bwrap, landlock
from viscodex.sandbox.boxed import Boxed, Streams
from viscodex.sandbox.jail import Jail

Backend = Literal["bwrap", "landlock", "none"]
ISOLATING: tuple[Backend, ...] = ("bwrap", "landlock")

_START: dict[Backend, Callable[..., Boxed]] = {
    "bwrap": bwrap.start,
    "landlock": landlock.start,
    "none": partial(landlock.start, confine=False),
}

# What must be true inside: not root, no capabilities, a filter in place, and a file of the host out of reach.
_PROBE = """
[ "$(id -u)" != 0 ] || { echo "it runs as root"; exit 1; }
( : > /usr/.viscodex-probe ) 2>/dev/null && { echo "/usr can be written"; exit 1; }
( : < /proc/1/environ ) 2>/dev/null && [ "$$" -gt 9 ] && { echo "another process's environment can be read"; exit 1; }
[ -r /etc/shadow ] && ( : < /etc/shadow ) 2>/dev/null && { echo "/etc/shadow can be read"; exit 1; }
echo held
"""


def start(
    backend: Backend,
    jail: Jail,
    argv: Sequence[str],
    streams: Streams,
    files: Mapping[str, bytes | int] | None = None,
) -> Boxed:
    """Start a program with this back end; see `bwrap.start`. For a long-lived process, keep what it returns."""
    return _START[backend](jail, argv, streams, files)


@cache
def best() -> Backend:
    """The first back end that passes its self-test; an error that says what each lacks when none does."""
    reasons = []
    for backend in ISOLATING:
        reason = problem(backend)
        if not reason:
            return backend
        reasons.append(f"{backend}: {reason}")
    raise VisCodexError(
        "nothing on this machine can hold an untrusted program: " + "; ".join(reasons),
        hint="apt install bubblewrap, allow user namespaces (docker run --security-opt seccomp=unconfined), "
        "or see viscodex sandbox selftest",
    )


@cache
def problem(backend: Backend) -> str:
    """Why a back end cannot be used here, or "" when a probe inside it finds what it must."""
    from viscodex.sandbox.box import Box

    if backend == "landlock" and landlock.abi() < landlock.NEEDED_ABI:
        return f"the kernel has Landlock ABI {landlock.abi()}, {landlock.NEEDED_ABI} is needed (Linux 6.12)"
    try:
        execution = Box(backend=backend).run(["/bin/sh", "-c", _PROBE])
    except VisCodexError as error:
        return error.problem
    if execution.stdout.strip() == b"held":
        return ""
    lines = (execution.stdout + execution.stderr).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else execution.status
