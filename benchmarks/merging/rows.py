"""From runs to the rows of the table, and what has to be said beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from measure import median
from merging.jobs import METHODS, Job, Run

Row = dict[str, Any]
NOTES = (
    "CPU is user + system time of the whole process tree; medians, every value is in benchmarks/results/merge.json. "
    "Commands ran in turns, every second round backwards; outputs were removed between runs.",
    "Before the first run of a size its inputs were read from the disk once, so that they lay in the page cache as far "
    "as they fit (those of 8b do not fit). Before every run a helper used and freed memory: where a virtual machine "
    "hands free memory back to its host, the first use of a page is dear, and is charged to whoever comes first.",
    "“Without start-up” is the CPU time less that of the same program's start-up in the same run: for viscodex the "
    "whole command with --dry-run, which reads headers, configs and tokenizers and plans; for mergekit "
    "`mergekit-yaml --help`, its imports. For the floors it is the time after their imports. Memory over start-up is "
    "the same difference of peak resident memory.",
    "Start-up includes the two tokenizers of 7 MB that rows are matched by. viscodex checks every value for NaN and "
    "Inf, hashes every tensor it reads and writes, and flushes the result to disk before it is published; of these "
    "the floors only flush.",
)


def rows_of(runs: Mapping[Job, Sequence[Run]]) -> list[Row]:
    """One row per job, and one without start-up for merges and floors."""
    rows = []
    for job, found in runs.items():
        rows.append(_row(job, found, runs))
        if job.what in METHODS or job.what.startswith("lerp"):
            rows.append(_phase_row(job, runs))
    return rows


def kill_row(kill: Mapping[str, Any]) -> Row:
    """The kill test as a row: how many files of how many were the same."""
    rounds = kill["rounds"]
    same = sum(r["files"] for r in rounds if r["identical"])
    what = f"killed {len(rounds)} times and run again: {same} of {sum(r['files'] for r in rounds)} files identical"
    return {"size": kill["size"], "what": what, "program": "viscodex"}


def _row(job: Job, found: Sequence[Run], runs: Mapping[Job, Sequence[Run]]) -> Row:
    usages = [run.usage for run in found]
    start = _other(job, runs, what="start-up")
    peak = median([u.peak_rss for u in usages])
    over = peak - median([run.usage.peak_rss for run in runs[start]]) if start and start != job else None
    peer = _other(job, runs, program="mergekit")
    return {
        "size": job.size,
        "what": job.what,
        "program": job.program,
        "CPU (s)": median([u.cpu for u in usages]),
        "of it system (s)": median([u.sys for u in usages]),
        "wall (s)": median([u.wall for u in usages]),
        "peak memory (MB)": round(peak / 1e6),
        "over start-up (MB)": None if over is None else round(over / 1e6),
        "× less CPU than mergekit": _ratio(_cpu(peer, runs), _cpu(job, runs)) if job.program == "viscodex" else None,
    }


def _phase_row(job: Job, runs: Mapping[Job, Sequence[Run]]) -> Row:
    peer = _other(job, runs, program="mergekit")
    ours = job.program == "viscodex"
    return {
        "size": job.size,
        "what": f"{job.what}, without start-up",
        "program": job.program,
        "CPU (s)": _phase(job, runs),
        "× less CPU than mergekit": _ratio(_phase(peer, runs), _phase(job, runs)) if ours else None,
    }


def _other(job: Job, runs: Mapping[Job, Sequence[Run]], **changes: str) -> Job | None:
    """The job of the same size, program and task but for the changes."""
    wanted = {"size": job.size, "what": job.what, "program": job.program, **changes}
    return next((j for j in runs if all(getattr(j, name) == value for name, value in wanted.items())), None)


def _cpu(job: Job | None, runs: Mapping[Job, Sequence[Run]]) -> float | None:
    return None if job is None else median([run.usage.cpu for run in runs[job]])


def _phase(job: Job | None, runs: Mapping[Job, Sequence[Run]]) -> float | None:
    """CPU seconds without start-up."""
    if job is None:
        return None
    own = [run.phase_cpu for run in runs[job] if run.phase_cpu is not None]
    if own:
        return median(own)
    whole, start = _cpu(job, runs), _cpu(_other(job, runs, what="start-up"), runs)
    return None if whole is None or start is None else whole - start


def _ratio(theirs: float | None, ours: float | None) -> float | None:
    return round(theirs / ours, 1) if theirs and ours and ours > 0 else None
