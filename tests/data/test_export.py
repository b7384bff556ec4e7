"""A data set in five formats and back: nothing lost, nothing outside of the folder, the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.mcd_files import encoded, record, text_record, write_mcd
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.row import MARKER, Row, read_rows, to_row
from viscodex.core.sample import Image, Sample, Source
from viscodex.data.exports import FORMATS, export
from viscodex.data.exports.files import picture_names, stem, suffix
from viscodex.data.exports.trl import parts
from viscodex.data.exports.webdataset import WebDataset
from viscodex.data.importing import import_mcd
from viscodex.data.table import Table


def built(folder: Path, ids: tuple[str, ...] = ("chart-1", "chart-2")) -> list[Row]:
    """A data set as a build writes it: every column has something, and there are two splits."""
    rows = []
    for number, row_id in enumerate(ids):
        sample = Sample(
            id=row_id,
            kind="chart",
            prompt=("Draw ", Image(data=encoded(size=(30 + number, 20))), " again,\n", Image(data=encoded("P")), "!"),
            response=f"```python\nprint({number})  # é图😀\n```",
            checks={
                "origin": {"name": "gallery", "id": f"g{number}", "attribution": "A, CC BY"},
                "generator": {
                    "model": "m",
                    "params": {"temperature": 0.5},
                    "prompt_version": "2",
                    "time": "2026-11-25",
                },
                "hashes": {"code_sha256": f"{number:064x}", "image_phash": "ff00"},
                "split": "test" if number else "train",
                "render_ok": True,
                "exec_s": 0.25,
                "nested": {"a": [1, None, "x"]},
            },
            source=Source(url="https://example.org", licence="CC-BY-4.0", author="A", retrieved="2026-11-01"),
        )
        rows.append(to_row(sample))
    for split in ("train", "test"):
        with Table(folder / "data" / "chart", split) as table:
            for row in rows:
                if row["split"] == split:
                    table.write(row)
    return rows


def all_rows(folder: Path) -> dict[str, Row]:
    splits = {path.name.split("-")[0] for path in (folder / "data").glob("*/*.parquet")}
    return {row["id"]: row for split in splits for row in read_rows(folder, split=split)}


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_export_and_import_give_the_same_rows(tmp_path: Path) -> None:
    built(tmp_path / "data")
    export(tmp_path / "data", tmp_path / "out", "mcd-json")
    found = import_mcd(tmp_path / "out" / "mcd.json", None, tmp_path / "again")
    assert not found.rejected
    assert all_rows(tmp_path / "again") == all_rows(tmp_path / "data")
    export(tmp_path / "again", tmp_path / "out2", "mcd-json")
    assert hashes(tmp_path / "out2") == hashes(tmp_path / "out")


def test_import_and_export_and_import_give_the_same_rows(tmp_path: Path) -> None:
    values = [record(), text_record(), record("What?", "<p>", ("html/a.png",), "QA"), text_record("é图😀\u2028\x00x")]
    import_mcd(*write_mcd(tmp_path, values), tmp_path / "first")
    export(tmp_path / "first", tmp_path / "out", "mcd-json")
    found = import_mcd(tmp_path / "out" / "mcd.json", tmp_path / "out" / "mcd_images.zip", tmp_path / "second")
    assert set(found.oddities) == {"answer without a code fence"}
    assert all_rows(tmp_path / "second") == all_rows(tmp_path / "first")


def test_the_published_keys_and_places(tmp_path: Path) -> None:
    rows = built(tmp_path / "data")
    export(tmp_path / "data", tmp_path / "out", "mcd-json")
    records = json.loads((tmp_path / "out" / "mcd.json").read_text())
    assert list(records[0])[:3] == ["images", "messages", "category"]
    assert records[0]["images"] == ["mcd_images/chart/chart-1.0.png", "mcd_images/chart/chart-1.1.png"]
    with zipfile.ZipFile(tmp_path / "out" / "mcd_images.zip") as file:
        assert file.testzip() is None
        assert file.read("mcd_images/chart/chart-1.1.png") == rows[0]["images"][1]["bytes"]


def test_the_second_picture_of_one_row_is_not_the_picture_of_another() -> None:
    several = {"category": "qa", "id": "post", "images": [{"bytes": b"a"}, {"bytes": b"b"}]}
    single = {"category": "qa", "id": "post-1", "images": [{"bytes": b"c"}]}
    names = [*picture_names(several), *picture_names(single)]
    assert len(set(names)) == 3


@pytest.mark.parametrize("kind", FORMATS)
def test_every_row_is_counted_and_the_bytes_are_the_same_again(kind: str, tmp_path: Path) -> None:
    built(tmp_path / "data")
    found = export(tmp_path / "data", tmp_path / "one", kind)
    assert (found.seen, found.written, found.left_out, found.pictures) == (2, {"chart": 2}, {}, 4)
    assert json.loads((tmp_path / "one" / "export.json").read_text())["seen"] == 2
    export(tmp_path / "data", tmp_path / "two", kind)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("kind", ["llamafactory", "swift"])
def test_lines_name_pictures_that_are_there(kind: str, tmp_path: Path) -> None:
    rows = built(tmp_path / "data")
    export(tmp_path / "data", tmp_path / "out", kind, name="ours")
    for row, split in zip(rows, ("train", "test"), strict=True):
        (line,) = (tmp_path / "out" / f"{split}.jsonl").read_text().splitlines()
        value = json.loads(line)
        assert value["messages"] == row["messages"]
        assert [(tmp_path / "out" / name).read_bytes() for name in value["images"]] == [
            picture["bytes"] for picture in row["images"]
        ]
    if kind == "llamafactory":
        info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
        assert {name: entry["file_name"] for name, entry in info.items()} == {
            "ours_train": "train.jsonl",
            "ours_test": "test.jsonl",
        }


def test_trl_gets_pictures_where_they_stand_and_no_marker(tmp_path: Path) -> None:
    rows = built(tmp_path / "data")
    export(tmp_path / "data", tmp_path / "out", "trl")
    (row,) = pq.read_table(tmp_path / "out" / "data" / "train-00000-of-00001.parquet").to_pylist()
    assert row["prompt"][0]["content"] == [
        {"type": "text", "text": "Draw "},
        {"type": "image", "text": None},
        {"type": "text", "text": " again,\n"},
        {"type": "image", "text": None},
        {"type": "text", "text": "!"},
    ]
    assert row["completion"][0]["content"] == [{"type": "text", "text": rows[0]["messages"][1]["content"]}]
    assert MARKER not in json.dumps([row["prompt"], row["completion"]])


@given(st.lists(st.sampled_from([MARKER, "a", "\n", "<ima", "ge>"]), max_size=8))
def test_parts_say_what_the_text_says(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = parts(text)
    assert "".join(part["text"] or MARKER for part in found) == text
    assert sum(part["type"] == "image" for part in found) == text.count(MARKER)


def test_tars_are_ended_by_rows_and_text_has_its_own(tmp_path: Path) -> None:
    values = [*(record(f"<image> {n}") for n in range(5)), *(text_record(str(n)) for n in range(3))]
    import_mcd(*write_mcd(tmp_path, values), tmp_path / "data")
    target = WebDataset(tmp_path, "x", rows=2)
    for row in all_rows(tmp_path / "data").values():
        target.write(row)
    target.close()
    names = {path.name: members_of(path) for path in sorted(tmp_path.glob("*.tar"))}
    assert [len(members) for members in names.values()] == [2, 1, 4, 4, 2]
    assert next(iter(names)) == "algorithm-train-text-00000.tar"
    assert all(member.endswith(".json") for name in names if "-text-" in name for member in names[name])


def members_of(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


NASTY = (
    "../../etc/passwd",
    "/abs/olute",
    "a.b.c",
    "ünï 图",
    "con:nul*?",
    "x" * 300,
    "",
    ".",
    "..",
    "a\0b",
    "-rf",
    "A/b\\c",
)


@pytest.mark.parametrize("kind", FORMATS)
def test_no_id_leads_out_of_the_folder_or_is_lost(kind: str, tmp_path: Path) -> None:
    built(tmp_path / "in" / "data", NASTY)
    before = hashes(tmp_path)
    found = export(tmp_path / "in" / "data", tmp_path / "deep" / "er" / "out", kind)
    assert found.written == {"chart": len(NASTY)}
    after = hashes(tmp_path)
    assert {name for name in after if name not in before and not name.startswith("deep/er/out/")} == set()
    for path in (tmp_path / "deep" / "er" / "out").glob("*.tar"):
        members = members_of(path)
        assert len(set(members)) == len(members)
        assert all("/" not in name and not name.startswith(".") for name in members)
    if kind == "mcd-json":
        again = import_mcd(tmp_path / "deep" / "er" / "out" / "mcd.json", None, tmp_path / "again")
        assert again.kept.total() == len(NASTY)


@given(st.text(max_size=120))
def test_stems_are_plain_and_tell_ids_apart(row_id: str) -> None:
    found = stem(row_id)
    assert found
    assert found.isascii()
    assert all(c.isalnum() or c in "-_" for c in found)
    assert len(found) <= 93
    assert stem(row_id + ".") != found


def test_suffixes() -> None:
    assert [suffix(encoded(kind=kind)) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")] == [
        "png", "jpg", "gif", "webp", "png"
    ]  # fmt: skip


def test_rows_that_no_trainer_could_read_are_left_out_and_named(tmp_path: Path) -> None:
    rows = built(tmp_path / "data")
    spoilt: list[Any] = [{**row, "id": f"{row['id']}-spoilt"} for row in (*rows, rows[0])]
    spoilt[0]["messages"] = [{"role": "user", "content": "No mark."}, rows[0]["messages"][1]]
    spoilt[1]["messages"] = [rows[0]["messages"][0], {"role": "assistant", "content": "an <image> tag"}]
    spoilt[2]["messages"] = rows[0]["messages"] * 2
    with Table(tmp_path / "data" / "data" / "html", "train") as table:
        for row in spoilt:
            table.write(row)
    found = export(tmp_path / "data", tmp_path / "out", "swift")
    assert (found.seen, found.written.total(), found.left_out.total()) == (5, 2, 3)
    lines = [json.loads(line) for line in (tmp_path / "out" / "left-out.jsonl").read_text().splitlines()]
    assert {line["reason"] for line in lines} == set(found.left_out) == {
        "<image> and pictures differ", "<image> in the answer", "not one question and one answer"
    }  # fmt: skip


def test_categories_splits_and_a_limit(tmp_path: Path) -> None:
    built(tmp_path / "data", ("chart-1", "chart-2", "chart-3"))
    for number, (more, seen) in enumerate([({"split": "test"}, 2), ({"limit": 1}, 1), ({"categories": ["chart"]}, 3)]):
        assert export(tmp_path / "data", tmp_path / str(number), "swift", **more).seen == seen  # type: ignore[arg-type]
    for more, problem in (
        ({"split": "dev"}, "no shards"),
        ({"categories": ["html"]}, "no shards"),
        ({"name": "a/b"}, "name"),
    ):
        with pytest.raises(UsageError, match=problem):
            export(tmp_path / "data", tmp_path / "x", "swift", **more)  # type: ignore[arg-type]
    assert not list(tmp_path.glob("x*"))


def test_an_unknown_format_is_told_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        export(tmp_path, tmp_path / "out", "llama-factory")
    assert "llamafactory" in error.value.hint


def test_numbers_that_json_does_not_know_are_an_error_with_the_row(tmp_path: Path) -> None:
    rows = built(tmp_path / "data", ("chart-1",))
    rows[0]["checks"]["score"] = float("nan")
    with Table(tmp_path / "data" / "data" / "chart", "train") as table:
        table.write(rows[0])
    with pytest.raises(VisCodexError, match="chart-1"):
        export(tmp_path / "data", tmp_path / "out", "mcd-json")
    assert not (tmp_path / "out").exists()
