"""Our own questions: complete, each with a picture; references reach the ceiling, empty answers the floor."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from PIL import Image
from suites.infibench_v import draw, make

from viscodex.cli.eval import parse_data
from viscodex.eval.benchmark import benchmark, named
from viscodex.eval.infibench import BENCHMARK, judged
from viscodex.eval.infibench.suite import groups
from viscodex.model.generate import Completion, Sampling
from viscodex.model.standins import Blank, Oracle

SUITE = BENCHMARK.load(None)
LANGUAGES = "bash c++ csharp go html/css java javascript php python r ruby typescript"


def answers(generator, sample):
    (completion,) = generator.generate([sample], Sampling())
    return completion


def test_every_language_category_and_family_is_there():
    assert benchmark("infibench") is BENCHMARK
    assert not SUITE.rejected
    counts = Counter(sample.checks["language"] for sample in SUITE.samples)
    assert sorted({*counts} - {"sql", "dart"}) == LANGUAGES.split()
    assert min(*(counts[language] for language in LANGUAGES.split()), counts["sql"] + counts["dart"]) >= 3
    assert len(SUITE.samples) >= 39
    categories = {groups(sample)["category"] for sample in SUITE.samples}
    assert categories == {"front-end", "ds-ml", "back-end", "mobile-desktop", "it-ops"}
    families = {family for sample in SUITE.samples for family in sample.checks["families"]}
    assert families == {"keywords", "blank_filling", "unit_test", "similarity", "judge"}


@pytest.mark.parametrize("sample", SUITE.samples, ids=lambda sample: sample.id)
def test_a_question_shows_its_picture_and_is_attributed(sample):
    (image,) = sample.images
    picture = image.load()
    assert min(picture.size) > 120 and len(image.read()) < 40_000
    assert sample.prompt.index(image) in range(1, len(sample.prompt))
    assert sample.source.licence == "CC0-1.0" and sample.source.author


def test_the_table_is_what_the_hand_written_questions_say():
    assert make.table() == (make.SUITE / "questions.jsonl").read_text(encoding="utf-8")
    pictures = {path.stem for path in (make.SUITE / "pictures").iterdir()}
    assert pictures == set(draw.NAMES) == {sample.id.removeprefix("ibv-") for sample in SUITE.samples}


def test_no_two_questions_are_alike():
    """By words, the shared phrases of all questions aside; and by picture."""
    words = {sample.id: set(re.findall(r"[a-z]{3,}", sample.text.lower())) for sample in SUITE.samples}
    for one, other in combinations(words, 2):
        assert len(words[one] & words[other]) < 0.6 * len(words[one] | words[other]), (one, other)
    assert len({sample.images[0].read() for sample in SUITE.samples}) == len(SUITE.samples)


@pytest.mark.parametrize("name", ["python-001", "go-003", "sql-002"])
def test_a_committed_picture_is_what_the_script_draws(name):
    """Charts and terminals; fonts of pages belong to the machine."""
    picture = (draw.chart if name in draw.CHARTS else draw.terminal)(name).convert("RGB")
    committed = Image.open(make.SUITE / "pictures" / f"{name}.png").convert("RGB")
    assert picture.size == committed.size
    assert np.abs(np.asarray(picture, float) - np.asarray(committed, float)).mean() < 2.0


def test_infibench_v_is_the_name_of_our_suite_on_the_command_line():
    assert named("infibench-v") == "infibench"
    assert parse_data(["infibench-v=here"]) == {"infibench": "here"}


def under_both_protocols():
    """All without tests, and the first with tests of each language; test_gates.py runs every one under `fixed`."""
    tested = {}
    for sample in SUITE.samples:
        if "unit_test" in sample.checks["families"]:
            tested.setdefault(sample.checks["language"], sample)
        else:
            yield sample
    yield from tested.values()


@pytest.mark.slow
@pytest.mark.parametrize("sample", list(under_both_protocols()), ids=lambda sample: sample.id)
def test_the_reference_is_the_ceiling_and_nothing_the_floor(scorer, sample):
    outcome = scorer.score(sample, answers(Oracle(), sample))
    for score in outcome.scores:
        assert score.status == "scored", score
        assert {name: value for name, value in score.values.items() if value != 1.0} == (
            {"score": None, "judge": None} if outcome.judge else {}
        )
    fixed, paper = scorer.score(sample, answers(Blank(), sample)).scores
    assert (fixed.status, fixed.reason) == ("failed", "empty")
    assert set(fixed.values.values()) == {0.0}
    assert {value for value in paper.values.values() if value is not None} == {0.0}


def test_a_judged_question_waits_for_its_judge(scorer):
    sample = next(sample for sample in SUITE.samples if "judge" in sample.checks["families"])
    outcome = scorer.score(sample, Completion(sample_id=sample.id, text=sample.response))
    score = outcome.scores[0]
    assert judged(score) is score
    weights = score.evidence["weights"]
    half = score.model_copy(update={"values": score.values | {"judge": 0.5}})
    expected = (weights["keywords"] + 0.5 * weights["judge"]) / (weights["keywords"] + weights["judge"])
    assert judged(half).values["score"] == pytest.approx(expected)
    (task,) = outcome.judge
    assert task.pictures == tuple(image.read() for image in sample.images)
    assert "[picture 1]" in task.texts["question"]


NASTY = {
    "none": "",
    "blank": " \n\t ",
    "prose": "I am sorry, I cannot see the picture.",
    "fences": "```\n```\n```python\n",
    "megabyte": "x = 1\n" * 170_000,
    "newlines": "\n" * 1_000_000,
    "backticks": "`" * 1_000_000,
    "odd": "\x00\ud800 word \ud83d",
    "leaves": "```\nimport os\nos._exit(0)\n```",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NASTY)
def test_nasty_answers_end_in_a_type(scorer, name):
    """Questions without tests; programs are attacked in test_unit_tests.py."""
    for sample in SUITE.samples:
        if "unit_test" in sample.checks["families"] and sample.checks["language"] != "python":
            continue
        for score in scorer.score(sample, Completion(sample_id=sample.id, text=NASTY[name], index=3)).scores:
            assert score.index == 3
            assert score.status in ("scored", "failed"), score
            assert score.protocol == "paper" or (score.values.get("score") or 0.0) <= 0.5


def test_reasoning_is_no_answer_under_fixed(scorer):
    sample = next(sample for sample in SUITE.samples if sample.id == "ibv-php-001")
    thought = Completion(sample_id=sample.id, text=f"<think>\n{sample.response}\n</think>\nI do not know.")
    fixed, paper = scorer.score(sample, thought).scores
    assert (fixed.values["score"], paper.values["score"]) == (0.0, 1.0)
    only = scorer.score(sample, Completion(sample_id=sample.id, text=f"<think>\n{sample.response}")).scores[0]
    assert (only.status, only.reason) == ("failed", "empty")


def test_no_answer_of_the_generator_is_no_number(scorer):
    sample = SUITE.samples[0]
    scores = scorer.score(sample, Completion(sample_id=sample.id, finish="error", reason="out of memory")).scores
    assert [(score.status, score.reason, score.values) for score in scores] == [("unscored", "generation", {})] * 2
