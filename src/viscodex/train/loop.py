"""The training loop. It reads from top to bottom; what ranks are, only parallel.py knows."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from viscodex.core.errors import VisCodexError
from viscodex.train.batch import Batch
from viscodex.train.evaluate import held_out_losses
from viscodex.train.flops import Cost, peak_of
from viscodex.train.forward import Objective
from viscodex.train.loader import Loader, Step
from viscodex.train.optimize import lr_at, scale_gradients, set_lr
from viscodex.train.order import Order, Rows
from viscodex.train.parallel import World, exchange, gradient_norm, put_back
from viscodex.train.provenance import memory_in_use
from viscodex.train.recipe import TrainRecipe
from viscodex.train.report import Reporter, StepFacts
from viscodex.train.resume import save


@dataclass(frozen=True)
class Run:
    """Everything a loop needs, ready. `facts` go into every checkpoint."""

    recipe: TrainRecipe
    out: Path
    world: World
    objective: Objective
    optimizer: torch.optim.Optimizer
    loader: Loader
    order: Order
    held_out: Rows
    steps: int
    samples: int  # of all steps together
    precision: str
    reporter: Reporter
    facts: dict[str, Any]
    page: Callable[[int], None] | None = None

    @property
    def trained(self) -> list[torch.nn.Parameter]:
        return [p for p in self.objective.parameters() if p.requires_grad]

    def rows_of(self, step: int) -> Rows:
        """The samples of step 0 … steps − 1: the same for any number of ranks."""
        start = step * self.recipe.batch_size
        return self.order.stream(start, min(self.recipe.batch_size, self.samples - start))

    def autocast(self) -> Any:
        """bfloat16 compute over float32 weights; under FSDP the shards are gathered in bfloat16 instead."""
        is_on = self.precision == "mixed" and self.world.size == 1
        return torch.autocast(self.world.device.type, torch.bfloat16, enabled=is_on)


class Moment(NamedTuple):
    """Seconds on the wall, and of this process's CPU."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Moment:
        return cls(time.monotonic(), time.process_time())


class Interrupted(Exception):  # noqa: N818  # a request, not an error
    """SIGTERM or Ctrl-C, after the checkpoint has been written."""


def train(run: Run, start: int = 0) -> None:
    """Steps `start` … `run.steps`; raises `Interrupted` when asked to stop."""
    run.objective.train()
    if start == 0:
        evaluate(run, 0)
    every = run.recipe.checkpoint_every
    with stop_signals() as asked:
        before = Moment.now()
        for step in run.loader.steps(run.rows_of, start, run.steps):
            facts = one_step(run, step, before, waited=time.monotonic() - before.wall)
            run.reporter.step(facts)
            is_stopping = run.world.sum([float(asked())])[0] > 0
            is_last = facts.step == run.steps
            if is_last or is_due(facts.step, run.recipe.eval_every):
                evaluate(run, facts.step)
            if run.page and (is_last or is_due(facts.step, run.recipe.samples_every)):
                run.page(facts.step)
            if is_stopping or is_due(facts.step, every) or (is_last and every):
                save(run.out, facts.step, run.objective.model, run.optimizer, run.facts, run.world, run.recipe.keep)
            if is_stopping and not is_last:
                raise Interrupted
            before = Moment.now()


def one_step(run: Run, step: Step, began: Moment, waited: float) -> StepFacts:
    """Forward and backward over this rank's micro-batches, one update; the facts are of all ranks together."""
    recipe, world = run.recipe, run.world
    torch.manual_seed(seed_of(recipe.seed, step.number, world.rank))
    counts = [*map(sum, zip(*(_sizes(batch) for batch in step.batches), strict=True)), len(step.skipped)]
    samples, tokens, answers, patches, squares, skipped = (int(n) for n in world.sum([float(n) for n in counts]))
    if skipped:
        run.reporter.skipped([skip for found in world.gather(step.skipped) for skip in found])
    total = torch.zeros((), device=world.device)
    for batch in step.batches:
        with run.autocast():
            losses = run.objective(batch.to(world.device))
        # The mean over ALL answer tokens of the step: a mean of micro-batches' means would weigh short answers more.
        # FSDP averages gradients over ranks, hence the factor.
        part = losses.sum() / max(answers, 1)
        (part * world.size).backward()
        total += part.detach()
    exchange(run.objective, world)
    loss = world.sum([float(total)])[0]
    norm = gradient_norm(run.objective, world)
    if not (math.isfinite(loss) and math.isfinite(norm)):
        stop_at(run, step, loss, norm)
    if recipe.clip and norm > recipe.clip:
        scale_gradients(run.trained, recipe.clip / norm)
    lr = lr_at(step.number, run.steps, recipe)
    set_lr(run.optimizer, lr)
    if answers:
        run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    seconds, cpu = time.monotonic() - began.wall, time.process_time() - began.cpu
    peak = peak_of(world.device)
    done = Cost.of(run.objective.model).step(tokens, answers, patches, squares) if peak else 0.0
    return StepFacts(
        step=step.number + 1,
        loss=loss,
        lr=lr,
        gradient_norm=norm,
        samples=samples,
        tokens=tokens,
        answers=answers,
        seconds=seconds,
        cpu=cpu,
        waited=waited,
        memory=memory_in_use(world.device),
        mfu=done / (seconds * peak * world.size) if peak else None,
    )


def _sizes(batch: Batch) -> tuple[int, int, int, int, int]:
    """Samples, tokens, answer tokens, patches, squared lengths."""
    lengths = batch.ends.diff().long()
    patches = 0 if batch.pixels is None else len(batch.pixels)
    return len(batch.ids), batch.tokens, len(batch.labels), patches, int((lengths**2).sum())


def evaluate(run: Run, step: int) -> None:
    with run.autocast():
        losses = held_out_losses(run.objective, run.loader, run.held_out, run.world)
    put_back(run.objective)
    run.reporter.evaluation(step, losses)


def stop_at(run: Run, step: Step, loss: float, norm: float) -> None:
    """Keep what made a loss that is no number, and say what helps."""
    path = run.out / f"not-finite-step-{step.number + 1}-rank-{run.world.rank}.pt"
    torch.save({"batches": [vars(batch) for batch in step.batches], "loss": loss, "gradient_norm": norm}, path)
    named = [name for names in run.world.gather([i for b in step.batches for i in b.ids]) for name in names]
    raise VisCodexError(
        f"step {step.number + 1}: the loss is {loss}, the gradient's norm {norm}\n    samples: {', '.join(named[:8])}"
        + (f" and {len(named) - 8} more" if len(named) > 8 else ""),
        where=str(path),
        hint=f"--set lr={run.recipe.lr / 3:.1e}, a longer warmup, or precision=float32; the last checkpoint is good",
    )


def is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def seed_of(seed: int, step: int, rank: int) -> int:
    """Random numbers of a step (dropout) depend on nothing that came before: a resumed run draws the same."""
    return (seed * 1_000_003 + step) * 4_099 + rank


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """SIGTERM and the first Ctrl-C ask to stop after the step; the second Ctrl-C stops at once."""
    asked: list[int] = []

    def ask(number: int, _: Any) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    try:
        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not the main thread: somebody else's signals
        yield lambda: False
        return
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
