"""Answers of other tools: every row is taken or told of, whatever the file looks like."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest

from viscodex import cli
from viscodex.core.errors import VisCodexError
from viscodex.eval.folder import open_run
from viscodex.eval.importing import AGAIN, FAILED, answers_per_sample, import_answers
from viscodex.eval.predictions import read_predictions
from viscodex.eval.recipe import EvalRecipe


@pytest.fixture
def task(tmp_path):
    recipe = EvalRecipe.parse({"benchmarks": ["mmcode"], "imported": "them", "judge": {"none": True}}, where="test")
    return open_run(tmp_path / "run", recipe)[0]


def ids_of(task):
    return [sample.id for sample in task.samples]


def written(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_several_answers_to_one_sample_are_kept_and_rows_that_come_again_are_told_of(task, tmp_path):
    first, second, *_ = ids_of(task)
    rows = [{"id": first, "answer": f"print({n})", "sample": n} for n in range(3)]
    rows += [
        {"id": second, "answer": "old"},
        {"id": second, "answer": "new"},
        {"id": "nobody", "answer": "x"},
        {"id": 1},
    ]
    file = written(tmp_path / "answers.jsonl", rows)
    assert answers_per_sample(file) == 3
    found = import_answers(task, file, "them")
    assert (found.taken, found.unknown, found.missing) == (4, ["nobody"], len(ids_of(task)) - 2)
    assert found.unreadable == {"a line has no text": 1, AGAIN: 1}
    assert found.taken + len(found.unknown) + sum(found.unreadable.values()) == len(rows)
    answers = read_predictions(task.folder).answers
    assert [answers[first, n].text for n in range(3)] == ["print(0)", "print(1)", "print(2)"]
    assert answers[second, 0].text == "new"


def test_a_failed_call_is_no_answer(task, tmp_path):
    first = ids_of(task)[0]
    import_answers(task, written(tmp_path / "a.jsonl", [{"index": first, "prediction": FAILED}]), "them")
    (answer,) = read_predictions(task.folder).answers.values()
    assert (answer.finish, answer.text) == ("error", "")


def test_tables_as_spreadsheets_write_them(task, tmp_path):
    first = ids_of(task)[0]
    (tmp_path / "a.csv").write_bytes(f'\ufeffid,prediction\r\n{first},"a\nb"\r\n'.encode())
    assert import_answers(task, tmp_path / "a.csv", "them").taken == 1
    assert read_predictions(task.folder).answers[first, 0].text == "a\nb"
    book = openpyxl.Workbook()
    for row in (["index", "prediction"], [7.0, "x"]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    (task.folder / "predictions.jsonl").unlink()
    assert import_answers(task, tmp_path / "a.xlsx", "them", by_position=True).taken == 1
    assert set(read_predictions(task.folder).answers) == {(first, 0)}


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.xlsx", "a.json", "a.jsonl"])
def test_what_is_no_table_is_an_error_with_its_name(task, tmp_path, name):
    (tmp_path / name).write_bytes(b"\xff\xfe junk \x00\n")
    with pytest.raises(VisCodexError) as error:
        import_answers(task, tmp_path / name, "them")
    assert name in error.value.where
    assert not (task.folder / "predictions.jsonl").exists()


def test_the_command_line_binds_the_run_to_as_many_answers_as_there_are(tmp_path, capsys, task):
    first = ids_of(task)[0]
    file = written(tmp_path / "a.jsonl", [{"id": first, "answer": str(n), "sample": n} for n in range(2)])
    out = tmp_path / "imported"
    with pytest.raises(SystemExit) as end:
        cli.main(["eval", "import", "mmcode", str(file), "--by", "them", "--out", str(out)])
    assert not end.value.code
    assert "2 answers taken, 11 samples have none" in capsys.readouterr().out
    assert json.loads((out / "recipe.json").read_text())["n"] == 2
