"""Raw inputs of every form: the same rows, the same ids, and what cannot be read is rejected with its id."""

from __future__ import annotations

import base64
import io
import json
import zipfile

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from viscodex.core.errors import VisCodexError
from viscodex.data import chart, html
from viscodex.data.inputs import Input, identity
from viscodex.data.wording import draw, fill, options, wording
from viscodex.runner.stage import Reject


def png(colour="red"):
    file = io.BytesIO()
    PIL.Image.new("RGB", (80, 70), colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def seeds(tmp_path):
    """The same two screenshots as a folder, a zip and a parquet file."""
    folder = tmp_path / "shots"
    folder.mkdir()
    contents = {"a.png": png("red"), "b.png": png("blue")}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "notes.txt").write_text("no picture")
    with zipfile.ZipFile(tmp_path / "shots.zip", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    rows = [{"image": {"bytes": content, "path": name}, "name": name} for name, content in contents.items()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "shots.parquet")
    return tmp_path


def test_screenshots_come_alike_from_a_folder_a_zip_and_parquet(seeds):
    found = []
    for path in ("shots", "shots.zip", "shots.parquet"):
        source = Input(path=str(seeds / path), name="shots", id_column="name" if path.endswith("parquet") else "")
        drafts = list(html.pipeline(html.Settings(screenshots=[source])).drafts())
        found.append([(name, sample.images[0].read()) for name, sample in drafts])
    assert found[0] == found[1] == found[2]
    assert [name for name, _ in found[0]] == [identity("html", "shots", key) for key in ("a.png", "b.png")]


def test_screenshots_come_as_rows_of_paths_and_base64(seeds):
    encoded = base64.b64encode(png("blue")).decode()
    cells = ["shots/a.png", encoded, f"data:image/png;base64,{encoded}", "", None, "../a.png", "no base64!", 7]
    (seeds / "shots.jsonl").write_text("".join(json.dumps({"image": cell}) + "\n" for cell in cells))
    drafts = [sample for _, sample in html.pipeline(html.Settings(screenshots=[str(seeds / "shots.jsonl")])).drafts()]
    pictures = [sample.images[0].read() for sample in drafts if not isinstance(sample, Reject)]
    assert pictures == [png("red"), png("blue"), png("blue")]
    assert [sample.reason for sample in drafts[3:]] == ["no_picture"] * 5


def test_a_damaged_row_or_member_is_one_reject(seeds):
    good = json.dumps({"code": "x = 1"}).encode()
    (seeds / "rows.jsonl").write_bytes(good + b'\n\n{"code": \xff}\n[1]\nno json\n' + good + b"\n")
    drafts = [sample for _, sample in chart.pipeline(chart.Settings(corpora=[str(seeds / "rows.jsonl")])).drafts()]
    kinds = [sample.reason if isinstance(sample, Reject) else sample.response for sample in drafts]
    assert kinds == ["x = 1", "malformed_row", "malformed_row", "malformed_row", "x = 1"]
    with zipfile.ZipFile(seeds / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(5000))
        archive.writestr("b.png", png())
    data = bytearray((seeds / "packed.zip").read_bytes())
    data[37:41] = b"\xff" * 4  # inside what is deflated
    (seeds / "packed.zip").write_bytes(data)
    drafts = [sample for _, sample in html.pipeline(html.Settings(screenshots=[str(seeds / "packed.zip")])).drafts()]
    assert isinstance(drafts[0], Reject) and drafts[0].reason == "unreadable"
    assert drafts[1].images[0].read() == png()


@pytest.mark.parametrize("name", ["x.zip", "x.parquet", "x.jsonl.gz", "x.json"])
def test_a_file_that_is_not_what_it_says_is_an_error_with_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"junk")
    with pytest.raises(VisCodexError) as error:
        list(html.pipeline(html.Settings(screenshots=[str(tmp_path / name)])).drafts())
    assert name in str(error.value.where)


def test_a_name_that_comes_again_is_rejected_and_not_lost(tmp_path):
    rows = [{"code": "x = 1", "n": "a"}, {"code": "x = 2", "n": "a"}, {"code": "x = 3", "n": 0}, {"code": "x = 4"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = {"path": str(tmp_path / "rows.jsonl"), "id_column": "n"}
    drafts = list(chart.pipeline(chart.Settings(corpora=[corpus])).drafts())
    assert len({name for name, _ in drafts}) == 4
    kinds = [sample.reason if isinstance(sample, Reject) else sample.response for _, sample in drafts]
    assert kinds == ["x = 1", "repeated_id", "x = 3", "x = 4"]


def test_designs_of_one_seed_have_ids_of_their_own(seeds):
    settings = html.Settings(screenshots=[str(seeds / "shots")], designs_per_seed=3)
    names = [name for name, _ in html.pipeline(settings).drafts()]
    assert len(set(names)) == 6


def test_scripts_come_from_folders_jsonl_and_parquet_and_repositories(tmp_path):
    (tmp_path / "code" / "sub").mkdir(parents=True)
    (tmp_path / "code" / "sub" / "a.py").write_text("x = 1")
    (tmp_path / "code" / "latin.py").write_bytes(b"x = '\xe9'")
    (tmp_path / "code" / ".git").mkdir()
    (tmp_path / "code" / ".git" / "hook.py").write_text("x = 2")
    lines = [{"code": "y = 1", "n": "first"}, {"n": "second"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    settings = chart.Settings(
        corpora=[{"path": str(tmp_path / "rows.jsonl"), "id_column": "n", "licence": "MIT", "author": "N. N."}],
        repositories=[str(tmp_path / "code")],
    )
    drafts = list(chart.pipeline(settings).drafts())
    kinds = [sample.reason if isinstance(sample, Reject) else sample.response for _, sample in drafts]
    assert kinds == ["y = 1", "no_code", "unreadable", "x = 1"]
    first = drafts[0][1]
    assert first.source.licence == "MIT"
    assert first.checks["origin"] == {"name": "rows", "id": "first", "attribution": "rows, N. N., MIT"}
    assert drafts == list(chart.pipeline(settings).drafts())


def test_what_is_mined_carries_the_licence_of_its_repository(tmp_path, repository):
    for name, text in (
        ("a", (repository / "LICENSE").read_text()),
        ("b", "GNU GENERAL\nPUBLIC LICENSE\nVersion 3"),
        ("c", ""),
    ):
        (tmp_path / "all" / name / "src").mkdir(parents=True)
        (tmp_path / "all" / name / "src" / "x.py").write_text("x = 1")
        if text:
            (tmp_path / "all" / name / "LICENSE.txt").write_text(text)
    root = str(tmp_path / "all")
    drafts = [sample for _, sample in chart.pipeline(chart.Settings(repositories=[root])).drafts()]
    assert [sample.source.licence for sample in drafts] == ["Apache-2.0", "GPL-3.0", ""]
    chosen = chart.Settings(repositories=[root], licences=["Apache-2.0", "MIT"])
    kinds = [getattr(sample, "reason", "draft") for _, sample in chart.pipeline(chosen).drafts()]
    assert kinds == ["draft", "licence", "licence"]
    told = chart.Settings(repositories=[{"path": root, "licence": "MIT"}], licences=["MIT"])
    assert all(not isinstance(sample, Reject) for _, sample in chart.pipeline(told).drafts())


def test_two_inputs_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValidationError, match="several inputs are called"):
        html.Settings(pages=[str(tmp_path / "a" / "dist"), str(tmp_path / "b" / "dist")])


def test_an_input_that_is_not_there_says_so(tmp_path):
    for settings in (
        html.Settings(screenshots=[str(tmp_path / "no")]),
        html.Settings(pages=[str(tmp_path / "no")]),
        html.Settings(screenshots=[{"path": __file__}]),
    ):
        with pytest.raises(VisCodexError):
            list(html.pipeline(settings).drafts())
    with pytest.raises(VisCodexError):
        list(chart.pipeline(chart.Settings(corpora=[str(tmp_path / "no")])).drafts())


def test_every_text_carries_its_version_and_only_slots_that_are_filled(repository):
    folder = repository / "src/viscodex/data/templates"
    ours = [path.stem for path in folder.glob("*.txt") if path.stem.startswith(("html-", "chart-"))]
    assert len(ours) >= 12
    for version in ours:
        assert wording(version).version == version and wording(version).text


def test_filling_is_one_pass():
    assert fill("{code} and {topic}", {"code": "{topic}", "topic": "x{code}"}) == "{topic} and x{code}"
    with pytest.raises(KeyError):
        fill("{unknown}", {})


def test_draws_are_even_and_fixed():
    counts = [draw(range(4), 7, f"html-{number}", "css") for number in range(4000)]
    assert all(900 < counts.count(value) < 1100 for value in range(4))
    assert draw(options("html-topics-1"), 0, "html-1", "topic") == draw(options("html-topics-1"), 0, "html-1", "topic")
