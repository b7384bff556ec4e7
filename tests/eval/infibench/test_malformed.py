"""Cases that are broken or hostile are rejected with a word, and nothing else happens to the suite."""

from __future__ import annotations

import json

import pytest

from viscodex.core.errors import VisCodexError
from viscodex.eval.infibench import BENCHMARK, cases, strict_yaml
from viscodex.eval.infibench.suite import read

GOOD = "id: a\nlang: python\ntype: x\ngrading:\n  keywords: [word]\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "malformed"),
        ("just a text", "malformed"),
        ("[1, 2", "unreadable"),
        ("a: &x [1]\nb: *x", "unreadable"),
        ("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]", "unreadable"),
        ("[" * 10_000, "unreadable"),
        ("? [1, 2]\n: x", "unreadable"),
        ("x: " + "9" * 6000, "unreadable"),
        ("x: 2020-02-31", "unreadable"),
        ("x: !!python/object/apply:os.system [true]", "unreadable"),
        ("x: \x00", "unreadable"),
        ("id: a\nlang: python", "malformed"),
        ("id: a\ngrading: {keywords: [word]}", "malformed"),  # no language
        ("id: [1]\nlang: python\ngrading: {keywords: [word]}", "malformed"),
        ("lang: python\ngrading: {}", "no_metric"),
        ("lang: python\ngrading: {keywords: word}", "malformed"),
        ("lang: python\ngrading: {keywords: []}", "malformed"),
        ("lang: python\ngrading: {keywords: [{content: [a]}]}", "malformed"),
        ("lang: python\ngrading: {keywords: [{content: a, weight: much}]}", "malformed"),
        ("lang: python\ngrading: {keywords: [{content: a, weight: .inf}]}", "malformed"),
        ("lang: python\ngrading: {keywords: [{content: a, to_lower: 1}]}", "malformed"),
        ("lang: python\ngrading: {keywords: [{content: a, neg: true}]}", "no_points"),
        ("lang: python\nfull_score: 0\ngrading: {keywords: [a]}", "no_points"),
        ("lang: python\ngrading: {max_score: -1, keywords: [a]}", "no_points"),
        ("lang: python\ngrading: {blank_filling: {template: '', targets: [a]}}", "malformed"),
        ("lang: python\ngrading: {blank_filling: {template: a, blank_str: '', targets: [a]}}", "malformed"),
        ("lang: python\ngrading: {unit_test: {tests: [{path: gone.py}]}}", "missing_file"),
        ("lang: python\ngrading: {unit_test: {tests: [{content: x, timeout: 1e9}]}}", "malformed"),
        ("lang: python\ngrading: {similarity: [{metric: bleu, references: [a]}]}", "malformed"),
        ("lang: python\ngrading: {similarity: [{metric: rouge1, min_score: 0.6, references: [a]}]}", "malformed"),
        ("lang: python\ngrading: {customized: {module: os, func: [1]}}", "malformed"),
    ],
)
def test_a_broken_case_is_rejected(text, reason):
    loaded = cases.case(text, "a prompt", {}, "name")
    assert loaded.sample is None
    assert (loaded.rejection.stage, loaded.rejection.reason) == ("load", reason), loaded.rejection


def test_duplicate_keys_are_told_and_the_last_one_counts():
    document = strict_yaml.load("a: 1\na: 2\nb:\n  content:\n  content: x")
    assert document.value == {"a": 2, "b": {"content": "x"}}
    assert document.duplicates == ('line 2: "a" again', 'line 5: "content" again')
    oddities = cases.case(GOOD + "type: y", "a prompt", {}, "name").oddities
    assert [odd.check for odd in oddities] == ["duplicate-key"]


def write_suite(folder, **texts):
    for name, text in {"prompt.txt": "a prompt", **texts}.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def test_a_suite_in_yaml_with_weights_and_files(tmp_path):
    case = "id: {0}\nlang: python\nprompt_path: {0}.txt\ngrading: {{unit_test: {{tests: [{{path: test/t.py}}]}}}}"
    texts = {f"cases/{name}.yaml": case.format(name) for name in "abc"}
    texts |= {f"cases/{name}.txt": f"prompt {name}" for name in "ab"} | {"cases/test/t.py": "assert f()"}
    listed = "cases:\n- cases/a.yaml\n- {path: cases/b.yaml, weight: 2}\n- cases/c.yaml\n- ../up.yaml\n- cases/no.yaml"
    write_suite(tmp_path, **texts, **{"suite.yaml": listed})
    for path in (tmp_path, tmp_path / "suite.yaml"):
        suite = BENCHMARK.load(path)
        assert [(s.text, s.checks["weight"]) for s in suite.samples] == [("prompt a", 1.0), ("prompt b", 2.0)]
        assert [r.reason for r in suite.rejected] == ["missing_file", "outside", "missing_file"]
        assert suite.samples[0].checks["files"] == {"test/t.py": "assert f()"}
        assert suite.full_size == 234


def test_no_file_outside_a_suite_is_read(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "suite"
    write_suite(folder, **{"link.yaml": GOOD + "prompt_path: link.txt", "up.yaml": GOOD + "prompt_path: ../secret.txt"})
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    assert [one.rejection.reason for one in read(folder)] == ["outside", "outside"]


@pytest.mark.parametrize("content", ["", "no,columns\n1,2", "case_path,prompt,eval_spec,dependencies\n", "\x00"])
def test_a_table_that_is_none_is_an_error(tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(VisCodexError):
        BENCHMARK.load(path)


def test_rows_of_a_table_fail_alone(tmp_path):
    path = tmp_path / "x.csv"
    rows = [
        'a.yaml,prompt,"' + GOOD + '",{}',
        'b.yaml,prompt,"' + GOOD + '",{}',
        "c.yaml,prompt,id: c,[1]",
        "d.yaml,prompt,id: d,{",
        "e.yaml,prompt",
    ]
    path.write_text("case_path,prompt,eval_spec,dependencies\n" + "\n".join(rows))
    suite = BENCHMARK.load(path)
    assert [sample.id for sample in suite.samples] == ["a"]
    assert [r.reason for r in suite.rejected] == ["duplicate_id", "malformed", "malformed", "malformed"]


RECORD = {
    "id": "r",
    "question": "What is ![image](0)?",
    "images": ["p.png"],
    "category": "ds-ml",
    "language": "python",
    "grading": {"keywords": ["word"]},
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"images": []}, "malformed"),
        ({"images": ["p.png", "q.png"]}, "malformed"),
        ({"question": "no place"}, "malformed"),
        ({"question": "![image](1)"}, "malformed"),
        ({"images": ["../p.png"]}, "outside"),
        ({"images": ["/etc/passwd"]}, "outside"),
        ({"images": ["gone.png"]}, "missing_file"),
        ({"category": "cooking"}, "malformed"),
        ({"more": 1}, "malformed"),
        ({"grading": {"judge": {"notes": "x"}}}, ""),
        ({"grading": {"judge": "x"}}, "malformed"),
        ({"grading": {"keywords": ["a"], "weights": {"keywords": 0}}}, "malformed"),
        ({"grading": []}, "malformed"),
    ],
)
def test_records(tmp_path, change, reason):
    (tmp_path / "p.png").write_bytes(b"PNG")
    (tmp_path / "questions.jsonl").write_text(json.dumps(RECORD | change) + "\n\n")
    for path in (tmp_path, tmp_path / "questions.jsonl"):
        suite = BENCHMARK.load(path)
        assert [r.reason for r in suite.rejected] == ([reason] if reason else []), suite.rejected
        assert len(suite.samples) == (not reason)


@pytest.mark.parametrize("line", ["{", "[]", "1", "[" * 100_000, '{"id": 1}', "\x00"])
def test_lines_that_are_no_records(tmp_path, line):
    (tmp_path / "questions.jsonl").write_text(line + "\n")
    (rejection,) = BENCHMARK.load(tmp_path).rejected
    assert rejection.reason == "malformed"
