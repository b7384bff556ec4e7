"""What must hold of every score: a script against itself, nothing against something, order, repetition."""

from __future__ import annotations

import random
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.eval.chartmimic.conftest import by_protocol, chart, fenced, score

from viscodex.eval.benchmark import benchmark
from viscodex.eval.chartmimic.colours import matched, similarities, thinned
from viscodex.eval.chartmimic.metrics import LOW, colour_agreement
from viscodex.model.generate import Completion, Sampling
from viscodex.model.standins import Blank, Oracle

BENCHMARK = benchmark("chartmimic")
BUNDLED = BENCHMARK.load(None).samples
ONE = dict.fromkeys(LOW, 1.0)


def answered(generator, sample, scorer):
    (completion,) = generator.generate([sample], Sampling())
    return scorer.score(sample, completion)


@pytest.mark.parametrize("sample", BUNDLED, ids=[sample.id for sample in BUNDLED])
def test_the_oracle_has_everything_and_the_blank_nothing(scorer, sample):
    outcome = answered(Oracle(), sample, scorer)
    ceiling = by_protocol(outcome)["fixed"]
    assert (ceiling.status, ceiling.values) == ("scored", ONE | {"judge": None})
    assert len(outcome.judge) == 1
    assert outcome.judge[0].pictures[0] == outcome.judge[0].pictures[1]  # the reference's, and the same script's
    blank = answered(Blank(), sample, scorer)
    assert {s.protocol: (s.status, s.values) for s in blank.scores} == dict.fromkeys(
        ("fixed", "paper"), ("scored", BENCHMARK.floor())
    )
    assert not blank.judge


def test_the_same_answer_has_the_same_score(scorer):
    sample, answer = BUNDLED[0], BUNDLED[1].response
    outcomes = [score(scorer, sample, answer) for _ in range(3)]
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_the_order_of_drawing_does_not_count(scorer):
    lines = [f"plt.plot([{i}, 1], color='#{i * 20:02x}40{200 - i * 9:02x}', label='{i}')" for i in range(12)]
    shuffled = random.Random(1).sample(lines, len(lines))
    head, tail = "import matplotlib.pyplot as plt\n", "\nplt.legend()"
    sample = chart(head + "\n".join(lines) + tail)
    assert score(scorer, sample, fenced(head + "\n".join(shuffled) + tail))["fixed"].values == ONE | {"judge": None}


COLOURS = st.tuples(st.sampled_from(["bar", "plot"]), st.one_of(
    st.sampled_from(["viridis", "magma"]), st.integers(0, 0xFFFFFF).map("#{:06X}".format)))  # fmt: skip


@given(st.lists(COLOURS, max_size=25, unique=True), st.lists(COLOURS, max_size=25, unique=True), st.randoms())
def test_colours_agree_the_same_in_any_order_and_from_either_side(mine, theirs, chance):
    one = colour_agreement(mine, theirs, "fixed")
    chance.shuffle(mine)
    chance.shuffle(theirs)
    other = colour_agreement(theirs, mine, "fixed")
    assert one.f1 == pytest.approx(other.f1, abs=1e-12)
    assert 0 <= one.precision <= 1
    assert 0 <= one.recall <= 1


@given(st.lists(COLOURS, max_size=40, unique=True))
def test_a_set_of_colours_agrees_with_itself(colours):
    assert colour_agreement(colours, colours, "fixed").f1 == pytest.approx(1.0, abs=1e-12)


@given(st.lists(COLOURS, min_size=11, max_size=60, unique=True))
def test_what_is_left_of_many_colours_is_far_apart_and_near_all_others(colours):
    kept = thinned(colours)
    values = [value for _, value in kept]
    table = similarities(values, values)
    assert (table[~np.eye(len(values), dtype=bool)] <= 0.7).all()
    for _, value in colours:
        assert (similarities([value], values) > 0.7).any() or value in values


def test_nine_wedges_are_matched_at_once():
    wedges = [("pie", f"#{40 * i % 256:02X}{90 * i % 256:02X}{25 * i:02X}") for i in range(9)]
    assert matched(wedges, wedges[::-1]) == pytest.approx(9.0)


def test_hundreds_of_thousands_of_colours_are_thinned_without_a_table_of_all_pairs():
    chance = random.Random(2)
    colours = [("scatter_3d", f"#{chance.randrange(1 << 24):06X}") for _ in range(100_000)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 10 < len(thinned(colours)) < 200


def test_every_deviation_has_a_number_of_its_own():
    numbers = [deviation.id for deviation in BENCHMARK.deviations]
    assert numbers == [f"CM-{number:03}" for number in range(1, len(numbers) + 1)]


def test_extra_numbers_say_how_many_executed(scorer):
    sample = chart("import matplotlib.pyplot as plt\nplt.bar([1], [1])\nplt.title('t')")
    whole = score(scorer, sample, sample.response)["fixed"]
    cut = score(scorer, sample, fenced("import matplotlib.pyplot as plt\nplt.bar([1], [1])\nplt.title('t')\n1/0"))
    assert cut["fixed"].values == BENCHMARK.floor()
    assert BENCHMARK.extra((whole, cut["fixed"])) == {"executed": 0.5, "low, no filter": 1.0}


def test_without_a_judge_the_values_are_the_same_and_pictures_smaller(scorer, tmp_path):
    opened = BENCHMARK.open_unjudged()
    opened._references = type(opened._references)(opened._charts, tmp_path)
    sample, answer = BUNDLED[0], BUNDLED[1].response
    plain = opened.score(sample, Completion(sample_id=sample.id, text=answer))
    closely = scorer.score(sample, Completion(sample_id=sample.id, text=answer))
    opened.close()
    assert plain.scores == closely.scores
    assert len(plain.pictures["answer"]) < len(closely.pictures["answer"]) / 2
