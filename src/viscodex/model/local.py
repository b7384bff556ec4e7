"""A model in this process: batches of samples, or one answer as a stream. Pictures and text, or text alone."""

from __future__ import annotations

import collections.abc
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.model.decoding import Noise, Row, Spool, Until, up_to_stop
from viscodex.model.extract import extract
from viscodex.model.generate import Completion, Finish, Sampling, Stream, Usage
from viscodex.model.load import load_model
from viscodex.model.questions import Asker

WINDOW = 16  # batches that are sorted by length together


class Local:
    """A `Generator` on transformers. An answer, greedy or sampled, does not depend on the others in its batch.

    (In bfloat16 two nearly equal tokens can still change places with the padding; in float32 they do not.) Settings in
    the checkpoint's generation_config.json (temperature, repetition penalty, …) are not used: what is not in `Sampling`
    is off. Calls from several threads wait for each other.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        dtype: torch.dtype | str = "auto",
        device: torch.device | str = "",
        batch_size: int = 8,
        max_pixels: int | None = None,
    ) -> None:
        self.name = f"local/{Path(folder).resolve().name}"
        self.batch_size = batch_size
        self.asker = Asker(Path(folder), max_pixels)
        self.model = load_model(folder, dtype, device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.stops = _end_tokens(self.model, self.asker.tokenizer)
        self.model.generation_config = GenerationConfig(
            eos_token_id=sorted(self.stops), pad_token_id=self.asker.tokenizer.pad_token_id
        )
        self._turn = threading.Lock()

    def generate(self, samples: Iterable[Sample], sampling: Sampling) -> Iterator[Completion]:
        """Answers batch by batch, long prompts first within a window; the bad samples of a window come before them."""
        pending = iter(samples)
        while window := list(islice(pending, self.batch_size * WINDOW)):
            rows: list[Row] = []
            for sample in window:
                try:
                    rows += self.rows(sample, sampling)
                except VisCodexError as error:
                    yield from self._failures(sample, sampling, error)
            rows.sort(key=lambda row: (bool(row.question.sample.images), row.question.length), reverse=True)
            for batch in _batches(rows, self.batch_size):
                for _, completion in self.answer(batch):
                    yield completion

    def stream(self, sample: Sample, sampling: Sampling) -> Stream:
        """One answer, in words and lines as they are decoded (the first of `n`)."""
        return Stream(self._stream(sample, sampling))

    def rows(self, sample: Sample, sampling: Sampling) -> list[Row]:
        """The `n` answers that a sample asks for, ready to be written; VisCodexError: it cannot be asked."""
        questions = self.asker.questions(sample, sampling.n)
        room = self.asker.limit - questions[0].length if self.asker.limit else sampling.max_new_tokens
        within = sampling.model_copy(update={"max_new_tokens": min(sampling.max_new_tokens, room)})
        return [Row(question, within) for question in questions]

    def answer(self, batch: Sequence[Row]) -> Iterator[tuple[Row, Completion]]:
        """Write some answers together, each with settings of its own: all with pictures, or none.

        A row whose reader has left ends with the next token; the others go on.
        """
        started = time.monotonic()
        try:
            inputs = self.asker.tensors([row.question for row in batch])
            written = self._write(batch, inputs)
        except VisCodexError as error:
            if len(batch) == 1:
                yield batch[0], self._failure(batch[0].question.sample, batch[0].question.index, error)
                return
            for row in batch:  # one of them is bad: find out which
                yield from self.answer([row])
            return
        except torch.OutOfMemoryError as error:
            yield from self._in_halves(batch, VisCodexError(f"out of memory: {error}"))
            return
        seconds = (time.monotonic() - started) / len(batch)
        for row, tokens in zip(batch, written, strict=True):
            yield row, self._completion(row, tokens, seconds)

    def _in_halves(self, batch: Sequence[Row], error: VisCodexError) -> Iterator[tuple[Row, Completion]]:
        """Once more, with fewer at a time. What a reader has heard in part cannot be begun again."""
        lost = [row for row in batch if row.has_said or len(batch) == 1]
        yield from ((row, self._failure(row.question.sample, row.question.index, error)) for row in lost)
        others = [row for row in batch if row not in lost]
        for row in others:
            row.written = None
        half = (len(others) + 1) // 2
        for part in (others[:half], others[half:]):
            if part:
                yield from self.answer(part)

    def _stream(self, sample: Sample, sampling: Sampling) -> collections.abc.Generator[str, None, Completion]:
        started = time.monotonic()
        try:
            row = self.rows(sample, sampling)[0]
        except VisCodexError as error:
            return self._failure(sample, 0, error)
        pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        row.put = pieces.put
        with ThreadPoolExecutor(1, "generate") as pool:
            writing = pool.submit(lambda: next(self.answer([row]))[1])
            writing.add_done_callback(lambda _: pieces.put(None))  # also when it fails: no reader waits for ever
            try:
                while (piece := pieces.get()) is not None:
                    yield piece
            finally:
                row.left.set()
        return writing.result().model_copy(update={"seconds": time.monotonic() - started})

    def _write(self, batch: Sequence[Row], inputs: Any) -> list[list[int]]:
        """The new tokens of each row, up to and with the one that ends it."""
        length = inputs["input_ids"].shape[1]
        device = self.model.device
        with self._turn, torch.inference_mode():
            output = self.model.generate(
                **inputs.to(device),
                max_new_tokens=max(row.sampling.max_new_tokens for row in batch),
                do_sample=False,
                logits_processor=[Noise(batch, device)] if any(row.sampling.temperature for row in batch) else [],
                stopping_criteria=[Until(self.asker.tokenizer, batch, length, self.stops)],
                streamer=Spool(self.asker.tokenizer, batch) if any(row.is_heard for row in batch) else None,
            )
        return [tokens[: row.written] for row, tokens in zip(batch, output[:, length:].tolist(), strict=True)]

    def _completion(self, row: Row, tokens: list[int], seconds: float) -> Completion:
        question = row.question
        decoded = question.begun + self.asker.tokenizer.decode(tokens, skip_special_tokens=True)
        text = "".join(up_to_stop("", [decoded], row.sampling.stop))
        is_ended = (tokens and tokens[-1] in self.stops) or len(text) < len(decoded)
        finish: Finish = "stop" if is_ended else "length"
        return Completion(
            sample_id=question.sample.id,
            text=text,
            code=extract(text, question.sample.kind),
            finish=finish,
            usage=Usage(prompt_tokens=question.length, completion_tokens=len(tokens)),
            seconds=seconds,
            generator=self.name,
            index=question.index,
        )

    def _failures(self, sample: Sample, sampling: Sampling, error: VisCodexError) -> Iterator[Completion]:
        return (self._failure(sample, index, error) for index in range(sampling.n))

    def _failure(self, sample: Sample, index: int, error: VisCodexError) -> Completion:
        reason = f"{error.problem} ({error.where})" if error.where else error.problem
        return Completion(sample_id=sample.id, finish="error", generator=self.name, index=index, reason=reason)


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends an answer: those of generation_config.json, the tokenizer's own, and padding."""
    listed = model.generation_config.eos_token_id
    ends = {listed} if isinstance(listed, int) else set(listed or ())
    return frozenset(ends | {tokenizer.eos_token_id, tokenizer.pad_token_id}) - {None}


def _batches(rows: Sequence[Row], size: int) -> Iterator[list[Row]]:
    """At most `size` together; those with pictures and those without are kept apart."""
    for has_pictures in (True, False):
        alike = [row for row in rows if bool(row.question.sample.images) is has_pictures]
        for start in range(0, len(alike), size):
            yield alike[start : start + size]
