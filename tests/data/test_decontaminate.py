"""Decontamination: each kind of evidence alone, every benchmark's samples, published layouts, what is not taken."""

from __future__ import annotations

import base64
import gzip
import io
import json

import PIL.Image
import PIL.ImageDraw
import pytest

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.sample import Image, Sample
from viscodex.data.decontaminate import Settings, build_index, decontaminated, read_index, write_index
from viscodex.data.decontaminate.files import Item, read_items
from viscodex.data.decontaminate.fingerprints import code_prints, grams, posts
from viscodex.data.decontaminate.index import BUNDLED, Index, prints
from viscodex.data.decontaminate.stage import NAME, Screen, compare
from viscodex.data.pipeline import Pipeline, Work
from viscodex.eval.benchmark import NAMES, benchmark
from viscodex.runner.stage import Keep, Reject

TEXT = "Count how many of the bars in the chart are taller than the one that stands to the left of them."
CODE = "def taller(bars):\n    return sum(b > a for a, b in zip(bars, bars[1:]))\n"


def picture(shift=0):
    image = PIL.Image.new("RGB", (200, 150), "white")
    pen = PIL.ImageDraw.Draw(image)
    for i, height in enumerate((90, 30, 120, 60, 20)):
        pen.rectangle((10 + 38 * i + shift, 140 - height, 40 + 38 * i + shift, 140), fill=(40 * i, 60, 200 - 30 * i))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


INDEX = Index(benchmarks={"mmcode": prints([Item([TEXT], [CODE], [picture()], {123, 456})])})


def reason(index=INDEX, **fields):
    settings = Settings(benchmarks={})
    values = {"kind": "algorithm", "prompt": ("something else",), "response": "```python\npass\n```"} | fields
    result = compare(Screen(index, settings), Sample(id="a", **values))
    return result.reason if isinstance(result, Reject) else "kept"


def qa(number, name="stackoverflow.com", answer=1):
    return {"kind": "qa", "checks": {"origin": {"name": name, "id": str(number)}, "answer_id": answer}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "kept"),
        ({"prompt": (f"So: {TEXT.upper()} And more.",)}, "in_mmcode_text"),
        ({"prompt": (" ".join(TEXT.split()[:12]) + " else",)}, "kept"),
        ({"prompt": (f"```\n{TEXT}\n```",)}, "kept"),
        ({"response": f"```python\n{CODE}```"}, "in_mmcode_code"),
        ({"response": CODE.replace("    ", "  ")}, "in_mmcode_code"),
        (
            {"response": f"```python\n# a comment\n{CODE.replace(' for a, b in', ' for  a, b  in')}```"},
            "in_mmcode_code",
        ),
        ({"response": CODE.replace("taller", "larger")}, "kept"),
        ({"prompt": (Image(data=picture()), "x")}, "in_mmcode_picture"),
        ({"prompt": (Image(data=picture(1)), "x")}, "in_mmcode_picture"),
        ({"prompt": (Image(data=picture(20)), "x")}, "kept"),
        (qa(123), "in_mmcode_post"),
        (qa(7, answer=456), "in_mmcode_post"),
        (qa(123, "superuser.com"), "kept"),
        (qa(7), "kept"),
    ],
)
def test_each_kind_of_evidence(fields, expected):
    assert reason(**fields) == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_that_we_ship_are_all_found(name):
    screen = Screen(build_index(dict.fromkeys(BUNDLED, "")), Settings())
    found = [compare(screen, sample) for sample in benchmark(name).load(None).samples]
    assert all(isinstance(result, Reject) and result.reason.startswith(f"in_{name}_") for result in found), found


def test_benchmarks_by_name_are_all_bundled():
    assert set(BUNDLED) == set(NAMES)


def test_what_several_items_share_is_their_form():
    form = "You are given a chart. Write a program that reads all of its input from standard input and prints."
    found = prints([Item([f"{form} {word} and so on"]) for word in ("one", "two")])
    assert found.grams
    assert set(grams(form)).isdisjoint(found.grams)


def test_small_programs_and_plain_pictures_say_nothing():
    plain = io.BytesIO()
    PIL.Image.new("RGB", (50, 50), "white").save(plain, "PNG")
    found = prints([Item([], ["print(1)"], [plain.getvalue(), b"no picture"])])
    assert (found.codes, found.pictures) == ((), ())


def test_names_of_variables_do_not_count():
    renamed = CODE.replace("a, b", "x, y").replace("b > a", "y > x")
    assert code_prints(renamed) & code_prints(CODE)
    assert not code_prints(CODE.replace(">", "<")) & code_prints(CODE)


def test_links_to_posts():
    text = "https://stackoverflow.com/questions/11/title/22 stackoverflow.com/a/33?x https://stackoverflow.com/q/44#c"
    assert posts(text) == {11, 22, 33, 44}


@pytest.fixture
def published(tmp_path):
    """The four layouts, in small."""
    row = {"problem_id": "1", "question": TEXT, "solutions": [CODE], "images": [base64.b64encode(picture()).decode()]}
    (tmp_path / "mmcode").mkdir()
    (tmp_path / "mmcode" / "test.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    (tmp_path / "design2code").mkdir()
    (tmp_path / "design2code" / "1.html").write_text(f"<html><body>{TEXT}</body></html>")
    (tmp_path / "design2code" / "1.png").write_bytes(picture())
    (tmp_path / "chartmimic").mkdir()
    (tmp_path / "chartmimic" / "bar_1.py").write_text(CODE)
    (tmp_path / "infibench").mkdir()
    (tmp_path / "infibench" / "suite.csv").write_text(f'no,prompt,url\n1,"{TEXT}",https://stackoverflow.com/q/77\n')
    (tmp_path / "infibench" / "v.jsonl").write_text(
        json.dumps({"question": "x", "source": {"post_id": "88"}, "reference_answer": f"```python\n{CODE}```"}) + "\n"
    )
    return tmp_path


def test_published_layouts(published):
    index = build_index({name: str(published / name) for name in BUNDLED}).benchmarks
    assert {name: [bool(p.codes), bool(p.grams), bool(p.pictures)] for name, p in index.items()} == {
        "mmcode": [True, True, True],
        "design2code": [True, False, True],
        "chartmimic": [True, False, False],
        "infibench": [True, True, False],
    }
    assert index["infibench"].posts == (77, 88)
    assert index["design2code"].items == 1


def test_parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"image": {"bytes": picture(), "path": "1.png"}, "text": TEXT, "code": CODE}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    (item,) = read_items(tmp_path)
    assert (item.texts, item.codes, item.pictures) == ([TEXT], [CODE], [picture()])


def test_an_index_is_a_file(published, tmp_path):
    index = build_index({"mmcode": str(published / "mmcode")})
    write_index(index, tmp_path / "index.json")
    assert read_index(tmp_path / "index.json") == index
    assert Settings(benchmarks={"mmcode": str(tmp_path / "index.json")}).index() == index
    assert Settings(benchmarks={"mmcode": str(published / "mmcode")}).index() == index
    (tmp_path / "other.json").write_text("{}")
    write_index(Index(), tmp_path / "none.json")
    assert read_index(tmp_path / "none.json") == Index()
    (tmp_path / "bad.json").write_text('{"format": "viscodex-decontamination-2"}')
    with pytest.raises(VisCodexError, match="not an index"):
        read_index(tmp_path / "bad.json")


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match="bundled"):
        build_index({"mbpp": ""})
    with pytest.raises(VisCodexError, match="no such benchmark"):
        build_index({"mmcode": str(tmp_path / "none")})
    (tmp_path / "a.jsonl").write_text("{broken\n")
    with pytest.raises(VisCodexError, match="not a readable table"):
        build_index({"mmcode": str(tmp_path)})


def test_the_stage_stands_at_the_end_and_travels_to_a_worker():
    import pickle

    pipeline = decontaminated(Pipeline("qa", lambda: iter(()), [Work("a", compare)]), Settings())
    assert [stage.name for stage in pipeline.stages] == ["a", NAME]
    stage = pipeline.stages[-1]
    assert isinstance(stage, Work)
    work, opened = pickle.loads(pickle.dumps((stage.work, stage.open)))
    assert isinstance(work(opened(), Sample(id="a", kind="algorithm", prompt=("x",), response="pass")), Keep)


def test_the_command_makes_an_index(published, tmp_path, capsys):
    from viscodex.cli import main

    argv = [
        "data",
        "benchmark-index",
        f"mmcode={published / 'mmcode'}",
        "design2code",
        "--out",
        str(tmp_path / "i.json"),
    ]
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert not ended.value.code
    index = read_index(tmp_path / "i.json")
    assert set(index.benchmarks) == {"mmcode", "design2code"}
    assert "mmcode" in capsys.readouterr().out
