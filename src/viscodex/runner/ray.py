"""A stage on a Ray cluster: the same work, the same verdicts, many machines. Needs `viscodex[ray]`.

A `RayPool` stands where a `Pool` does. Rows go out in chunks, each a Ray data set whose blocks pass `map_batches` with
their verdicts in a status column. What was learned by trying it:

* Nothing may be raised inside: one row's exception would end the job. Each actor keeps a worker process of ours, so
  that even what kills or hangs a process costs its own row only, and the actor lives on.
* No row is filtered: a row that is rejected goes through with its verdict, or nobody could tell it from a lost one.
* Blocks must be many and small, or most actors have nothing to do, and a lost machine costs a large block.
* Tasks are retried a few times, not for ever (Ray's default for actors): a machine that dies is not a row's fault.
* Ray's own checkpoints are not used: our journal notes every row as it comes back, and a rerun sends what is missing.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Generic, Self, TypeVar

from viscodex.core.errors import UsageError
from viscodex.runner.feed import Task
from viscodex.runner.stage import Fail, Result
from viscodex.runner.workers import Pool, WorkerLimits

CHUNK_ROWS = 8192  # in the driver's memory at a time
BATCH_ROWS = 16
LOST_MACHINES = 3

T = TypeVar("T")
R = TypeVar("R")


class RayPool(Generic[T, R]):
    """`work(resource, row)` in worker processes on a cluster; `processes` at a time. As `Pool`, for one thread."""

    def __init__(
        self,
        work: Callable[[Any, T], Result[R]],
        *,
        open: Callable[[], Any] | None = None,
        processes: int = 1,
        limits: WorkerLimits = WorkerLimits(),
        address: str = "",
    ) -> None:
        self.limits = limits
        self.processes = processes
        self._made = {"work": work, "open": open, "limits": limits}
        connect(address)

    def map(
        self, rows: Iterable[Task[T]], *, on_fail: Callable[[Task[T], Fail], None] | None = None
    ) -> Iterator[tuple[Task[T], Result[R]]]:
        """Each row's verdict, as blocks come back. A row has all its tries on one machine; `on_fail` hears the last."""
        for tasks in _chunks(rows):
            waiting = {task.id: task for task in tasks}
            for row in self._chunk(tasks):
                task = waiting.pop(row["id"], None)
                if task is None:  # a block that was done twice, since its machine died after it was done
                    continue
                result: Result[R] = pickle.loads(row["verdict"])
                if isinstance(result, Fail) and on_fail is not None:
                    on_fail(task, result)
                yield task, result
            assert not waiting, f"{len(waiting)} rows did not come back"

    def _chunk(self, tasks: list[Task[T]]) -> Iterator[dict[str, Any]]:
        import ray.data

        items = [{"id": task.id, "row": pickle.dumps(task.row), "tries": task.tries} for task in tasks]
        blocks = max(1, min(len(items), max(4 * self.processes, len(items) // BATCH_ROWS)))
        data = ray.data.from_items(items, override_num_blocks=blocks).map_batches(
            _Stage,
            fn_constructor_kwargs=self._made,
            batch_size=BATCH_ROWS,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=self.processes),
            max_restarts=LOST_MACHINES,
            max_task_retries=LOST_MACHINES,
        )
        yield from data.iter_rows()

    def close(self) -> None:
        """The cluster is somebody else's, or the next stage's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Stage:
    """An actor: a worker process of ours, and the resource it has opened."""

    def __init__(self, work: Any, open: Any, limits: WorkerLimits) -> None:
        self._pool: Pool[Any, Any] = Pool(work, open=open, processes=1, limits=limits)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        import numpy as np

        columns = zip(batch["id"], batch["row"], batch["tries"], strict=True)
        tasks = [Task(str(row_id), pickle.loads(row), int(tries)) for row_id, row, tries in columns]
        verdicts = {task.id: result for task, result in self._pool.map(tasks)}
        ordered = [verdicts[str(row_id)] for row_id in batch["id"]]
        packed = np.array([pickle.dumps(result) for result in ordered], dtype=object)
        status = np.array([type(result).__name__ for result in ordered], dtype=object)
        return {"id": batch["id"], "status": status, "verdict": packed}


def connect(address: str) -> None:
    """Join the cluster at an address (`auto`, `ray://…`); "local": begin one on this machine."""
    try:
        import ray
    except ImportError:
        raise UsageError("Ray is not installed", hint="pip install 'viscodex[ray]'") from None
    if not ray.is_initialized():
        where = None if address in ("", "local") else address
        ray.init(address=where, include_dashboard=False, log_to_driver=False, configure_logging=False)
        ray.data.DataContext.get_current().enable_progress_bars = False


def _chunks(rows: Iterable[Task[T]]) -> Iterator[list[Task[T]]]:
    waiting = iter(rows)
    while chunk := list(islice(waiting, CHUNK_ROWS)):
        yield chunk
