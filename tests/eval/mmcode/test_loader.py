"""MMCode's files in every shape, and what becomes of what cannot be read."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image
from viscodex.eval.mmcode.cases import read_cases
from viscodex.eval.mmcode.loader import groups, load
from viscodex.eval.mmcode.prompt import UNAVAILABLE, interleave, template

PICTURES = [b"first picture", b"second picture"]


def row(**fields: object) -> dict[str, object]:
    return {
        "problem_id": "cf_1_A",
        "name": "Two",
        "source": "Codeforces",
        "url": "https://example.com/1",
        "question": "Before ![image](2.png) between ![image](1.png) after",
        "solutions": ["print 'old'", "print(1)"],
        "input_output": json.dumps({"inputs": ["1\n", ["2", "3"]], "outputs": ["1\n", ["5", "6"]]}),
        "images": [base64.b64encode(picture).decode() for picture in PICTURES],
        "picture_num": 2,
        "image_tags": ["Tree", "Graph"],
        "data_split": "test",
        **fields,
    }


def as_jsonl(path, rows):
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")


def as_gzip(path, rows):
    path.write_bytes(gzip.compress("".join(json.dumps(each) + "\n" for each in rows).encode()))


def as_parquet(path, rows):
    import pyarrow
    import pyarrow.parquet

    texts = [each | {"input_output": each["input_output"]} for each in rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(texts), path)


def as_folders(path, rows):
    for each in rows:
        folder = path / str(each["problem_id"])
        (folder / "images").mkdir(parents=True)
        (folder / "data.json").write_text(json.dumps({k: v for k, v in each.items() if k != "images"}))
        for number, picture in enumerate(PICTURES, start=1):
            (folder / "images" / f"{number}.png").write_bytes(picture)


SHAPES = {"a.jsonl": as_jsonl, "a.jsonl.gz": as_gzip, "a.parquet": as_parquet, "folder": as_folders}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_sample(tmp_path, name):
    SHAPES[name](tmp_path / name, [row(), row(problem_id="cf_2_B", data_split="extra")])
    for place in (tmp_path / name, tmp_path):
        suite = load(place)
        (sample,) = suite.samples
        assert (suite.rejected, suite.full_size) == ((), 263)
        assert [image.read() for image in sample.images] == PICTURES
        assert (sample.id, sample.kind, sample.source.url) == ("cf_1_A", "algorithm", "https://example.com/1")
        assert sample.response == "```python\nprint(1)\n```"
        tests = read_cases(sample.checks["input_output"]).tests
        assert [(test.given, test.expected) for test in tests] == [("1\n", "1\n"), ("2\n3", "5\n6")]


def test_pictures_stand_in_their_places_by_order(tmp_path):
    as_jsonl(tmp_path / "a.jsonl", [row()])
    first, one, between, two, last = load(tmp_path).samples[0].prompt
    assert first.endswith("Before ") and between == " between " and last.startswith(" after")
    assert (one.read(), two.read()) == tuple(PICTURES)


@pytest.mark.parametrize(
    ("places", "pictures", "missing", "extra"), [(0, 0, 0, 0), (2, 2, 0, 0), (3, 1, 2, 0), (1, 3, 0, 2), (0, 2, 0, 2)]
)
def test_placeholders_and_pictures_that_do_not_match_are_counted(places, pictures, missing, extra):
    images = [Image(data=bytes([n])) for n in range(pictures)]
    found = interleave("text" + "![image](1.png)" * places + "end", images)
    assert (found.missing, found.extra) == (missing, extra)
    assert [part for part in found.parts if isinstance(part, Image)] == images
    assert "".join(part for part in found.parts if isinstance(part, str)).count(UNAVAILABLE) == missing
    assert "![image]" not in str(found.parts)


def test_a_picture_that_cannot_be_read_is_a_remark(tmp_path):
    images = ["%%%", base64.b64encode(PICTURES[1]).decode()]
    as_jsonl(tmp_path / "a.jsonl", [row(images=images)])
    (sample,) = load(tmp_path).samples
    assert sample.checks["images_missing"] == 1 and UNAVAILABLE in sample.text
    assert [image.read() for image in sample.images] == PICTURES[1:]


@pytest.mark.parametrize(
    "image",
    [
        "data:image/png;base64," + base64.b64encode(PICTURES[0]).decode(),
        base64.encodebytes(PICTURES[0] * 20).decode(),
        {"bytes": base64.b64encode(PICTURES[0]).decode(), "path": "1.png"},
    ],
)
def test_ways_to_write_a_picture(tmp_path, image):
    as_jsonl(tmp_path / "a.jsonl", [row(question="![image](1.png)", images=[image])])
    (sample,) = load(tmp_path).samples
    assert sample.images[0].read().startswith(PICTURES[0]) and sample.checks["images_missing"] == 0


def test_the_prompt_says_what_is_wanted(tmp_path):
    calls = {"inputs": [[1]], "outputs": [1], "fn_name": "solve"}
    both = [row(), row(problem_id="b", input_output=calls, starter_code="def solve(n):\n")]
    as_jsonl(tmp_path / "a.jsonl", both)
    stdio, call = load(tmp_path).samples
    assert "standard input" in stdio.text and "```python block" in stdio.text
    assert "`solve`" in call.text and "do not print" in call.text and "def solve(n):" in call.text
    assert "standard input" not in call.text
    assert stdio.checks["prompt"] == template().version == "mmcode-1"


def test_groups_are_tags_source_difficulty_and_form(tmp_path):
    as_jsonl(tmp_path / "a.jsonl", [row(difficulty=3)])
    expected = {"form": "stdio", "origin": "Codeforces", "difficulty": "3"}
    assert groups(load(tmp_path).samples[0]) == expected | {"image tag": ["Graph", "Tree"]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "unreadable"),
        ("[1]", "unreadable"),
        ("[" * 100_000, "unreadable"),
        (json.dumps(row(question=" ")), "no_question"),
        (json.dumps(row(question=None)), "no_question"),
        (json.dumps(row(input_output="{")), "bad_tests"),
        (json.dumps(row(input_output=[1])), "bad_tests"),
        (json.dumps(row(input_output="7")), "bad_tests"),
        (json.dumps(row(input_output={"inputs": "1", "outputs": "1"})), "bad_tests"),
        (json.dumps(row(input_output={"fn_name": 7})), "bad_tests"),
        (json.dumps(row(problem_id="good")), "duplicate"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_place(tmp_path, line, reason):
    (tmp_path / "a.jsonl").write_text(json.dumps(row(problem_id="good")) + "\n" + line + "\n")
    suite = load(tmp_path)
    assert [sample.id for sample in suite.samples] == ["good"]
    (rejection,) = suite.rejected
    assert rejection.reason == reason and "a.jsonl:2" in rejection.detail


@pytest.mark.parametrize("name", ["missing", "empty", "cut.jsonl.gz", "damaged.jsonl.gz", "bad.parquet"])
def test_files_that_are_none_are_errors(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(json.dumps(row()).encode() * 100)[:200])
    whole = gzip.compress(json.dumps(row()).encode())
    (tmp_path / "damaged.jsonl.gz").write_bytes(whole[:40] + b"\xff" * 40 + whole[80:])
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(VisCodexError):
        load(tmp_path / name)


def test_samples_survive_the_way_through_a_file(tmp_path):
    tests = {"fn_name": "f", "inputs": [[{"1": 10**5000}]], "outputs": [{"1": float("nan")}]}
    import viscodex.sandbox.whole_numbers as whole_numbers

    (tmp_path / "a.jsonl").write_text(whole_numbers.write_json(row(input_output=tests)))
    (sample,) = load(tmp_path).samples
    again = type(sample).model_validate_json(sample.model_dump_json())
    assert again == sample
    (case,) = read_cases(again.checks["input_output"]).tests
    assert case.given == [{1: 10**5000}] and list(case.expected) == [1]


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ([{"1": 2, "-3": 4}], [{1: 2, -3: 4}]),
        ([{"1": 2, "a": 3}], [{1: 2, "a": 3}]),
        ([{"1": {"2": 3}}], [{1: {"2": 3}}]),
        ([{"1": 2}, 5], [{"1": 2}, 5]),
        (["1"], ["1"]),
        ([[{"1": 2}]], [[{"1": 2}]]),
    ],
)
def test_keys_become_integers_where_a_dict_is_the_only_argument(given, arguments):
    (case,) = read_cases({"fn_name": "f", "inputs": [given], "outputs": [given[0]]}).tests
    assert case.given == arguments


@pytest.mark.parametrize("nothing", [None, "", "{}", {}, {"inputs": None, "outputs": []}])
def test_no_tests_are_no_error(nothing):
    assert read_cases(nothing).tests == ()


def test_tests_without_a_counterpart_are_counted():
    cases = read_cases({"inputs": ["1", "2", "3"], "outputs": ["1"]})
    assert (len(cases.tests), cases.dropped) == (1, 2)


def test_an_empty_name_of_a_function_means_stdio():
    assert not read_cases({"fn_name": "", "inputs": ["1"], "outputs": ["1"]}).is_call_based
