"""The published scorer's own numbers: from its blocks exactly, from pages as near as fonts allow."""

from __future__ import annotations

import pytest

from viscodex.eval.design2code.answer import fenced
from viscodex.eval.design2code.block import without_equal_boxes
from viscodex.eval.design2code.merging import merge_search
from viscodex.eval.design2code.published import prepare
from viscodex.eval.design2code.scores import compare
from viscodex.eval.design2code.similarity import Similarity

from .conftest import LOW, blocks

NAMES = (
    *("pydoc_about__good", "pydoc_appetite__poor", "sb_admin_register__good", "sb_creative__good", "sb_landing__poor"),
    *("q_degenerate__blank", "q_degenerate__identical", "q_degenerate__tiny", "q_degenerate__repeat"),
    *("q_inline__good", "q_unclosed__same", "q_unicode__good"),
)


@pytest.mark.parametrize("name", NAMES)
def test_from_recorded_blocks_to_equal_scores(cases, name):
    case, similarity = cases[name], Similarity()
    ours, theirs = (without_equal_boxes(blocks(case[side])) for side in ("pred_blocks", "ref_blocks"))
    found = compare(merge_search(ours, theirs, similarity), similarity, published=True)
    assert found.values == pytest.approx({name: case[theirs] for name, theirs in LOW.items()}, rel=0, abs=1e-12)
    pairs = [
        [found.prediction[pair.prediction].text, found.reference[pair.reference].text, pair.ratio]
        for pair in found.pairs
    ]
    assert pairs == [pair for pair in case["pairs"] or [] if pair[2] >= 0.5]
    if case["blocks_after_merge"]:
        assert [len(found.prediction), len(found.reference)] == case["blocks_after_merge"]


@pytest.mark.parametrize("name", NAMES)
def test_preparation_leaves_as_many_characters(cases, page, name):
    case = cases[name]
    content = page(case["pred"])
    assert len(content) == case["pred_chars_before"]
    assert len(prepare(content).html) == case["pred_chars_after_preprocess"]


def test_from_pages_to_scores(cases, page, score, capsys):
    worst = {}
    for name, case in cases.items():
        outcome = score(fenced(page(case["pred"])), page(case["ref"]), name)
        paper = next(found for found in outcome.scores if found.protocol == "paper")
        assert paper.status == "scored"
        worst[name] = max(abs((paper.values[ours] or 0.0) - case[theirs]) for ours, theirs in LOW.items())
    with capsys.disabled():
        print(f"\ndesign2code: largest difference from the recorded scores {max(worst.values()):.1e}")
    assert max(worst.values()) <= 0.02, worst
