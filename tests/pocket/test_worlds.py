"""The laws of the worlds: the same seed gives the same problem, and tests share nothing with training."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter

import pytest

from viscodex.pocket.worlds import FAMILIES, KINDS, corpus, draw
from viscodex.pocket.worlds.problem import facts

TRAIN = 20_000
TEST = 400
CONSTANTS = {"0.4", "0", "1", "0.2", "1.2", "1.4", "2.2", "2.4", "2"}
"""Of grouped bars, the places: they follow from how many there are."""


def problems_of(kind, split="test", count=TEST):
    return [draw(kind, split, index) for index in range(count)]


def test_a_problem_is_the_same_in_every_process():
    program = "from viscodex.pocket.worlds import *; print([draw(k, s, 7) for k in KINDS for s in ('train', 'test')])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == str([draw(kind, split, 7) for kind in KINDS for split in ("train", "test")])
    assert draw("chart", "train", 7) != draw("chart", "train", 8)


@pytest.mark.parametrize("kind", KINDS)
def test_no_test_problem_is_among_those_to_train_on(kind):
    tests = problems_of(kind)
    train = [draw(kind, "train", index) for index in range(TRAIN)]
    shown = {problem.picture_of for problem in train} - {""}
    assert not shown & {problem.picture_of for problem in tests}
    if kind != "question":  # of a question the code is the answer, such as `red`
        assert not {problem.code for problem in train} & {problem.code for problem in tests}
    names = {problem.id for problem in train}
    assert len(names) == TRAIN and not names & {problem.id for problem in tests}


def test_a_picture_is_of_one_split_for_every_kind():
    shown = {
        split: {draw(kind, split, index).picture_of for kind in KINDS for index in range(2000)} - {""}
        for split in ("train", "test")
    }
    assert not shown["train"] & shown["test"]


def test_the_corpus_holds_nothing_of_the_tests():
    text = "\n".join(corpus(index) for index in range(5000))
    for kind in ("chart", "page", "algorithm"):
        for index in range(TEST):
            problem = draw(kind, "test", index)
            assert problem.code not in text, problem.id


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_comes_about_equally_often(kind):
    counts = Counter(draw(kind, "train", index).family for index in range(3000))
    assert len(counts) == len(FAMILIES[kind])
    assert max(counts.values()) < 6 * min(counts.values()), counts


@pytest.mark.parametrize("kind", ["chart", "page"])
def test_a_description_says_all_that_varies(kind):
    """Every quoted text, number and colour of the code that is not in all of the family's codes."""
    families: dict[str, list] = {}
    for index in range(600):
        problem = draw(kind, "train", index)
        families.setdefault(problem.family, []).append(problem)
    for family, problems in families.items():
        words = {problem.id: literals(kind, problem.code) for problem in problems}
        fixed = set.intersection(*words.values()) | (CONSTANTS if family == "grouped_bar" else set())
        for problem in problems:
            told = set(re.findall(r"[\w.$]+", problem.description)) | set(re.findall(r"\w+", problem.description))
            assert words[problem.id] - fixed <= told, (problem.code, problem.description)


def literals(kind, code):
    """Without those of a legend, which is there when series have names, and of white text."""
    if kind == "chart":
        code = "\n".join(line for line in code.splitlines() if "plt.legend" not in line)
        values = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
        return {word for value in values for word in re.findall(r"[\w.]+", str(value))} - {"True"}
    text = re.sub(r"<[^>]*>", " ", code.partition("<body>")[2])
    return set(re.findall(r"\w+", text)) | set(
        re.findall(r"(?:color|background): (\w+)", code.replace("color: white", ""))
    )


@pytest.mark.parametrize("kind", ["chart", "page", "question"])
def test_two_codes_never_have_one_description(kind):
    """So that the code can be written from it. Of a question, the answer from the description and the prompt."""
    told: dict[tuple[str, str], str] = {}
    for index in range(5000):
        problem = draw(kind, "train", index)
        key = (problem.description, problem.prompt if kind == "question" else "")
        assert told.setdefault(key, problem.code) == problem.code


def test_descriptions_are_read_back():
    assert facts("chart: bar\nvalues: 1, 2\nvalues: 3\nnote: a: b") == {
        "chart": "bar",
        "values": "1, 2\n3",
        "note": "a: b",
    }


@pytest.mark.parametrize("kind", ["chart", "algorithm"])
def test_code_compiles(kind):
    for problem in problems_of(kind):
        compile(problem.code, problem.id, "exec")


def test_references_pass_their_tests_and_stubs_fail():
    for index in range(TEST):
        problem = draw("algorithm", "test", index)
        names: dict = {}
        exec(problem.code + problem.tests, names)
        given = problem.code.partition("\n")[0]
        first = ast.parse(problem.tests).body[0].test.comparators[0]
        for stub in ("return None", "return 0", "return []", f"return {ast.unparse(first)}"):
            with pytest.raises(AssertionError):
                exec(f"{given}\n    {stub}\n{problem.tests}", {})


def test_questions_accept_their_answer_alone():
    for index in range(TEST):
        problem = draw("question", "test", index)
        assert re.search(problem.tests, problem.code)
        assert re.search(problem.tests, f"```python\n{problem.code}\n```")
        assert not re.search(problem.tests, f"{problem.code} or 7")
        assert not re.search(problem.tests, problem.description)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_short_enough_to_be_learned(kind):
    """Characters; a byte-level vocabulary of two thousand needs a token for three to four of them."""
    longest = {"chart": 560, "page": 440, "question": 60, "algorithm": 220}
    for problem in problems_of(kind):
        assert len(problem.code) <= longest[kind], problem.code
        assert len(problem.description) <= 260
        assert len(problem.prompt) <= 160
