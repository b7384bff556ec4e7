"""The published MCD is read whatever its oddities: each is told of, nothing crashes, nothing is lost."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.data.mcd_files import PAGE, encoded, read_all, record, text_record, write_mcd
from viscodex.core.errors import UsageError
from viscodex.core.mcd import BROKEN, read_mcd
from viscodex.core.row import read_rows
from viscodex.core.sample import Image, Rejection, Sample
from viscodex.data.importing import Imported, import_mcd


def test_a_record_as_published(tmp_path: Path) -> None:
    samples, rejected, oddities = read_all(tmp_path, [record(), text_record()])
    assert not rejected
    assert not oddities
    page, algorithm = samples
    assert page.prompt == (Image(path="mcd_images/html/a.png", data=encoded()), "\nWrite this page.")
    assert (page.kind, page.response) == ("html", PAGE)
    assert page.checks == {"origin": {"name": "mcd_598k", "id": "0", "attribution": ""}}
    assert (algorithm.kind, algorithm.images) == ("algorithm", ())


ODDITIES: dict[str, tuple[Any, str]] = {
    "prefix missing": (record(images=("html/a.png",)), "picture under another prefix"),
    "prefix of a machine": (record(images=("/data/x/mcd_images/html/a.png",)), "picture under another prefix"),
    "backslashes": (record(images=("mcd_images\\html\\a.png",)), "picture under another prefix"),
    "dot": (record(images=("./mcd_images/html/a.png",)), "picture under another prefix"),
    "images absent": ({k: v for k, v in text_record().items() if k != "images"}, "no field for images"),
    "images null": (text_record() | {"images": None}, "images is null"),
    "one path": (record(images="mcd_images/html/a.png"), "images is one path, not a list"),
    "no fence": (record(answer="<p>hello</p>"), "answer without a code fence"),
    "case": (record(category=" HTML "), "category in another case"),
    "roles": (record() | {"messages": [{"role": "human", "content": "<image>"}, {"role": "gpt", "content": PAGE}]},
              "role under another name"),
    "parts": (record([{"type": "image"}, {"type": "text", "text": "Write."}]), "content in parts"),
    "no mark": (record("Write this page."), "no <image> for a picture: put in front"),
    "mark in code": (record("<image> What does `<image>` do?"), "<image> inside code"),
    "mark in answer": (record(answer="```xml\n<image>x</image>\n```"), "<image> in an answer"),
    "page without picture": (record("Write a page.", images=()), "html without a picture"),
    "foreign checks": (record(checks="fine"), "checks is not what ours is: left out"),
    "split that leads out": (record(split="../x"), "split is no name: left out"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODDITIES)
def test_an_oddity_is_counted_and_the_record_kept(name: str, tmp_path: Path) -> None:
    value, oddity = ODDITIES[name]
    samples, rejected, oddities = read_all(tmp_path, [value])
    assert (len(samples), rejected) == (1, [])
    assert oddities == Counter({oddity: 1})


REFUSED: dict[str, tuple[Any, str]] = {
    "number": (5, "not a record"),
    "null": (None, "not a record"),
    "list": ([record()], "not a record"),
    "empty": ({}, "no category"),
    "no category": (record(category=None), "no category"),
    "blank category": (record(category="  "), "no category"),
    "unknown category": (record(category="video"), "unknown category"),
    "no messages": (record() | {"messages": None}, "no messages"),
    "messages of text": (record() | {"messages": ["a", "b"]}, "no messages"),
    "two turns": (record() | {"messages": record()["messages"] * 2}, "not one question and one answer"),
    "system": (record() | {"messages": [{"role": "system", "content": "x"}, *record()["messages"]]},
               "not one question and one answer"),
    "content null": (record(None), "content is not text"),
    "content number": (record(answer=12), "content is not text"),
    "content object": (record({"text": "x"}), "content is not text"),
    "content empty list": (record([]), "content is not text"),
    "content of odd parts": (record([{"type": "video"}]), "content is not text"),
    "no answer": (record(answer=" \n"), "no answer"),
    "no question": (text_record("  "), "no question"),
    "missing": (record(images=("mcd_images/html/b.png",)), "picture missing"),
    "images of numbers": (record(images=[7]), "images are not paths"),
    "images an object": (record(images={"path": "a"}), "images are not paths"),
    "more marks": (record("<image> and <image>"), "<image> and pictures differ"),
    "more pictures": (record(images=("html/a.png", "html/a.png")), "<image> and pictures differ"),
    "mark without picture": (record(images=()), "<image> and pictures differ"),
    "leads out": (record(images=("../../etc/passwd",)), "picture path leads out of the folder"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_rejected_with_its_reason_and_place(name: str, tmp_path: Path) -> None:
    value, reason = REFUSED[name]
    samples, rejected, oddities = read_all(tmp_path, [text_record(), value, record()])
    assert len(samples) == 2
    assert [(one.reason, one.stage) for one in rejected] == [(reason, "read")]
    assert rejected[0].detail.startswith("record 1")
    assert not oddities  # of the record that was refused nothing else is told


@pytest.mark.parametrize("bad", [b"\\ud83d", b"\\ude00", b"\xff", b"\xed\xa0\x80"])
def test_a_text_that_is_no_unicode_costs_its_record_alone(bad: bytes, tmp_path: Path) -> None:
    path, images = write_mcd(tmp_path, [text_record("A"), text_record("HERE"), text_record("B \U0001f600")])
    path.write_bytes(path.read_bytes().replace(b"HERE", bad))
    found = list(read_mcd(path, images))
    assert [type(one) for one in found] == [Sample, Rejection, Sample]
    assert found[1].reason == "content is not text"  # type: ignore[union-attr]
    assert found[2].text == "B \U0001f600"  # type: ignore[union-attr]


@pytest.mark.parametrize("tail", ["", ",", ",\n{", ',\n{"images": ["mcd_im', ", nul", "]]", ",\n\x00]"])
def test_a_file_that_breaks_off_gives_what_came_before_and_says_where(tail: str, tmp_path: Path) -> None:
    samples, rejected, _ = read_all(tmp_path, [record(), text_record()], tail=tail)
    assert len(samples) == 2
    assert [one.reason for one in rejected] == [BROKEN]
    size = (tmp_path / "mcd_598k.json").stat().st_size
    assert rejected[0].detail.startswith("after record 2, bytes ")
    assert f" to {size:,} of {size:,}: " in rejected[0].detail


def test_what_is_broken_in_the_middle_costs_no_other_record(tmp_path: Path) -> None:
    values = [record(f"<image> {n}") for n in range(5)]
    path, images = write_mcd(tmp_path, values)
    text = path.read_text()
    whole = json.dumps(values[2])
    path.write_text(text.replace(whole, whole[: len(whole) // 2]))
    found = list(read_mcd(path, images))
    assert [one.text.strip() for one in found if isinstance(one, Sample)] == ["0", "1", "3", "4"]
    (rejected,) = (one for one in found if isinstance(one, Rejection))
    begin = text.index(whole)
    assert rejected.detail.startswith(f"after record 2, bytes {begin:,} to ")


@pytest.mark.parametrize("content", [b"", b"null", b"7", b"\xff\xfe", b"[1, 2", b"{", b'"', b"\0" * 100])
def test_what_is_no_file_of_records_is_told_of(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(content)
    found = list(read_mcd(tmp_path / "x.json"))
    assert all(isinstance(one, Rejection) for one in found)
    assert bool(found) == bool(content)


def test_duplicates_are_rejected_however_they_are_written(tmp_path: Path) -> None:
    again = [record(), record(category="HTML"), record(images=("html/a.png",))]
    samples, rejected, oddities = read_all(tmp_path, [*again, record("<image> Another.")])
    assert len(samples) == 2
    assert [(one.reason, one.id) for one in rejected] == [("duplicate", samples[0].id)] * 2
    assert not oddities


def test_ids_come_from_the_content_and_not_from_the_place(tmp_path: Path) -> None:
    first, _, _ = read_all(tmp_path, [record(), text_record()])
    second, _, _ = read_all(tmp_path, [text_record(), text_record("Another."), record()])
    assert {one.id for one in first} < {one.id for one in second}
    assert first[0].id.startswith("html-")


def test_an_id_of_the_record_is_kept_and_one_given_twice_is_not(tmp_path: Path) -> None:
    samples, _, oddities = read_all(tmp_path, [text_record(id="a"), text_record("B", id="a"), text_record("C", id=7)])
    assert samples[0].id == "a"
    assert samples[1].id.startswith("algorithm-")
    assert samples[2].id.startswith("algorithm-")
    assert oddities == {"id given twice: made from the content": 1}


def test_json_lines_are_read_over_a_broken_one(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join([json.dumps(text_record()), "{broken", "", json.dumps(text_record("B"))]))
    found = list(read_mcd(path))
    assert [type(one) for one in found] == [Sample, Rejection, Sample]
    assert "after record 1, bytes " in found[1].detail  # type: ignore[union-attr]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path, images = write_mcd(tmp_path, [record()])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [type(one) for one in read_mcd(path, images)] == [Sample]


def test_pictures_from_a_folder_and_from_a_zip_are_the_same(tmp_path: Path) -> None:
    values = [record(), record("<image> B", images=("html/a.png",)), record("<image> C", images=("x.png",))]
    path, images = write_mcd(tmp_path, values)
    zipfile.ZipFile(images).extractall(tmp_path / "unzipped")
    from_zip = list(read_mcd(path, images))
    assert list(read_mcd(path, tmp_path / "unzipped" / "mcd_images")) == from_zip
    assert list(read_mcd(path, tmp_path / "unzipped")) == from_zip
    assert list(read_mcd(path)) == from_zip  # the zip beside it


def test_an_import_is_counted_written_and_explained(tmp_path: Path) -> None:
    pictures = {
        "mcd_images/html/a.png": encoded(),
        "mcd_images/rgba.png": encoded("RGBA"),
        "mcd_images/cut.png": encoded(size=(300, 300), colour=(1, 2, 3))[:-40],
        "mcd_images/none.png": b"not a picture",
    }
    values = [
        record(),
        record(images=("mcd_images/rgba.png",)),
        record(images=("mcd_images/cut.png",)),
        record(images=("mcd_images/none.png",)),
        record(images=("mcd_images/gone.png",)),
        record(answer="```xml\n<image>x</image>\n```"),
        text_record(split="test"),
    ]
    found = import_mcd(*write_mcd(tmp_path, values, pictures, tail=', {"'), tmp_path / "out")
    assert (found.seen, found.kept) == (8, {"html": 2, "algorithm": 1})
    assert found.rejected == {
        "picture unreadable": 2, "picture missing": 1, "literal <image> in a text": 1, BROKEN: 1
    }  # fmt: skip
    assert found.oddities == {"picture of mode RGBA": 1}  # of a record that is rejected nothing else is told
    assert found.broken.startswith("after record 7, bytes ")
    out = tmp_path / "out"
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        "README.md", "data/algorithm/test-00000-of-00001.parquet", "data/html/train-00000-of-00001.parquet",
        "import.json", "rejected/import/rejected-00000-of-00001.parquet",
    ]  # fmt: skip
    rejected = pq.read_table(out / "rejected").to_pylist()
    assert Counter(row["reason"] for row in rejected) == found.rejected
    assert {row["status"] for row in rejected} == {"rejected"}
    card = (out / "README.md").read_text()
    assert "8 records seen, 3 kept with 2 pictures, 5 rejected." in card
    assert "| picture of mode RGBA | 1 |" in card


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGBA", "PNG"), ("P", "PNG"), ("P", "GIF"), ("L", "PNG"), ("LA", "PNG"), ("1", "PNG"),
                       ("I;16", "PNG"), ("CMYK", "JPEG"), ("RGB", "JPEG"), ("RGB", "WEBP"), ("RGB", "BMP"),
                       ("F", "TIFF")]
)  # fmt: skip
def test_pictures_of_every_mode_keep_their_bytes_and_are_counted(mode: str, kind: str, tmp_path: Path) -> None:
    data = encoded(mode, kind=kind)
    found = import_mcd(*write_mcd(tmp_path, [record()], {"mcd_images/html/a.png": data}), tmp_path / "out")
    (row,) = read_rows(tmp_path / "out")
    assert row["images"][0]["bytes"] == data
    odd = {f"picture of mode {mode}": 1} if mode not in ("RGB", "L") else {}
    odd |= {f"picture of format {kind}": 1} if kind in ("BMP", "TIFF") else {}
    assert found.oddities == odd


def test_quick_takes_a_picture_that_is_cut_short(tmp_path: Path) -> None:
    cut = encoded(size=(300, 300), colour=(1, 2, 3))[:-40]
    files = write_mcd(tmp_path, [record()], {"mcd_images/html/a.png": cut})
    assert import_mcd(*files, tmp_path / "whole").rejected == {"picture unreadable": 1}
    assert import_mcd(*files, tmp_path / "quick", decode=False).kept == {"html": 1}


def test_an_output_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(UsageError, match="not empty"):
        import_mcd(*write_mcd(tmp_path, [record()]), tmp_path / "out")


def test_a_missing_file_is_refused_and_leaves_no_output(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        import_mcd(tmp_path / "x.json", None, tmp_path / "out")
    with pytest.raises(UsageError, match="no such folder or zip"):
        import_mcd(write_mcd(tmp_path, [record()])[0], tmp_path / "nowhere", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mcd_598k.json", "mcd_images.zip"]


def test_seen_is_kept_and_rejected() -> None:
    with pytest.raises(AssertionError, match="2 records seen"):
        Imported("x", seen=2, kept=Counter(html=1)).check()
