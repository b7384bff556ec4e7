"""How alike two texts are: difflib's ratio, bit for bit, in C, each pair computed once; and a quick bound of it."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cdifflib import CSequenceMatcher  # type: ignore[import-untyped]
from numpy.typing import NDArray

from viscodex.core.compiled import compiled

Matrix = NDArray[np.float64]
Indices = NDArray[np.intp]
BINS = 64
"""Letters whose numbers are equal modulo this are counted together: a bound stays a bound."""


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled comparison of ratio.c, if it was built."""
    loaded = compiled(Path(__file__).parent, "_ratio")
    if loaded is not None:
        pointer, size = ctypes.c_void_p, ctypes.c_int64
        loaded.viscodex_matching_letters.argtypes = [pointer, pointer, size, pointer, size, pointer]
    return loaded


def ratios(texts: Sequence[str], other: str) -> list[float]:
    """difflib's ratio of each text to one other, bit for bit."""
    if (loaded := library()) is None:
        matcher, found = CSequenceMatcher(None, "", other), []
        for text in texts:
            # set_seq1 would hash every letter first, which strings do not need: a third of the time.
            matcher.a, matcher.matching_blocks = list(text), None
            found.append(float(matcher.ratio()))
        return found
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    ends, second = np.cumsum(lengths), _letters(other)
    joined, matching = _letters("".join(texts)), np.empty_like(ends)
    places = (array.ctypes.data for array in (joined, ends))
    if not loaded.viscodex_matching_letters(*places, len(ends), second.ctypes.data, len(second), matching.ctypes.data):
        raise MemoryError
    sizes = lengths + len(second)
    alike: list[float] = np.where(sizes > 0, 2.0 * matching / np.maximum(sizes, 1), 1.0).tolist()
    return alike


def ratio(one: str, other: str) -> float:
    """difflib's, of two texts."""
    return ratios([one], other)[0]


def _letters(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def letter_counts(text: str) -> NDArray[np.int64]:
    """How often each letter is in a text, modulo BINS: (BINS,)."""
    return np.bincount(_letters(text) % BINS, minlength=BINS)


class Letters:
    """The letters of many texts, to bound what a text costs against each of them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._counts = np.array([letter_counts(text) for text in texts], dtype=np.int32)
        self._lengths = np.array([len(text) for text in texts])

    def least_costs(self, text: str) -> Matrix:
        """No cost is lower: no more letters match than both texts have (difflib's quick_ratio)."""
        shared = np.minimum(self._counts, letter_counts(text)).sum(axis=1)
        return np.asarray(-2.0 * shared / (self._lengths + len(text)))


class Similarity:
    """Ratios of texts of the prediction to texts of the reference, remembered for as long as it lives.

    The prediction comes first: difflib's ratio is not symmetric, and it ignores what is frequent in the second text.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, float]] = {}
        """Reference text → prediction text → cost."""

    def matrix(self, predictions: Sequence[str], references: Sequence[str]) -> Matrix:
        """Costs, the negative ratios: (predictions, references)."""
        costs = np.empty((len(predictions), len(references)))
        for column, reference in enumerate(references):
            costs[:, column] = self.column(predictions, reference)
        return costs

    def column(self, predictions: Sequence[str], reference: str) -> list[float]:
        """Costs of every prediction against one reference: difflib's preparation of it is paid once."""
        known = self._known.setdefault(reference, {reference: -1.0})
        new = list(dict.fromkeys(text for text in predictions if text not in known))
        if new:
            known.update((text, -found) for text, found in zip(new, ratios(new, reference), strict=True))
        return [known[text] for text in predictions]

    def row(self, prediction: str, references: Sequence[str]) -> list[float]:
        """Costs of one prediction against every reference."""
        return [self.column((prediction,), reference)[0] for reference in references]
