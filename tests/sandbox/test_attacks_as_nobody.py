"""The attacks once more, started by an unprivileged user: the other way into the box."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import viscodex

HERE = Path(__file__).parent
PYTHON = Path("/usr/bin/python3")


def version(python: Path | str) -> str:
    command = [str(python), "-c", "import sys; print(*sys.version_info[:2])"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="this user is unprivileged already")
def test_every_attack_as_nobody(public):
    if not PYTHON.exists() or version(PYTHON) != version(sys.executable):
        pytest.skip(f"nobody needs {PYTHON} of our own version to run the packages installed here")
    os.chown(public, 65534, 65534)
    paths = [str(Path(viscodex.__file__).parents[1]), *(p for p in sys.path if p.endswith("site-packages"))]
    attacks = [str(path) for path in sorted(HERE.glob("test_attacks_*.py")) if path != Path(__file__)]
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    pytest_run = [str(PYTHON), "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", f"--basetemp={public}/t"]
    completed = subprocess.run(
        [*drop, *pytest_run, f"--rootdir={HERE}", *attacks],
        env={"PATH": "/usr/bin:/bin", "HOME": str(public), "PYTHONPATH": ":".join(paths), "TMPDIR": str(public)},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    print(completed.stdout[-6000:])
    assert completed.returncode == 0, completed.stdout[-6000:] + completed.stderr[-2000:]
