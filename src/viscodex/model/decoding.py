"""Answers that are written together: choosing each one's next token, handing on its text, and knowing when it ends."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria, TextStreamer
from transformers.generation.streamers import BaseStreamer

from viscodex.model.generate import Sampling
from viscodex.model.questions import Question


def _unheard(piece: str) -> None:
    """Nobody listens."""


@dataclass
class Row:
    """One answer of a batch, with settings of its own: `put` takes its text as it comes; `left`: nobody waits for it.

    `written`: tokens until it ended, the last one counted; None while it goes on. `has_said`: some text was handed on.
    """

    question: Question
    sampling: Sampling
    put: Callable[[str], None] = _unheard
    left: threading.Event = field(default_factory=threading.Event)
    written: int | None = None
    has_said: bool = False

    @property
    def is_heard(self) -> bool:
        """Whether its text goes somewhere before the answer is complete."""
        return self.put is not _unheard


class Noise(LogitsProcessor):  # type: ignore[misc]
    """Sampling as an argmax: log-probabilities / T within the nucleus, plus Gumbel noise (arXiv 1611.01144).

    Each row draws from its own generator, seeded by the seed, the sample's id and the answer's index. So an answer does
    not depend on which others share its batch. Rows of temperature 0 keep their scores.
    """

    def __init__(self, rows: Sequence[Row], device: torch.device) -> None:
        settings = [row.sampling for row in rows]
        temperature = torch.tensor([[one.temperature] for one in settings], device=device)
        self._is_warm = temperature > 0
        self._temperature = temperature.masked_fill(~self._is_warm, 1.0)
        self._top_p = torch.tensor([[one.top_p] for one in settings], device=device)
        self._generators = [
            torch.Generator(device).manual_seed(_seed(row)) if row.sampling.temperature else None for row in rows
        ]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(rows, vocabulary) → the same, to take the largest of."""
        warm = scores.float() / self._temperature
        if (self._top_p < 1).any():
            warm = torch.where(self._top_p < 1, nucleus(warm, self._top_p), warm)
        uniform = torch.stack([self._draw(generator, warm) for generator in self._generators])
        gumbel = -torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))
        return torch.where(self._is_warm, warm + gumbel, scores.float())

    @staticmethod
    def _draw(generator: torch.Generator | None, scores: Tensor) -> Tensor:
        if generator is None:
            return torch.full(scores.shape[1:], 0.5, device=scores.device)
        return torch.rand(scores.shape[1], generator=generator, device=scores.device)


def nucleus(scores: Tensor, top_p: float | Tensor) -> Tensor:
    """-inf for all but the fewest likeliest tokens whose probabilities reach `top_p` (arXiv 1904.09751)."""
    ordered, places = scores.sort(dim=-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    return torch.full_like(scores, -torch.inf).scatter(-1, places, ordered.masked_fill(before >= top_p, -torch.inf))


class Until(StoppingCriteria):  # type: ignore[misc]
    """A row ends with an end token, a stop text, its own limit, or when nobody waits for it any more."""

    def __init__(self, tokenizer: Any, rows: Sequence[Row], prompt_length: int, ends: Collection[int]) -> None:
        self._tokenizer = tokenizer
        self._rows = rows
        self._prompt_length = prompt_length
        self._ends = ends

    def __call__(self, input_ids: Tensor, scores: Tensor, **more: Any) -> Tensor:
        length = input_ids.shape[1] - self._prompt_length
        for row, last, tokens in zip(self._rows, input_ids[:, -1].tolist(), input_ids, strict=True):
            if row.written is None and (last in self._ends or self._is_over(row, length, tokens)):
                row.written = length
        ended = [row.written is not None for row in self._rows]
        return torch.tensor(ended, device=input_ids.device)

    def _is_over(self, row: Row, length: int, tokens: Tensor) -> bool:
        if row.left.is_set() or length >= row.sampling.max_new_tokens:
            return True
        if not row.sampling.stop:
            return False
        tail = max(len(text.encode()) for text in row.sampling.stop) + 8  # a token may end in mid-character
        written = self._tokenizer.decode(tokens[self._prompt_length :][-tail:])
        return any(text in written for text in row.sampling.stop)


class Spool(BaseStreamer):  # type: ignore[misc]
    """Hands each row its text in words and lines, as far as its first stop text."""

    def __init__(self, tokenizer: Any, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._threads = [_Thread(tokenizer, row) for row in rows]
        self._is_prompt = True

    def put(self, value: Tensor) -> None:
        """The prompts first, then a token of each row."""
        if self._is_prompt:
            self._is_prompt = False
            return
        for thread, token in zip(self._threads, value, strict=True):
            thread.take(token)

    def end(self) -> None:
        for thread in self._threads:
            thread.finish()


class _Thread(TextStreamer):  # type: ignore[misc]
    """The text of one row; nothing is taken after its end."""

    def __init__(self, tokenizer: Any, row: Row) -> None:
        super().__init__(tokenizer, skip_special_tokens=True)
        self._row = row
        self._before_stop = BeforeStop(row.sampling.stop)
        self._taken = 0
        self._is_over = not row.is_heard
        if not self._is_over:
            self._pass_on(self._before_stop.feed(row.question.begun))

    def take(self, token: Tensor) -> None:
        if not self._is_over:
            self.put(token[None])
            self._taken += 1
            if self._row.written is not None and self._taken >= self._row.written:  # on MPS tokens come a step late
                self.finish()

    def finish(self) -> None:
        if not self._is_over:
            self._is_over = True
            self.end()
            self._pass_on(self._before_stop.close())

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self._pass_on(self._before_stop.feed(text))

    def _pass_on(self, text: str) -> None:
        if text:
            self._row.has_said = True
            self._row.put(text)


class BeforeStop:
    """Text as far as the first stop text, which may begin in one piece and end in a later one."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._longest = max(map(len, stop), default=1)
        self._held = ""
        self.is_over = False

    def feed(self, piece: str) -> str:
        """What is certain now to come before any stop text."""
        if self.is_over:
            return ""
        self._held += piece
        places = [place for text in self._stop if (place := self._held.find(text)) >= 0]
        self.is_over = bool(places)
        ready = min(places) if places else max(0, len(self._held) - self._longest + 1)
        text, self._held = self._held[:ready], "" if self.is_over else self._held[ready:]
        return text

    def close(self) -> str:
        """What was held back, now that nothing more comes."""
        text, self._held = self._held, ""
        return text


def up_to_stop(begun: str, pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """The pieces as far as the first stop text; all are read."""
    before = BeforeStop(stop)
    for piece in (begun, *pieces):
        if text := before.feed(piece):
            yield text
    if text := before.close():
        yield text


def _seed(row: Row) -> int:
    name = f"{row.sampling.seed}/{row.question.index}/{row.question.sample.id}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") >> 1
