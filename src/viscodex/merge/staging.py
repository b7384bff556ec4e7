"""OUT.partial: one process at a time writes it, a killed run is taken up again, a failed one is cleared away."""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.checkpoint.writer import ShardPlan
from viscodex.core import console
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import JsonLines, fsync_tree, partial_path, publish, remove_tree, require_free
from viscodex.merge.plan import MergePlan, variant_names

PROGRESS = ".progress.jsonl"
UNFINISHED = ".unfinished"  # in a folder that is begun anew, not taken up again
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Staging:
    """The folder a merge grows in. `done` holds the journal's rows of the shards that an earlier run had finished."""

    folder: Path
    journal: JsonLines
    done: Mapping[str, Row]

    def finished(self, row: Row) -> None:
        """Note a shard; when this returns, a kill no longer costs it."""
        self.journal.append(row, sync=True)


@contextmanager
def staged(plan: MergePlan, out: Path) -> Iterator[Staging]:
    """Lock and begin (or take up) OUT.partial; publish it as OUT when the block ends.

    A VisCodexError or OSError in the block, which a second try would meet again, removes all that was written.
    Whatever else ends it, a kill first of all, leaves OUT.partial to go on from.
    """
    folder = partial_path(out)
    parents = [parent for parent in folder.parents if not parent.exists()]
    lock = lock_folder(folder)
    try:
        try:
            require_free(out)  # again: another process may have published since
            staging = _begin(plan, folder)
        except VisCodexError:
            _remove_empty([folder, *parents])
            raise
        try:
            yield staging
        except (VisCodexError, OSError) as error:
            remove_tree(folder)
            _remove_empty(parents)
            raise _explained(error, out) from error
        finally:
            staging.journal.close()
        _publish(folder, out)
    finally:
        os.close(lock)


@contextmanager
def staged_anew(out: Path) -> Iterator[Path]:
    """Lock an empty OUT.partial; publish it as OUT when the block ends, and leave nothing when it fails.

    For work that is not taken up again: what a killed run of it has left is cleared away, an unfinished merge is not.
    """
    require_free(out)
    folder = partial_path(out)
    parents = [parent for parent in folder.parents if not parent.exists()]
    lock = lock_folder(folder)
    try:
        require_free(out)  # again: another process may have published since
        if any(folder.iterdir()) and not (folder / UNFINISHED).is_file():
            raise _in_the_way("an unfinished merge, or a folder of something else,", folder)
        (folder / UNFINISHED).touch()
        for path in folder.iterdir():
            if path.is_dir():
                remove_tree(path)
            elif path.name != UNFINISHED:
                path.unlink()
        try:
            yield folder
            fsync_tree(folder)
        except BaseException as error:
            remove_tree(folder)
            _remove_empty(parents)
            if isinstance(error, OSError):
                raise _explained(error, out) from error
            raise
        (folder / UNFINISHED).unlink()
        publish(folder, out)
    finally:
        os.close(lock)


def _begin(plan: MergePlan, folder: Path) -> Staging:
    journal = JsonLines(folder / PROGRESS)
    first, *rows = _rows(journal) or [{}]
    if not first and any(path != journal.path for path in folder.iterdir()):
        raise _in_the_way("a folder that no merge has written", folder)
    if first and first.get("fingerprint") != plan.fingerprint:
        raise _in_the_way("an unfinished merge with other settings or inputs", folder)
    if not first:
        journal.append({"fingerprint": plan.fingerprint}, sync=True)
    for name in variant_names(plan):
        (folder / name).mkdir(exist_ok=True)
    done = {row["shard"]: row for row in rows}
    done = {
        shard.file: done[shard.file] for shard in plan.shards if shard.file in done and _is_whole(plan, folder, shard)
    }
    if first:
        console.say(f"resuming {folder}: {len(done)} of {len(plan.shards)} shards are done")
        _sweep(plan, folder, {*done, PROGRESS})
    return Staging(folder, journal, done)


def _rows(journal: JsonLines) -> list[dict[str, Any]]:
    """The rows of a journal. What is no journal of ours is in the way."""
    try:
        rows = list(journal)
    except (VisCodexError, OSError) as error:
        raise _in_the_way("a folder that no merge has written", journal.path.parent) from error
    wanted = ["fingerprint", *["shard"] * (len(rows) - 1)]
    if not all(isinstance(row, dict) and key in row for row, key in zip(rows, wanted, strict=False)):
        raise _in_the_way("a folder that no merge has written", journal.path.parent)
    return rows


def _is_whole(plan: MergePlan, folder: Path, shard: ShardPlan) -> bool:
    """Whether a shard that the journal lists is still there in every variant, with its full size."""
    files = [folder / name / shard.file for name in variant_names(plan)]
    return all(file.is_file() and file.stat().st_size == shard.nbytes for file in files)


def _sweep(plan: MergePlan, folder: Path, keep: set[str]) -> None:
    """Remove what the killed run had only begun, temporary files among it."""
    for name in variant_names(plan):
        for path in (folder / name).iterdir():
            if path.is_file() and path.name not in keep:
                path.unlink()


def _in_the_way(what: str, folder: Path) -> UsageError:
    return UsageError(
        f"{what} is in the way", where=str(folder), hint=f"look at it, then rm -r {shlex.quote(str(folder))}"
    )


def lock_folder(folder: Path) -> int:
    """Make a folder and keep other processes from writing it, until the descriptor is closed or the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise VisCodexError(f"cannot write here: {error.strerror}", where=str(folder.parent)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(handle), folder.stat()):  # published by another, and begun again by a third
            raise BlockingIOError
    except OSError as error:
        os.close(handle)
        raise UsageError("another process is writing this output", where=str(folder), hint="wait for it") from error
    return handle


def _publish(folder: Path, out: Path) -> None:
    """The journal goes last: killed before the rename, the same command finds every shard done."""
    try:
        fsync_tree(folder)  # side files are copied without
        publish(folder, out)
        (out / PROGRESS).unlink()
    except OSError as error:
        hint = f"the result is complete in {folder}: the same command goes on from there"
        raise VisCodexError(f"cannot publish the result: {error.strerror}", where=str(out), hint=hint) from error


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _explained(error: VisCodexError | OSError, out: Path) -> VisCodexError:
    if isinstance(error, VisCodexError):
        return error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VisCodexError("the disk is full; nothing was kept", where=str(out), hint="choose another --out")
    return VisCodexError(f"cannot write the result: {error.strerror or error}", where=str(out))
