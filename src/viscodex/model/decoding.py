"""Choosing the next token, and knowing when to stop."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria

from viscodex.model.generate import Sampling
from viscodex.model.questions import Question


class Noise(LogitsProcessor):  # type: ignore[misc]
    """Sampling as an argmax: log-probabilities / T within the nucleus, plus Gumbel noise (arXiv 1611.01144).

    Each row draws from its own generator, seeded by the seed, the sample's id and the answer's index. So an answer does
    not depend on which others share its batch.
    """

    def __init__(self, batch: Sequence[Question], sampling: Sampling, device: torch.device) -> None:
        self._sampling = sampling
        self._rows = [
            torch.Generator(device).manual_seed(_seed(sampling.seed, question.sample.id, question.index))
            for question in batch
        ]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(rows, vocabulary) → the same, to take the largest of."""
        scores = scores.float() / self._sampling.temperature
        if self._sampling.top_p < 1:
            scores = nucleus(scores, self._sampling.top_p)
        uniform = torch.stack([torch.rand(scores.shape[1], generator=row, device=scores.device) for row in self._rows])
        return scores - torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))


def nucleus(scores: Tensor, top_p: float) -> Tensor:
    """-inf for all but the fewest likeliest tokens whose probabilities reach `top_p` (arXiv 1904.09751)."""
    ordered, places = scores.sort(dim=-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    return torch.full_like(scores, -torch.inf).scatter(-1, places, ordered.masked_fill(before >= top_p, -torch.inf))


class Until(StoppingCriteria):  # type: ignore[misc]
    """A row ends with a stop text in what was written; all end when the reader has gone."""

    def __init__(
        self, tokenizer: Any, stop: Sequence[str], prompt_length: int, cancelled: threading.Event | None
    ) -> None:
        self._tokenizer = tokenizer
        self._stop = stop
        self._prompt_length = prompt_length
        self._cancelled = cancelled
        self._tail = max((len(text.encode()) for text in stop), default=0) + 8  # a token may end in mid-character

    def __call__(self, input_ids: Tensor, scores: Tensor, **more: Any) -> Tensor:
        if self._cancelled is not None and self._cancelled.is_set():
            return torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
        ended = [False] * len(input_ids)
        if self._stop:
            written = input_ids[:, self._prompt_length :][:, -self._tail :]
            ended = [any(text in tail for text in self._stop) for tail in self._tokenizer.batch_decode(written)]
        return torch.tensor(ended, device=input_ids.device)


def up_to_stop(begun: str, pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """The pieces as far as the first stop text, which may begin in one piece and end in a later one."""
    longest = max(map(len, stop), default=1)
    held, is_over = begun, False
    for piece in pieces:
        if is_over:
            continue  # the writer is waited for
        held += piece
        places = [place for text in stop if (place := held.find(text)) >= 0]
        is_over = bool(places)
        ready = min(places) if places else max(0, len(held) - longest + 1)
        if held[:ready]:
            yield held[:ready]
        held = "" if is_over else held[ready:]
    if held:
        yield held


def _seed(seed: int, sample_id: str, index: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}/{sample_id}".encode()).digest()[:8], "little") >> 1
