"""A pack of samples as the tensors of one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import KINDS
from viscodex.train.encode import BadSample, Encoded, Encoder
from viscodex.train.positions import rope_positions
from viscodex.train.sources import Row


@dataclass(frozen=True)
class Loaded:
    """A sample ready to be packed: ids, and its pictures' pixels [patches, values] and grids [pictures, 3]."""

    id: str
    kind: str
    encoded: Encoded
    pixels: Tensor | None = None
    grids: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """One pack. `rows` are the places whose next token is learned, `labels` those tokens, `kinds` their categories.

    `features` are what the vision modules make of the pictures, where that is known already.
    """

    input_ids: Tensor  # (1, L)
    positions: Tensor  # (4, 1, L)
    ends: Tensor  # (samples + 1,) cumulative lengths, int32
    rows: Tensor  # (S,)
    labels: Tensor  # (S,)
    kinds: Tensor  # (S,)
    longest: int
    pixels: Tensor | None = None
    grids: Tensor | None = None
    ids: tuple[str, ...] = ()
    features: Tensor | None = None

    @property
    def tokens(self) -> int:
        return self.input_ids.shape[1] if self.ids else 0

    def to(self, device: torch.device) -> Batch:
        """The same on another device, without waiting for it."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), Tensor)}
        return replace(self, **{name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()})


def load(row: Row, encoder: Encoder) -> Loaded:
    """Decode and resize a row's pictures and tokenize its text; raises `BadSample`."""
    sizes = encoder.measure(row)
    (encoded,) = encoder.encode([encoder.render(row)], [sizes])
    if not row.pictures:
        return Loaded(row.id, row.kind, encoded)
    try:
        decoded = [picture.image().load() for picture in row.pictures]
    except VisCodexError as error:
        raise BadSample("picture_unreadable", error.problem) from error
    values = encoder.processor.image_processor(images=decoded, return_tensors="pt")
    tokens = int(values["image_grid_thw"].prod(-1).sum()) // encoder.merge**2
    marked = int((encoded.ids == encoder.image_id).sum())
    if tokens != marked:  # the header's size is not the picture's, as when a camera turned it
        raise BadSample("picture_size", f"{marked} tokens by its header, {tokens} when decoded")
    return Loaded(row.id, row.kind, encoded, values["pixel_values"], values["image_grid_thw"])


def collate(samples: Sequence[Loaded], encoder: Encoder) -> Batch:
    """One after another; with no sample at all, a single token that nothing is learned from."""
    if not samples:
        return _empty()
    lengths = [len(sample.encoded.ids) for sample in samples]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.concatenate([sample.encoded.ids for sample in samples])
    places = [_rope(sample, encoder) for sample in samples]
    learned = [np.flatnonzero(sample.encoded.is_answer[1:]) for sample in samples]
    rows = np.concatenate([at + start for at, start in zip(learned, starts, strict=False)])
    kinds = np.concatenate(
        [np.full(len(at), KINDS.index(s.kind), np.int64) for s, at in zip(samples, learned, strict=True)]
    )
    pixels = [sample.pixels for sample in samples if sample.pixels is not None]
    grids = [sample.grids for sample in samples if sample.grids is not None]
    return Batch(
        input_ids=torch.from_numpy(ids)[None],
        positions=torch.from_numpy(np.concatenate(places, axis=1))[:, None],
        ends=torch.from_numpy(starts.astype(np.int32)),
        rows=torch.from_numpy(rows),
        labels=torch.from_numpy(ids[rows + 1]),
        kinds=torch.from_numpy(kinds),
        longest=max(lengths),
        pixels=torch.cat(pixels) if pixels else None,
        grids=torch.cat(grids) if grids else None,
        ids=tuple(sample.id for sample in samples),
    )


def _rope(sample: Loaded, encoder: Encoder) -> Any:
    grids = [] if sample.grids is None else [(t, h, w) for t, h, w in sample.grids.tolist()]
    return rope_positions(sample.encoded.ids == encoder.image_id, grids, encoder.merge)


def _empty() -> Batch:
    none = torch.empty(0, dtype=torch.int64)
    one = torch.zeros(1, 1, dtype=torch.int64)
    ends = torch.tensor([0, 1], dtype=torch.int32)
    return Batch(one, torch.zeros(4, 1, 1, dtype=torch.int64), ends, none, none, none, longest=1)
