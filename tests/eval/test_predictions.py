"""Answers of ours and of others are read alike; what cannot be read is counted."""

from __future__ import annotations

import json

import pytest

from viscodex.core.errors import VisCodexError
from viscodex.eval.predictions import as_completion, read_predictions
from viscodex.model.generate import Completion


def write(folder, name, *rows):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_our_own_lines_come_back_as_they_were(tmp_path):
    answer = Completion(sample_id="a", text="x", code="y", finish="length", generator="g", index=2, seconds=1.5)
    write(tmp_path, "predictions.jsonl", answer.model_dump())
    assert read_predictions(tmp_path).answers == {("a", 2): answer}


@pytest.mark.parametrize(
    "row",
    [
        {"id": "7", "prediction": "print(1)"},
        {"index": 7, "prediction": "print(1)"},
        {"question_id": "7", "response": "print(1)", "model": "m"},
        {"task_id": 7, "completion": "print(1)"},
    ],
)
def test_lines_of_other_tools_are_understood(row):
    found = as_completion(row)
    assert (found.sample_id, found.text, found.index) == ("7", "print(1)", 0)


@pytest.mark.parametrize("row", [[], {"prediction": "x"}, {"id": "7"}, {"id": "7", "prediction": ["a", "b"]}, 3])
def test_what_is_no_answer_says_why(row):
    with pytest.raises(VisCodexError):
        as_completion(row)


def test_unreadable_lines_are_counted_and_cost_no_others(tmp_path):
    write(tmp_path, "predictions.jsonl", {"id": "a", "text": "1"}, {"nothing": 1}, {"nothing": 2})
    found = read_predictions(tmp_path)
    assert list(found.answers) == [("a", 0)]
    assert found.unreadable == {"a line has no sample_id": 2}


def test_a_later_answer_replaces_an_error_but_an_error_replaces_no_answer(tmp_path):
    good = Completion(sample_id="a", text="x").model_dump()
    bad = Completion(sample_id="a", finish="error", reason="503").model_dump()
    for lines in ([bad, good], [good, bad]):
        write(tmp_path, "predictions.jsonl", *lines)
        assert read_predictions(tmp_path).answers["a", 0].finish == "stop"


def test_shards_lie_side_by_side(tmp_path):
    write(tmp_path, "predictions-00001-of-00002.jsonl", {"sample_id": "a", "text": "1"})
    write(tmp_path, "predictions-00002-of-00002.jsonl", {"sample_id": "b", "text": "2"})
    found = read_predictions(tmp_path)
    assert sorted(found.answers) == [("a", 0), ("b", 0)]
    assert list(found.missing(["a", "b", "c"], 1)) == [("c", 0)]
