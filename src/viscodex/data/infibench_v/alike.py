"""Questions that are asked twice: by their words, or by the same picture among similar words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from viscodex.core.sample import Sample
from viscodex.data.decontaminate.index import looks
from viscodex.data.dedup import PERMUTATIONS, PictureIndex
from viscodex.runner.stage import Reject

WORD = re.compile(r"\w+")
RUN = 4
SIMILAR_ENOUGH = 0.5
"""Of the similarity that makes two questions one: so much, and a shared picture, does too."""


@dataclass(frozen=True)
class SeenQuestions:
    """Opens a sieve's memory, anew for each walk."""

    similarity: float
    distance: int

    def __call__(self) -> Seen:
        return Seen(self)


class Seen:
    """Questions so far."""

    def __init__(self, settings: SeenQuestions) -> None:
        from datasketch import MinHashLSH

        self.settings = settings
        self._words = MinHashLSH(threshold=max(0.2, settings.similarity - 0.1), num_perm=PERMUTATIONS)
        self._sketches: dict[str, Any] = {}
        self._pictures = PictureIndex(settings.distance)

    def __call__(self, sample: Sample) -> Reject | None:
        sketch = _sketch(sample.text)
        alike = [(float(sketch.jaccard(self._sketches[name])), str(name)) for name in self._words.query(sketch)]
        likeness, other = max(alike, default=(0.0, ""))
        if likeness >= self.settings.similarity:
            return Reject("near_duplicate", f"its words are {likeness:.2f} like {other}")
        prints = [found for image in sample.images if (found := looks(image.read()))]
        near = [found[0] for found in map(self._pictures.near, prints) if found]
        for name in near:
            likeness = float(sketch.jaccard(self._sketches[name]))
            if likeness >= SIMILAR_ENOUGH * self.settings.similarity:
                return Reject("near_duplicate_picture", f"a picture and {likeness:.2f} of the words of {name}")
        self._words.insert(sample.id, sketch)
        self._sketches[sample.id] = sketch
        for found in prints:
            self._pictures.add(found, sample.id)
        return None


def _sketch(text: str) -> Any:
    from datasketch import MinHash

    words = WORD.findall(text.lower())
    runs = {" ".join(words[place : place + RUN]) for place in range(max(1, len(words) - RUN + 1))}
    found = MinHash(num_perm=PERMUTATIONS, seed=1)
    found.update_batch([run.encode("utf-8", "surrogatepass") for run in sorted(runs)])
    return found
