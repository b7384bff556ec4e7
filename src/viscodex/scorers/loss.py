"""The loss on a calibration set: per sample, the mean of −log p over its answer tokens, as training measures it."""

from __future__ import annotations

import hashlib
import heapq
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from viscodex.core import console
from viscodex.core.errors import UsageError
from viscodex.merge.sampling import Direction
from viscodex.merge.search import Score
from viscodex.model.processor import load_processor
from viscodex.scorers.intervals import interval
from viscodex.train.attention import attention_of, set_attention, use_attention
from viscodex.train.batch import Batch, Loaded, collate, load
from viscodex.train.encode import BadSample, Encoder
from viscodex.train.forward import Objective
from viscodex.train.pack import first_fit
from viscodex.train.sources import fingerprint, open_sources

BATCH_TOKENS = 8_192
LONGEST = BATCH_TOKENS  # of a sample; longer ones are left out, and counted
SPARE = 2  # times as many are drawn as are wanted, for those that cannot be used


@dataclass(frozen=True)
class CalibrationLoss:
    """Samples of training data, the model to judge, and where its tokenizer and processor lie.

    `skip` leaves the first draws to another: with its limit, the two share no sample.
    """

    name: str
    data: Path
    model: Any
    folder: Path
    limit: int = 64
    skip: int = 0
    seed: int = 0
    images: str = ""
    direction: Direction = field(default="minimize", init=False)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the numbers depend on."""
        files = fingerprint(open_sources([str(self.data)], self.images), self.images)
        return {"loss": files, "limit": self.limit, "skip": self.skip, "seed": self.seed}

    def score(self, folder: Path) -> Score:
        """The mean over samples, with an interval. Nothing is written."""
        before = attention_of(self.model)
        use_attention(self.model, "auto", self.model.device)
        try:
            with torch.inference_mode():
                samples = dict(pair for batch in self.batches for pair in self._losses(batch))
        finally:
            set_attention(self.model, before)
        return interval(samples)

    @cached_property
    def batches(self) -> list[Batch]:
        """Packed once. The vision modules are no part of a merge, so what they see is computed once, too."""
        encoder = Encoder(load_processor(self.folder))
        chosen = list(self._chosen(encoder))
        if not chosen:
            raise UsageError("no sample to measure a loss on", where=str(self.data))
        packs = first_fit([len(sample.encoded.ids) for sample in chosen], BATCH_TOKENS)
        with torch.inference_mode():
            return [self._seen(collate([chosen[n] for n in pack], encoder)) for pack in packs]

    @cached_property
    def objective(self) -> Objective:
        return Objective(self.model, loss_chunk=1_024, checkpointing=False).eval()

    def _chosen(self, encoder: Encoder) -> Iterator[Loaded]:
        """A fixed draw of usable samples, by a hash of their ids; what cannot be used is counted."""
        rows = (row for source in open_sources([str(self.data)], self.images) for row in source.rows())
        wanted = self.limit or sys.maxsize // (2 * SPARE)
        drawn = heapq.nsmallest(SPARE * (self.skip + wanted), rows, key=lambda row: _draw(self.seed, row.id))
        found, reasons = 0, Counter[str]()
        for row in drawn[SPARE * self.skip :]:
            if found == wanted:
                break
            try:
                sample = load(row, encoder)
            except BadSample as bad:
                reasons[bad.reason] += 1
                continue
            if len(sample.encoded.ids) > LONGEST:
                reasons["too_long"] += 1
                continue
            found += 1
            yield sample
        if reasons:
            told = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
            console.say(f"{self.name}: samples that cannot be used: {told}; {found} others are taken")

    def _seen(self, batch: Batch) -> Batch:
        """On the model's device, with the features of its pictures."""
        here = batch.to(self.model.device)
        if here.pixels is None:
            return here
        before = attention_of(self.model)
        use_attention(self.model, "auto", self.model.device)
        features = self.objective.features_of(here)
        set_attention(self.model, before)
        return replace(here, features=features)

    def _losses(self, batch: Batch) -> Iterator[tuple[str, float]]:
        """Id and mean loss of each sample of a pack."""
        losses = self.objective(batch).double().cpu()
        ends = batch.ends.tolist()
        rows = batch.rows.cpu()
        for name, start, end in zip(batch.ids, ends, ends[1:], strict=False):
            own = losses[(rows >= start) & (rows < end)]
            yield name, float(own.mean())


def _draw(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
