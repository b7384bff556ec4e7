"""What a run says while it goes: one steady line a step, the same facts in `metrics.jsonl`, TensorBoard if asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viscodex.core import console
from viscodex.core.errors import UsageError
from viscodex.core.rundir import JsonLines, atomic_write
from viscodex.train.store import Skipped


@dataclass(frozen=True)
class StepFacts:
    """One step in numbers. `loss` is the mean over answer tokens; `seconds` are on the wall and include
    those `waited` for data, `cpu` of this process."""

    step: int
    loss: float
    lr: float
    gradient_norm: float
    samples: int
    tokens: int
    answers: int
    seconds: float
    cpu: float
    waited: float
    memory: int
    mfu: float | None = None

    def row(self) -> dict[str, Any]:
        values = {key: value for key, value in vars(self).items() if value is not None}
        return {"kind": "step", **values, "tokens_per_s": round(self.tokens / max(self.seconds, 1e-9), 1)}


@dataclass
class Reporter:
    """Writes for the first rank; on the others it does nothing."""

    out: Path
    steps: int
    is_active: bool
    tensorboard: bool = False
    begun: float = field(default_factory=time.monotonic)
    first_step: int = 0
    _board: Any = None

    def __post_init__(self) -> None:
        self.metrics = JsonLines(self.out / "metrics.jsonl")
        self.skips = JsonLines(self.out / "skipped.jsonl")
        self.skipped_ids: set[tuple[str, str]] = set()
        if self.is_active:
            self.skipped_ids = {(row["id"], row["reason"]) for row in self.skips}
            if self.tensorboard:
                self._board = _open_board(self.out / "tensorboard")

    def forget_after(self, step: int) -> None:
        """Drop what was measured after the checkpoint that the run goes on from."""
        self.first_step = step
        if not self.is_active or not self.metrics.path.exists():
            return
        kept = [row for row in self.metrics if row["step"] <= step]
        atomic_write(self.metrics.path, b"")
        for row in kept:
            self.metrics.append(row)

    def step(self, facts: StepFacts) -> None:
        if not self.is_active:
            return
        self.metrics.append(facts.row())
        console.say(self.line(facts))
        self._draw("train", {"loss": facts.loss, "lr": facts.lr, "gradient_norm": facts.gradient_norm}, facts.step)

    def line(self, facts: StepFacts) -> str:
        """`step 12/500 2.4 % · loss 1.2345 · lr 1.0e-05 · norm 0.81 · 5,120 tok/s · …`"""
        done = facts.step - self.first_step
        left = (time.monotonic() - self.begun) / max(done, 1) * (self.steps - facts.step)
        words = [
            f"step {facts.step}/{self.steps} {100 * facts.step / self.steps:.1f} %",
            f"loss {facts.loss:.4f}",
            f"lr {facts.lr:.2e}",
            f"norm {facts.gradient_norm:.3f}",
            f"{facts.tokens / max(facts.seconds, 1e-9):,.0f} tok/s",
            *([f"MFU {100 * facts.mfu:.0f} %"] if facts.mfu is not None else []),
            f"{facts.memory / 1e9:.1f} GB",
            f"data {100 * facts.waited / max(facts.seconds, 1e-9):.0f} %",
            f"{_clock(left)} left",
        ]
        return " · ".join(words)

    def evaluation(self, step: int, losses: Mapping[str, float]) -> None:
        """Held-out loss by category, and over all tokens as `all`."""
        if not self.is_active or not losses:
            return
        self.metrics.append({"kind": "eval", "step": step, "losses": dict(losses)})
        console.say(f"held out at step {step}: " + ", ".join(f"{kind} {loss:.4f}" for kind, loss in losses.items()))
        self._draw("eval", losses, step)

    def skipped(self, found: list[Skipped]) -> None:
        """Record bad samples, each once, however often they come up."""
        if not self.is_active:
            return
        for skip in found:
            if (skip.id, skip.reason) not in self.skipped_ids:
                self.skipped_ids.add((skip.id, skip.reason))
                self.skips.append(vars(skip))

    def close(self) -> None:
        self.metrics.close()
        self.skips.close()
        if self._board is not None:
            self._board.close()

    def _draw(self, group: str, values: Mapping[str, float], step: int) -> None:
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{group}/{name}", value, step)


def _open_board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError("tensorboard is not installed", hint="pip install tensorboard") from error
    return SummaryWriter(str(folder))


def _clock(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02d} h" if hours else f"{rest // 60}:{rest % 60:02d} min"
