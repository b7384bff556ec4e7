"""One answer's work at the measuring bench: what both protocols need is done once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from viscodex.eval.benchmark import Rules, Score
from viscodex.eval.design2code.block import Block
from viscodex.eval.design2code.candidate import Candidate
from viscodex.eval.design2code.failure import FAILS_THE_FILE, PageFailedError
from viscodex.eval.design2code.gist import gist
from viscodex.eval.design2code.keep import PROTOCOLS, Kept
from viscodex.eval.design2code.merging import Merged, merge_search
from viscodex.eval.design2code.overlay import boxes, overlay, small
from viscodex.eval.design2code.pixels import decode, encode
from viscodex.eval.design2code.scores import LOW, Comparison, compare
from viscodex.eval.design2code.sight import Seen, Sight
from viscodex.eval.design2code.similarity import Similarity
from viscodex.model.clip import Clip, Vector

BLANK_SIZE = (960, 1280, 3)
MOST_CELLS, MOST_SEARCHED = 1_000_000, 250_000
"""Texts of one side times those of the other: above the one a page has failed, above the other no merges are sought.
Real pages have hundreds of texts at most; this keeps an answer of thousands from taking hours."""


@dataclass
class Bench:
    """One answer's work, shared between the protocols: texts compared, merges searched, features computed, once."""

    clip: Clip | None
    kept: Kept
    html: str
    similarity: Similarity = field(default_factory=Similarity)
    merged: dict[tuple[Sequence[Block], Sequence[Block]], Merged] = field(default_factory=dict)
    vectors: dict[tuple[bytes, Sequence[Block]], Vector] = field(default_factory=dict)
    compared: dict[Rules, Comparison] = field(default_factory=dict)

    def score(
        self, rules: Rules, seen: Sight | PageFailedError, reference: Sight | PageFailedError, candidate: Candidate
    ) -> Score:
        """The score under one protocol; its sample is filled in by the caller."""
        evidence = candidate.evidence(rules) | {"blank_fallback": False}
        if isinstance(reference, PageFailedError):
            return self._failed(rules, reference, evidence)
        if isinstance(seen, PageFailedError):
            if rules == "fixed" or seen.reason in FAILS_THE_FILE:
                return self._failed(rules, seen, evidence)
            evidence |= {"blank_fallback": True, "blank_reason": seen.reason}
            seen = Sight(encode(np.full(BLANK_SIZE, 255, dtype=np.uint8)), (), 0)
        if len(seen.blocks) * len(reference.blocks) > MOST_CELLS:
            many = PageFailedError("too_many_blocks", f"{len(seen.blocks)} blocks of text")
            return self._failed(rules, many, evidence)
        comparison = self._compare(rules, seen, reference)
        evidence |= {
            "n_blocks": [seen.found, reference.found],
            "n_merged": [len(comparison.prediction), len(comparison.reference)],
            "matched": len(comparison.pairs),
            "boxes": boxes(comparison),
        }
        values = {**comparison.values, "clip": self._likeness(rules, seen, reference, comparison)}
        return Score(sample_id="", protocol=rules, values=values, evidence=evidence)

    def pictures(self, seen: Seen, reference: Seen) -> dict[str, bytes]:
        """Both pages, and their comparison, as `fixed` sees them; as `paper` does where `fixed` has none."""
        shown = {rules: sight for rules, sight in reference.items() if isinstance(sight, Sight)}
        found = {"reference": next(iter(shown.values())).png} if shown else {}
        for rules in PROTOCOLS:
            sight = seen[rules]
            if isinstance(sight, Sight):
                found["answer"] = sight.png
                if rules in self.compared and rules in shown:
                    pages = small(decode(sight.png)), self.kept.small(self.html, shown[rules].png)
                    found["overlay"] = overlay(*pages, self.compared[rules])
                break
        return found

    def _compare(self, rules: Rules, seen: Sight, reference: Sight) -> Comparison:
        key = seen.blocks, reference.blocks
        if key not in self.merged:
            is_searched = len(seen.blocks) * len(reference.blocks) <= MOST_SEARCHED
            self.merged[key] = merge_search(*key, self.similarity) if is_searched else key
        self.compared[rules] = compare(self.merged[key], self.similarity, published=rules == "paper")
        return self.compared[rules]

    def _likeness(self, rules: Rules, seen: Sight, reference: Sight, comparison: Comparison) -> float | None:
        """CLIP's cosine; None without weights."""
        if self.clip is None:
            return None
        known = self.kept.features(self.html, rules, self.clip.fingerprint)
        if known is None:
            known = self._vector(reference.png, reference.blocks)
            self.kept.save_features(self.html, rules, self.clip.fingerprint, known)
        cosine = float(known @ self._vector(seen.png, comparison.prediction))
        return min(max(cosine, 0.0), 1.0)

    def _vector(self, png: bytes, blocks: Sequence[Block]) -> Vector:
        assert self.clip is not None
        key = png, blocks
        if key not in self.vectors:
            self.vectors[key] = self.clip.features([gist(decode(png), blocks)])[0]
        return self.vectors[key]

    def _failed(self, rules: Rules, failure: PageFailedError, evidence: dict[str, Any]) -> Score:
        values: dict[str, float | None] = {**dict.fromkeys(LOW, 0.0), "clip": None if self.clip is None else 0.0}
        reason, detail = failure.reason, failure.detail
        return Score(
            sample_id="", protocol=rules, status="failed", values=values, reason=reason, detail=detail,
            evidence=evidence,
        )  # fmt: skip
