"""Attacks are Python programs that print SUCCEEDED when they get what they want; each runs boxed and, to show that it
can succeed at all, unboxed or in a box with the one limit lifted."""

from __future__ import annotations

import os
import subprocess
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from viscodex.sandbox import backends, scratch
from viscodex.sandbox.backends import ISOLATING, Backend
from viscodex.sandbox.box import Box, Execution
from viscodex.sandbox.identity import FIRST_UID, SLOTS
from viscodex.sandbox.limits import MIB, Limits

PYTHON = "/usr/bin/python3"
SUCCEEDED = b"SUCCEEDED"
# generous with time, because the machine that runs the tests may be busy; small in everything else
LIMITS = Limits(cpu_s=5, wall_s=30, memory=192 * MIB, processes=24, work_size=16 * MIB, tmp_size=8 * MIB,
                shm_size=8 * MIB, inodes=3000)  # fmt: skip

Attack = Callable[..., Execution]


@pytest.fixture(params=ISOLATING)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Every back end that this machine has; a skipped one says why."""
    if reason := backends.problem(request.param):
        pytest.skip(f"{request.param}: {reason}")
    return request.param


@pytest.fixture
def limits() -> Limits:
    """The limits that `boxed` uses unless told otherwise."""
    return LIMITS


@pytest.fixture
def boxed(backend: Backend) -> Attack:
    """Run a Python program in a box; `limits`, `files`, `stdin` and `collect` as in `Box.run`."""

    def run(code: str, *, limits: Limits = LIMITS, **options: object) -> Execution:
        command = [PYTHON, "-c", textwrap.dedent(code)]
        return Box(limits, backend=backend).run(command, **options)  # type: ignore[arg-type]

    return run


@pytest.fixture
def unboxed(tmp_path: Path) -> Callable[[str], bytes]:
    """Run a Python program as the test's own user, with nothing around it: what it prints."""

    def run(code: str) -> bytes:
        command = [PYTHON, "-c", textwrap.dedent(code)]
        return subprocess.run(command, capture_output=True, timeout=60, cwd=tmp_path, check=False).stdout

    return run


def box_processes(harness: int) -> list[int]:
    """Processes that boxes of this harness have left: by their uid, or if we are not root by age and command."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            uid = folder.stat().st_uid
            command = (folder / "cmdline").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if os.geteuid() == 0:
            first = FIRST_UID + harness * SLOTS
            ours = first <= uid < first + SLOTS
        else:
            ours = uid == os.geteuid() and (
                Path(os.fsdecode(command.partition(b"\0")[0])).name == "bwrap"
                or b"echo >&3" in command
                or b"The program that" in command
            )
            ours = ours or (b"MARKER" in command and b"pytest" not in command)
        if ours and state not in "ZX":
            found.append(int(folder.name))
    return found


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody can enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="viscodex-public-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def survivors() -> Callable[[int], list[int]]:
    """Processes that boxes of a harness have left, given its process id and a moment to bury them."""

    def find(harness: int) -> list[int]:
        deadline = time.monotonic() + 5
        while (left := box_processes(harness)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    return find


@pytest.fixture(scope="session", autouse=True)
def no_survivors() -> Iterator[None]:
    """Whatever the tests did, nothing that ran in a box is left when they are over."""
    yield
    deadline = time.monotonic() + 5
    while (left := box_processes(os.getpid())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
    scratch.sweep.cache_clear()
    scratch.sweep()  # folders of the harnesses that tests have killed
