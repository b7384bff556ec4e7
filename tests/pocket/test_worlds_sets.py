"""Problems as training rows and as test sets: read back by those they are for."""

from __future__ import annotations

import pytest

from viscodex.core.row import read_samples
from viscodex.eval.benchmark import benchmark
from viscodex.model.generate import Completion
from viscodex.pocket import tokenizer
from viscodex.pocket.pictures import pictures
from viscodex.pocket.samples import answer, corpus_sample, sample, samples, write_shards
from viscodex.pocket.testsets import SIZES, distinct, input_output, write_test_sets
from viscodex.pocket.worlds import KINDS, corpus, draw
from viscodex.train.sources import open_sources

PICTURE_TOKENS = 9 * 7 + 2
FEW = {"chart": 6, "page": 5, "algorithm": 8, "question": 8}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return write_test_sets(tmp_path_factory.mktemp("sets") / "out", FEW, workers=1)


def test_rows_are_read_by_training_as_they_were_written(tmp_path):
    charts = [draw("chart", "train", index) for index in range(3)]
    pngs = list(pictures(charts, workers=1))
    rows = [
        *samples(charts, "describe", iter(pngs)),
        *samples(charts, "write"),
        *samples(charts, "see", iter(pngs)),
        corpus_sample(0),
    ]
    assert write_shards(tmp_path / "shards", rows) == 10
    (source,) = open_sources([str(tmp_path / "shards")])
    read = list(source.rows())
    assert [row.id for row in read] == [row.id for row in rows]
    assert not any(row.fault for row in read)
    describe, write, see, text = read[0], read[3], read[6], read[9]
    assert [row.kind for row in (describe, write, see, text)] == ["chart", "chart", "chart", "qa"]
    assert describe.turns[0].text.startswith("<image>") and describe.turns[1].text == charts[0].description
    assert not write.pictures and charts[0].description in write.turns[0].text
    assert write.turns[1].text == see.turns[1].text == f"```python\n{charts[0].code}```"
    assert [picture.data for picture in see.pictures] == [pngs[0]]
    assert text.turns[1].text == corpus(0)
    assert next(read_samples(tmp_path / "shards")).response == charts[0].description


def test_a_page_and_an_algorithm_are_asked_for_as_their_benchmarks_do(sets):
    """About half of the rows to train on hold the very prompt of the test, the picture's bytes apart."""
    for kind, view in (("page", "see"), ("algorithm", "algorithm")):
        name = {"page": "design2code", "algorithm": "mmcode"}[kind]
        tested = benchmark(name).load(sets[name]).samples
        problems = distinct(kind, "test", FEW[kind])
        pngs = [problem.picture_of and b"png" for problem in problems]
        asked = [sample(problem, view, png or b"") for problem, png in zip(problems, pngs, strict=True)]
        same = [texts(one) == texts(other) for one, other in zip(asked, tested, strict=True)]
        assert 0 < sum(same) < len(same)


def texts(sample):
    return [part if isinstance(part, str) else "picture" for part in sample.prompt]


@pytest.mark.parametrize("kind", KINDS)
def test_test_problems_are_all_different(kind):
    problems = distinct(kind, "test", SIZES[kind])
    assert len({(problem.code, problem.picture_of) for problem in problems}) == SIZES[kind]
    if kind == "algorithm":
        assert len({problem.code for problem in problems}) == SIZES[kind]
    assert [problem.id for problem in problems] == [problem.id for problem in distinct(kind, "test", SIZES[kind])]


def test_assertions_become_calls():
    problem = draw("algorithm", "test", 0)
    calls = input_output(problem)
    names: dict = {}
    exec(problem.code, names)
    assert calls["inputs"] and [names["solve"](*args) for args in calls["inputs"]] == calls["outputs"]


@pytest.mark.parametrize("name", ["chartmimic", "design2code", "mmcode", "infibench"])
def test_benchmarks_read_their_set_whole(sets, name):
    suite = benchmark(name).load(sets[name])
    kind = {"chartmimic": "chart", "design2code": "page", "mmcode": "algorithm", "infibench": "question"}[name]
    assert suite.rejected == () and len(suite.samples) == FEW[kind]
    expected = [answer(problem) for problem in distinct(kind, "test", FEW[kind])]
    assert [sample.response.split() for sample in suite.samples] == [text.split() for text in expected]
    assert sum(bool(sample.images) for sample in suite.samples) >= len(suite.samples) // 8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chartmimic", "design2code", "mmcode", "infibench"])
def test_references_have_the_ceiling_and_a_reference_of_another_problem_has_less(sets, name):
    found = benchmark(name)
    suite = found.load(sets[name]).samples
    scorer = (found.open_unjudged or found.open_scorer)()
    try:
        for place, one in enumerate(suite):
            other = next(later for later in (*suite[place + 1 :], *suite) if later.response != one.response)
            best, less = (
                score(scorer, one, text, [metric.name for metric in found.metrics if not metric.judged])
                for text in (one.response, other.response)
            )
            assert best == pytest.approx(dict.fromkeys(best, 1.0), abs=1e-9), one.id
            assert sum(less.values()) < sum(best.values()), one.id
    finally:
        scorer.close()


def score(scorer, sample, text, metrics):
    """The values under `fixed`; those that need weights which are not here are left out."""
    outcome = scorer.score(sample, Completion(sample_id=sample.id, text=text))
    (fixed,) = (score for score in outcome.scores if score.protocol == "fixed")
    return {name: fixed.values[name] for name in metrics if fixed.values.get(name) is not None}


def test_rows_are_below_four_hundred_tokens():
    """Picture, prompt and answer, in the pocket models' own tokens; the longest of some hundreds, in either wording."""
    known = tokenizer.build()
    for kind, view in (("chart", "see"), ("page", "see"), ("question", "question"), ("algorithm", "algorithm")):
        for index in range(200):
            row = sample(draw(kind, "train", index), view)
            assert PICTURE_TOKENS + len(known.encode(row.text + row.response).ids) < 400, row.id
