"""The rows on their way through a pool of workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass
class Task(Generic[T]):
    """A row on its way through the pool, with the tries it has behind it."""

    id: str
    row: T
    tries: int = 0
    place: int = 0


class Feed(Generic[T]):
    """Rows to hand out: those to try again, then new ones; with `window`, not too far ahead of the one that is due."""

    def __init__(self, rows: Iterable[Task[T]], window: int) -> None:
        self._rows = iter(rows)
        self._window = window
        self._waiting: deque[Task[T]] = deque()
        self._drawn = 0
        self._due = 0
        self._early: dict[int, tuple[Task[T], Any]] = {}

    def has_next(self, beyond: int = 0) -> bool:
        """Whether there are more than `beyond` rows to hand out now."""
        while len(self._waiting) <= beyond:
            if self._window and self._drawn - self._due >= self._window:
                return False
            task = next(self._rows, None)
            if task is None:
                return False
            task.place = self._drawn
            self._drawn += 1
            self._waiting.append(task)
        return True

    def next(self) -> Task[T]:
        return self._waiting.popleft()

    def again(self, task: Task[T]) -> None:
        self._waiting.append(task)

    def in_order(self, ready: Iterable[tuple[Task[T], Any]]) -> Iterator[tuple[Task[T], Any]]:
        for task, result in ready:
            self._early[task.place] = task, result
        while self._due in self._early:
            yield self._early.pop(self._due)
            self._due += 1
