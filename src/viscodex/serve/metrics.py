"""What the server has done and is doing, as Prometheus reads it."""

from __future__ import annotations

import logging
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from viscodex.model.generate import Completion

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 600)
ROWS = (1, 2, 4, 8, 16, 32)

log = logging.getLogger("viscodex.serve")


class Metrics:
    """The counters of one server; memory and CPU time of its process are among them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        own: dict[str, Any] = {"namespace": "viscodex", "registry": self.registry}
        self.requests = Counter("requests", "Requests by path and status.", ["path", "status"], **own)
        self.left = Counter("clients_left", "Clients that went before their answer was whole.", **own)
        self.tokens = Counter("tokens", "Tokens read and written.", ["kind"], **own)
        self.answer = Histogram("answer_seconds", "From arrival to the whole answer.", buckets=SECONDS, **own)
        self.first = Histogram("first_piece_seconds", "From arrival to the first text.", buckets=SECONDS, **own)
        self.rows = Histogram("batch_rows", "Answers written together.", buckets=ROWS, **own)
        self.faults = Counter("faults", "Faults of our own.", **own)
        self.open = Gauge("requests_open", "Requests read, waiting or answered now.", **own)
        self.waiting = Gauge("answers_waiting", "Answers asked for and not begun.", **own)
        self.running = Gauge("answers_running", "Answers being written.", **own)

    def batch(self, rows: int) -> None:
        self.rows.observe(rows)

    def fault(self, error: Exception) -> None:
        self.faults.inc()
        log.error("a fault in the engine", exc_info=error)

    def answered(self, completions: list[Completion], seconds: float) -> None:
        self.answer.observe(seconds)
        self.tokens.labels("read").inc(max(one.usage.prompt_tokens for one in completions))
        self.tokens.labels("written").inc(sum(one.usage.completion_tokens for one in completions))

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
