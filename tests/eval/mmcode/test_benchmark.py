"""The ruler before measuring: oracle, blank, pass@k."""

from __future__ import annotations

import itertools

import pytest
from tests.eval.mmcode.problems import scorer

from viscodex.eval.benchmark import Score, benchmark
from viscodex.eval.mmcode.passes import passes
from viscodex.eval.mmcode.running import LIMITS
from viscodex.eval.stats import pass_at_k
from viscodex.model.generate import Sampling
from viscodex.model.standins import Blank, Oracle

MMCODE = benchmark("mmcode")
BUNDLED = MMCODE.load(None)


def scores(stand_in) -> list[Score]:
    answers = {completion.sample_id: completion for completion in stand_in.generate(BUNDLED.samples, Sampling())}
    return [score for sample in BUNDLED.samples for score in scorer().score(sample, answers[sample.id]).scores]


@pytest.mark.slow
def test_the_oracle_passes_everything():
    assert [score for score in scores(Oracle()) if score.values != {"passed": 1.0}] == []


def test_blank_passes_nothing():
    found = scores(Blank())
    assert len(found) == 2 * len(BUNDLED.samples)
    assert {(score.status, score.reason, score.values["passed"]) for score in found} == {("failed", "no_code", 0.0)}


def test_the_bundled_problems_have_pictures_and_tests():
    assert (len(BUNDLED.samples), BUNDLED.full_size, BUNDLED.rejected) == (12, 12, ())
    for sample in BUNDLED.samples:
        assert sample.images and sample.checks["tests"] >= 5
        assert sample.checks["images_missing"] == sample.checks["images_extra"] == 0
        assert all(min(image.load().size) >= 100 for image in sample.images)
    assert {sample.checks["form"] for sample in BUNDLED.samples} == {"stdio", "call-based"}
    assert max(len(sample.images) for sample in BUNDLED.samples) == 2


def test_the_pictures_are_what_the_script_draws(tmp_path):
    from PIL import Image

    from viscodex.eval.mmcode.bundled.draw import HERE, main

    main(tmp_path)
    drawn = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.png"))
    assert drawn == sorted(path.relative_to(HERE) for path in HERE.rglob("*.png"))
    for path in drawn:
        with Image.open(tmp_path / path) as ours, Image.open(HERE / path) as theirs:
            assert ours.size == theirs.size


def test_the_limits_are_the_specified_ones():
    assert (LIMITS.cpu_s, LIMITS.wall) == (10.0, 40.0)
    assert MMCODE.max_new_tokens == 8192


def test_the_environment_says_what_numbers_depend_on():
    found = scorer().environment
    assert found["python"].startswith("Python 3.") and found["numpy"][0].isdigit()
    assert set(found) == {"python", "numpy", "sandbox", "limits"} and all(found.values())


def test_deviations_are_numbered_without_gaps():
    assert [deviation.id for deviation in MMCODE.deviations] == [
        f"MM-{number:03}" for number in range(1, len(MMCODE.deviations) + 1)
    ]


@pytest.mark.parametrize(("answers", "passed"), [(n, c) for n in range(1, 7) for c in range(n + 1)])
def test_pass_at_k_is_the_share_of_draws_that_hold_a_pass(answers, passed):
    for k in range(1, answers + 1):
        draws = list(itertools.combinations([True] * passed + [False] * (answers - passed), k))
        assert pass_at_k(passed, answers, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def score(sample: str, index: int, passed: bool) -> Score:
    return Score(sample_id=sample, index=index, values={"passed": float(passed)})


def test_pass_at_k_is_a_mean_over_problems():
    kept = [score("a", index, index == 0) for index in range(5)]
    kept += [score("b", index, index > 1) for index in range(5)]
    found = passes(tuple(kept))
    assert found["pass@2"] == pytest.approx(((1 - 6 / 10) + (1 - 1 / 10)) / 2)
    assert found["pass@5"] == 1.0 and "pass@10" not in found


def test_what_has_no_score_is_no_failure():
    unscored = Score(sample_id="a", index=2, status="unscored", reason="died")
    assert passes((score("a", 0, True), score("a", 1, True), unscored)) == {"pass@2": 1.0}


def test_k_is_what_every_problem_allows():
    assert passes((score("a", 0, True), score("a", 1, True), score("b", 0, True))) == {}
    assert passes(()) == {}
