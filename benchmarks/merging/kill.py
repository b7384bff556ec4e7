"""Kill a merge at random moments, run it again, and compare every byte with that of a merge left in peace."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import measure
from merging.jobs import Command, remove


def kill_test(command: Command, out: Path, logs: Path, rounds: int, seed: int) -> dict[str, Any]:
    """`rounds` times: start, SIGKILL somewhere between the first byte and the last, run again to the end, compare.

    `{out}` in the command is the output folder. Gives what each round saw, and whether every file was the same.
    """
    argv = [word.replace("{out}", str(out)) for word in command]
    draw = random.Random(seed)
    remove(out)
    process = measure.start(argv, logs / "kill undisturbed.log")
    first_byte = _wait_for_staging(process, out)
    if process.wait() != 0:
        raise measure.CommandFailedError((logs / "kill undisturbed.log").read_text())
    span = time.monotonic() - first_byte
    expected = sha256_of_files(out)
    remove(out)
    done = []
    for number in range(1, rounds + 1):
        moment = _kill_one(argv, out, logs, draw, span)
        saw = {"killed_after": round(moment, 2), "shards_then_done": shards_done(out)}
        measure.run(argv, logs / f"kill {number} again.log")
        found = sha256_of_files(out)
        differing = sorted(name for name, _ in found.items() ^ expected.items())
        done.append({**saw, "files": len(found), "identical": not differing, "differing": sorted(set(differing))})
        remove(out)
    return {
        "undisturbed_seconds": round(span, 2),
        "sha256": expected,
        "rounds": done,
        "identical": all(round_["identical"] for round_ in done),
    }


def _kill_one(argv: Sequence[str], out: Path, logs: Path, draw: random.Random, span: float) -> float:
    """Start, and kill within `span` seconds of the first byte; returns how long after it.

    A merge that had already published is done over, with half the span.
    """
    while True:
        remove(out)
        process = measure.start(argv, logs / "kill victim.log")
        _wait_for_staging(process, out)
        moment = draw.uniform(0.0, span)
        time.sleep(moment)
        if measure.kill(process) < 0 and not out.exists():
            return moment
        span /= 2


def _wait_for_staging(process: subprocess.Popen[bytes], out: Path) -> float:
    """The moment the unfinished folder is there."""
    staging = out.with_name(out.name + ".partial")
    while process.poll() is None and not staging.exists() and not out.exists():
        time.sleep(0.002)
    return time.monotonic()


def shards_done(out: Path) -> int:
    """How many shards the journal of an unfinished merge lists."""
    journal = out.with_name(out.name + ".partial") / ".progress.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True) if journal.exists() else []
    return sum("shard" in json.loads(line) for line in lines if line.endswith(b"\n"))


def sha256_of_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor() as pool:
        return dict(zip((str(p.relative_to(folder)) for p in paths), pool.map(_sha256, paths), strict=True))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
