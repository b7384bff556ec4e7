"""A training as several processes of this machine, started from one that goes on when they have ended."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import tomli_w

from viscodex.core.errors import VisCodexError
from viscodex.core.rundir import atomic_write
from viscodex.train.loop import Interrupted
from viscodex.train.provenance import shown_settings
from viscodex.train.recipe import TrainRecipe

PR_SET_PDEATHSIG = 1


def launch(recipe: TrainRecipe, out: Path, ranks: int) -> dict[str, Any]:
    """`torchrun --nproc-per-node RANKS -m viscodex train` into OUT; what `run_training` returns.

    The processors are shared out among the ranks, unless OMP_NUM_THREADS says how many threads each may have.

    Raises: Interrupted after Ctrl-C, which the ranks have seen, too; VisCodexError, when they failed.
    """
    out.mkdir(parents=True, exist_ok=True)
    place = out / "recipe.toml"
    atomic_write(place, tomli_w.dumps(shown_settings(recipe.resolved())))
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command = [sys.executable, *launcher, "-m", "viscodex", "train", str(place), "--out", str(out), "--json"]
    threads = str(max(1, (os.cpu_count() or 1) // ranks))
    environment = {"OMP_NUM_THREADS": threads} | dict(os.environ)
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux alone has it
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=prctl and (lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)),  # nothing outlives us
    ) as process:
        try:
            told, _ = process.communicate()
        except KeyboardInterrupt:  # the ranks have it too, and write a checkpoint
            process.wait()
            raise Interrupted from None
    if process.returncode:
        raise VisCodexError(f"the training on {ranks} ranks failed with exit code {process.returncode}", str(out))
    result: dict[str, Any] = json.loads(told)
    return result
