"""The published cut of answers that repeat themselves, with its index slip: only `paper` has it.

Texts are compared in chunks of the page without its tags; the place of the cut is then looked up in the page with tags,
and compared with places in the page without.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from viscodex.eval.design2code.similarity import BINS, letter_counts, ratio

CHUNK = 100
ALIKE = 0.8
OFTEN = 5
TAG = re.compile(r"<.*?>")  # a tag that spans lines stays, and so do style sheets and scripts


def cut_repetition(content: str) -> str:
    """The content up to where it begins to say the same for the fifth time; all of it if it does not."""
    clean = TAG.sub("", content)
    places: NDArray[np.int64] | None = None
    best = len(clean)
    for first in _fifth_times(clean):
        if places is None:
            places = _places(clean, content)
        start = min(best, first * CHUNK)
        place = int(places[start]) if start < len(places) else len(content)
        best = min(best, place)
    return content if best == len(clean) else content[:best]


def _fifth_times(clean: str) -> list[int]:
    """For each chunk that is at least the fifth of its kind: the number of the first."""
    chunks = [clean[start : start + CHUNK] for start in range(0, len(clean), CHUNK)]
    counts = _letter_counts(chunks)
    seen = np.empty(len(chunks), dtype=np.int64)  # the chunks that were new
    seen_counts = np.empty_like(counts)
    times: dict[int, int] = {}
    found = []
    are_alike = cache(lambda one, other: ratio(one, other) >= ALIKE)  # what repeats itself is asked again and again
    for number, chunk in enumerate(chunks):
        # difflib's quick_ratio, for all at once. All chunks are equally long but the last, which shares the less.
        shared = np.minimum(seen_counts[: len(times)], counts[number]).sum(axis=1, dtype=np.uint16)
        enough = np.ceil(ALIKE * (CHUNK + len(chunk)) / 2 - 1e-9)
        candidates = seen[np.flatnonzero(shared >= enough)].tolist()
        match = next((first for first in candidates if are_alike(chunk, chunks[first])), -1)
        if match < 0:
            seen[len(times)], seen_counts[len(times)] = number, counts[number]
            times[number] = 1
            continue
        times[match] += 1
        if times[match] >= OFTEN:
            found.append(match)
    return found


def _letter_counts(chunks: list[str]) -> NDArray[np.uint8]:
    """How often each letter is in each chunk: (chunks, BINS)."""
    counts = np.zeros((len(chunks), BINS), dtype=np.uint8)
    for row, chunk in zip(counts, chunks, strict=True):
        row[:] = letter_counts(chunk)
    return counts


def _places(clean: str, content: str) -> NDArray[np.int64]:
    """For each letter of the clean text, the place that a walk through the content takes it for.

    The walk may find the letter inside a tag: `p` of `<p>pear`.
    """
    places = np.empty(len(clean), dtype=np.int64)
    place = 0
    for index, letter in enumerate(clean):
        place = content.index(letter, place)
        places[index] = place
        place += 1
    return places
