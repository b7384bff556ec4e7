"""A model in this process: batches of samples, or one answer as a stream. Pictures and text, or text alone."""

from __future__ import annotations

import collections.abc
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, TextIteratorStreamer

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.model.decoding import Noise, Until, up_to_stop
from viscodex.model.extract import extract
from viscodex.model.generate import Completion, Finish, Sampling, Stream, Usage
from viscodex.model.load import load_model
from viscodex.model.questions import Asker, Question

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
            questions: list[Question] = []
            for sample in window:
                try:
                    questions += self.asker.questions(sample, sampling.n)
                except VisCodexError as error:
                    yield from self._failures(sample, sampling, error)
            questions.sort(key=lambda question: (bool(question.sample.images), question.length), reverse=True)
            for batch in _batches(questions, self.batch_size):
                yield from self._answer(batch, sampling)

    def stream(self, sample: Sample, sampling: Sampling) -> Stream:
        """One answer, in words and lines as they are decoded (the first of `n`)."""
        return Stream(self._stream(sample, sampling))

    def _answer(self, batch: list[Question], sampling: Sampling) -> Iterator[Completion]:
        started = time.monotonic()
        try:
            inputs = self.asker.tensors(batch)
            written = self._write(batch, inputs, sampling)
        except VisCodexError as error:
            if len(batch) == 1:
                yield self._failure(batch[0].sample, batch[0].index, error)
                return
            for question in batch:  # one of them is bad: find out which
                yield from self._answer([question], sampling)
            return
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                yield self._failure(batch[0].sample, batch[0].index, VisCodexError(f"out of memory: {error}"))
                return
            half = len(batch) // 2
            yield from self._answer(batch[:half], sampling)
            yield from self._answer(batch[half:], sampling)
            return
        seconds = (time.monotonic() - started) / len(batch)
        for question, tokens in zip(batch, written, strict=True):
            yield self._completion(question, tokens, sampling, seconds)

    def _stream(self, sample: Sample, sampling: Sampling) -> collections.abc.Generator[str, None, Completion]:
        started = time.monotonic()
        try:
            question = self.asker.questions(sample, 1)[0]
            inputs = self.asker.tensors([question])
        except VisCodexError as error:
            return self._failure(sample, 0, error)
        streamer = TextIteratorStreamer(self.asker.tokenizer, skip_prompt=True, skip_special_tokens=True)
        cancelled = threading.Event()
        with ThreadPoolExecutor(1, "generate") as pool:
            writing = pool.submit(self._write, [question], inputs, sampling, streamer, cancelled)
            writing.add_done_callback(lambda _: streamer.end())  # also when it fails: no reader waits for ever
            try:
                yield from up_to_stop(question.begun, streamer, sampling.stop)
            finally:
                cancelled.set()
        return self._completion(question, writing.result()[0], sampling, time.monotonic() - started)

    def _write(
        self,
        batch: Sequence[Question],
        inputs: Any,
        sampling: Sampling,
        streamer: TextIteratorStreamer | None = None,
        cancelled: threading.Event | None = None,
    ) -> list[list[int]]:
        """The new tokens of each row, up to and with the one that ends it."""
        length = inputs["input_ids"].shape[1]
        device = self.model.device
        noise = [Noise(batch, sampling, device)] if sampling.temperature > 0 else []
        with self._turn, torch.inference_mode():
            output = self.model.generate(
                **inputs.to(device),
                max_new_tokens=sampling.max_new_tokens,
                do_sample=False,
                logits_processor=noise,
                stopping_criteria=[Until(self.asker.tokenizer, sampling.stop, length, cancelled)],
                streamer=streamer,
            )
        return [self._until_end(row) for row in output[:, length:].tolist()]

    def _until_end(self, tokens: list[int]) -> list[int]:
        ends = [place for place, token in enumerate(tokens) if token in self.stops]
        return tokens[: ends[0] + 1] if ends else tokens

    def _completion(self, question: Question, tokens: list[int], sampling: Sampling, seconds: float) -> Completion:
        decoded = question.begun + self.asker.tokenizer.decode(tokens, skip_special_tokens=True)
        text = "".join(up_to_stop("", [decoded], sampling.stop))
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


def _batches(questions: Sequence[Question], size: int) -> Iterator[list[Question]]:
    """At most `size` together; those with pictures and those without are kept apart."""
    for has_pictures in (True, False):
        alike = [question for question in questions if bool(question.sample.images) is has_pictures]
        for start in range(0, len(alike), size):
            yield alike[start : start + size]
