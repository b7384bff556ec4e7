"""Merging and matching: the quick ways find what the slow ones find."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from viscodex.eval.design2code import ciede2000, similarity
from viscodex.eval.design2code.block import Block, without_equal_boxes
from viscodex.eval.design2code.matching import match, with_neighbours
from viscodex.eval.design2code.merging import GAIN, gain, merge_search
from viscodex.eval.design2code.scores import compare
from viscodex.eval.design2code.similarity import Letters, Similarity, ratios

WORDS = ["home", "about", "us", "news", "contact", "read", "more", "the", "garden", "one", "two", "three", "plants"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
fractions = st.floats(0.0, 0.9)
pages = st.lists(
    st.builds(
        Block,
        texts,
        st.tuples(fractions, fractions, st.floats(0.01, 0.1), st.floats(0.01, 0.1)),
        st.tuples(*[st.integers(0, 255).map(float)] * 3),
    ),
    min_size=1,
    max_size=7,
    unique_by=lambda block: block.box,
)


LETTERS = ["ab", "abc de", "abcdefghijklmnopqrstuvwxyz ", "日本語\U0001f600a\ud800"]


@st.composite
def compared(draw):
    """A text, short or long enough for popular letters, and others that are like it or not."""
    alphabet = draw(st.sampled_from(LETTERS))
    sizes = st.sampled_from([0, 1, 2, 7, 30, 199, 200, 201, 450])
    random = draw(st.randoms(use_true_random=False))

    def text() -> str:
        return "".join(random.choices(alphabet, k=draw(sizes)))

    other, others = text(), [text() for _ in range(draw(st.integers(0, 4)))]
    cut = random.randrange(len(other) + 1)
    return [*others, other, other[cut:] + other[:cut], other[:cut] + "a b" + other[cut:]], other


@pytest.mark.parametrize("is_compiled", [True, False])
@given(compared())
def test_compiled_ratios_are_difflibs(is_compiled, case):
    one, other = case
    with pytest.MonkeyPatch.context() as patch:
        if not is_compiled:
            patch.setattr(similarity, "library", lambda: None)
        elif similarity.library() is None:
            pytest.skip("ratio.c was not built")
        assert ratios(one, other) == [difflib.SequenceMatcher(None, text, other).ratio() for text in one]


def naive_costs(one: Sequence[Block], other: Sequence[Block]) -> np.ndarray:
    return np.array([[-difflib.SequenceMatcher(None, a.text, b.text).ratio() for b in other] for a in one])


def naive_search(one: list[Block], other: list[Block]) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Every matrix computed anew by difflib, every merge tried."""

    def matched(a: list[Block], b: list[Block]) -> list[float]:
        costs = naive_costs(a, b)
        return costs[linear_sum_assignment(costs)].tolist()

    def merged_at(side: list[Block], index: int) -> list[Block]:
        return [*side[:index], side[index].merged(side[index + 1]), *side[index + 2 :]]

    def round_of(sides: list[list[Block]], which: int) -> bool:
        current, found = matched(*sides), []
        for index in range(len(sides[which]) - 1):
            tried = [*sides]
            tried[which] = merged_at(sides[which], index)
            found.append((gain(current, matched(*tried)), index))
        chosen: list[int] = []
        for better, index in sorted(found, key=lambda pair: -pair[0]):
            if better > GAIN and not {index - 1, index, index + 1} & set(chosen):
                chosen.append(index)
        for index in sorted(chosen, reverse=True):
            sides[which] = merged_at(sides[which], index)
        return bool(chosen)

    sides = [one, other]
    while any([round_of(sides, 0), round_of(sides, 1)]):
        pass
    return tuple(sides[0]), tuple(sides[1])


@given(pages, pages)
@settings(max_examples=60)
def test_the_merge_search_finds_what_trying_everything_finds(one, other):
    assert merge_search(one, other, Similarity()) == naive_search(list(one), list(other))


@given(pages, st.data())
@settings(max_examples=60)
def test_texts_torn_apart_are_merged_as_by_trying_everything(page, data):
    torn = []
    for block in page:
        words = block.text.split()
        cut = data.draw(st.integers(0, len(words)))
        parts = [" ".join(words[:cut]), " ".join(words[cut:])]
        torn += [
            Block(part, (*block.box[:3], block.box[3] / (2 + i)), block.color) for i, part in enumerate(parts) if part
        ]
    assert merge_search(torn, page, Similarity()) == naive_search(torn, list(page))


def test_a_text_in_two_elements_matches_the_text_in_one():
    whole = [Block("welcome to the garden", (0.1, 0.1, 0.4, 0.1), (0.0, 0.0, 0.0)), other()]
    parts = [
        Block("welcome to", (0.1, 0.1, 0.2, 0.1), (0.0, 0.0, 0.0)),
        Block("the garden", (0.3, 0.1, 0.2, 0.1), (3.0, 0.0, 0.0)),
        other(),
    ]
    ours, theirs = merge_search(parts, whole, Similarity())
    assert [block.text for block in ours] == [block.text for block in theirs] == [block.text for block in whole]
    assert ours[0].box == pytest.approx(whole[0].box)
    assert ours[0].color == (1.0, 0.0, 0.0)


def other() -> Block:
    return Block("something else entirely", (0.1, 0.6, 0.3, 0.1), (9.0, 9.0, 9.0))


@given(st.text(min_size=1), st.text(min_size=1))
def test_the_bound_by_letters_is_a_bound(one, other):
    assert Letters([other]).least_costs(one)[0] <= Similarity().row(one, [other])[0] + 1e-12


@given(st.lists(st.text(max_size=300), min_size=1, max_size=4), st.lists(st.text(max_size=300), min_size=1, max_size=4))
def test_ratios_are_difflibs(ours, theirs):
    expected = [[-difflib.SequenceMatcher(None, a, b).ratio() for b in theirs] for a in ours]
    assert Similarity().matrix(ours, theirs).tolist() == expected


@given(
    st.lists(
        st.lists(st.sampled_from([-1.0, -0.8, -0.51, -0.5, -0.2, 0.0]), min_size=3, max_size=3), min_size=1, max_size=4
    )
)
def test_neighbours_by_looking_at_each_cell(rows):
    costs = np.array(rows)
    expected = costs.copy()
    for i, j in zip(*np.nonzero(costs < -0.5), strict=True):
        around = costs[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].ravel().tolist()
        around.remove(costs[i, j])
        expected[i, j] += 0.1 * sum(sorted(around)[:2])
    assert with_neighbours(costs) == pytest.approx(expected, abs=1e-15)


@given(pages)
def test_a_page_matches_itself(page):
    similarity = Similarity()
    found = compare(merge_search(page, page, similarity), similarity)
    assert [(pair.prediction, pair.reference) for pair in found.pairs] == [(i, i) for i in range(len(page))]
    assert found.values == pytest.approx(dict.fromkeys(found.values, 1.0), abs=1e-12)


def test_the_published_matching_crosses_equal_texts():
    """Why D2C-007 is there: the ends of a page have fewer neighbours."""
    page = [Block(text, (0.1, index / 8, 0.2, 0.05), (0.0, 0.0, 0.0)) for index, text in enumerate("abab")]
    crossed = match(page, page, Similarity(), published=True)
    assert [pair.reference for pair in crossed] != [0, 1, 2, 3]
    assert [pair.reference for pair in match(page, page, Similarity())] == [0, 1, 2, 3]


def test_equal_boxes_become_one_in_the_place_of_the_first():
    box, far = (0.1, 0.1, 0.2, 0.2), (0.5, 0.5, 0.1, 0.1)
    rows = [("one", box, 0.0), ("two", far, 8.0), ("three", box, 4.0), ("four", box, 6.0)]
    merged = without_equal_boxes([Block(text, place, (grey, grey, grey)) for text, place, grey in rows])
    assert [(block.text, block.color[0]) for block in merged] == [("one three four", 4.0), ("two", 8.0)]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [  # from Sharma, Wu, Dalal, table 1
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_published_colour_differences(one, other, expected):
    found = ciede2000.difference(np.array([one]), np.array([other]))
    assert found[0] == pytest.approx(expected, abs=1e-4)
