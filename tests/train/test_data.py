"""Reading, measuring, skipping, holding out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.train.conftest import MAX_PIXELS
from tests.train.rows import bad, mixed, row, turns, write_mcd_json, write_parquet
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.train.batch import load
from viscodex.train.prepare import key_of, prepare
from viscodex.train.recipe import TrainRecipe
from viscodex.train.sources import open_sources
from viscodex.train.store import Prepared, split_rows


def recipe(**values) -> TrainRecipe:
    return TrainRecipe.parse({"max_length": 1024, "batch_tokens": 2048, "max_pixels": MAX_PIXELS} | values, "test")


def measured(encoder, folder, places, images="") -> Prepared:
    return Prepared(prepare(open_sources(places, images), encoder, folder))


def test_every_bad_sample_is_counted_by_reason(encoder, tmp_path):
    """Header-only for speed: a picture cut short is found when it is decoded, the rest before training."""
    cut = bad().pop("picture_unreadable/cut")
    records = [*mixed(8), *(record | {"id": reason} for reason, record in bad().items() if record != cut)]
    write_parquet(tmp_path / "data.parquet", records)
    data = measured(encoder, tmp_path / "prepared", [str(tmp_path / "data.parquet")])
    found = {skip.id: skip.reason for skip in data.skipped(1024)}
    assert found == {name: name.partition("/")[0] for name in bad() if name != "picture_unreadable/cut"}
    assert len(data) == len(records) == len(found) + int(data.usable(1024).sum())


def test_rows_come_back_as_they_were(encoder, tmp_path):
    write_parquet(tmp_path / "data.parquet", mixed(20))
    data = measured(encoder, tmp_path / "prepared", [str(tmp_path)])
    by_id = {record["id"]: record for record in mixed(20)}
    for number in range(20):
        read, record = data.read(number), by_id.pop(data.id(number))
        assert [turn._asdict() for turn in read.turns] == [
            {"role": m["role"], "text": m["content"]} for m in record["messages"]
        ]
        assert [picture.read() for picture in read.pictures] == [image["bytes"] for image in record["images"]]
        sample = load(read, encoder)
        assert len(sample.encoded.ids) == data.tokens[number]
        assert sample.encoded.is_answer.sum() == data.answers[number]
        assert (sample.encoded.ids == encoder.image_id).sum() == data.image_tokens[number]
    assert not by_id


def test_json_and_zip_give_what_parquet_gives(encoder, tmp_path):
    place, pictures = write_mcd_json(tmp_path / "json", mixed(12))
    write_parquet(tmp_path / "data.parquet", mixed(12))
    fromjson = measured(encoder, tmp_path / "a", [str(place)], str(pictures))
    parquet = measured(encoder, tmp_path / "b", [str(tmp_path / "data.parquet")])
    assert fromjson.tokens.tolist() == parquet.tokens.tolist()
    for number in range(12):
        one, other = fromjson.read(number), parquet.read(number)
        assert (one.kind, one.turns) == (other.kind, other.turns)
        assert [p.read() for p in one.pictures] == [p.read() for p in other.pictures]
    assert sum(fromjson.facts["oddities"].values()) >= 12, "upper-case categories, prefixes that are missing"


def test_pictures_in_an_unpacked_folder(encoder, tmp_path):
    import zipfile

    place, pictures = write_mcd_json(tmp_path / "json", mixed(4))
    with zipfile.ZipFile(pictures) as archive:
        archive.extractall(tmp_path / "unpacked")
    data = measured(encoder, tmp_path / "prepared", [str(place)], str(tmp_path / "unpacked"))
    assert not list(data.skipped(1024))


def test_a_name_cannot_leave_the_folder(encoder, tmp_path):
    import json

    write_parquet(tmp_path / "outside.png", mixed(1))
    record = {"category": "html", "images": ["../outside.png"], "messages": row(0, "html")["messages"]}
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "mcd.json").write_text(json.dumps([record]))
    data = measured(encoder, tmp_path / "prepared", [str(tmp_path / "json" / "mcd.json")], str(tmp_path / "json"))
    assert [skip.reason for skip in data.skipped(1024)] == ["picture_path_leads_out_of_the_folder"]


def test_measuring_is_done_once_and_again_when_it_must(encoder, trio, tmp_path):
    path = write_parquet(tmp_path / "d" / "data.parquet", mixed(4))
    sources = open_sources([str(path)])
    keys = {
        key_of(recipe(), trio.vlm, sources),
        key_of(recipe(lr=1.0, seed=3), trio.vlm, sources),
        key_of(recipe(max_length=2000), trio.vlm, sources),
    }
    assert len(keys) == 1
    assert key_of(recipe(max_pixels=40_000), trio.vlm, sources) not in keys
    write_parquet(path, mixed(5))
    assert key_of(recipe(), trio.vlm, open_sources([str(path)])) not in keys


def test_named_splits_are_held_out(encoder, tmp_path):
    records = [record | {"split": "test" if n % 5 == 0 else "train"} for n, record in enumerate(mixed(20))]
    write_parquet(tmp_path / "data.parquet", records)
    data = measured(encoder, tmp_path / "prepared", [str(tmp_path)])
    split = split_rows(data, recipe())
    assert {data.id(row) for row in split.held_out} == {r["id"] for r in records[::5]}
    assert len(split.train) == 16
    assert not set(split.train) & set(split.held_out)


def test_a_share_is_held_out_by_id(encoder, tmp_path):
    write_parquet(tmp_path / "data.parquet", mixed(60))
    data = measured(encoder, tmp_path / "prepared", [str(tmp_path)])
    small, large = (split_rows(data, recipe(eval_share=share)).held_out for share in (0.1, 0.4))
    assert set(small) < set(large)
    assert 12 < len(large) < 36
    assert len(split_rows(data, recipe(eval_share=0.4, eval_limit=3)).held_out) == 3
    whole = split_rows(data, recipe(eval_share=0.4))
    limited = split_rows(data, recipe(eval_share=0.4, limit=7))
    assert list(limited.held_out) == list(whole.held_out), "scarce-data runs are measured on the same samples"
    assert len(limited.train) == 7


def test_nothing_left_says_why(encoder, tmp_path):
    write_parquet(tmp_path / "data.parquet", [bad()["no_answer"], bad()["aspect_ratio"]])
    data = measured(encoder, tmp_path / "prepared", [str(tmp_path)])
    with pytest.raises(VisCodexError, match="no sample") as caught:
        split_rows(data, recipe())
    assert "1 no_answer" in caught.value.hint


def test_a_half_measured_folder_is_begun_again(encoder, tmp_path):
    write_parquet(tmp_path / "data.parquet", mixed(4))
    (tmp_path / "prepared.partial").mkdir()
    (tmp_path / "prepared.partial" / "rows.bin").write_bytes(b"from a run that was killed")
    data = measured(encoder, tmp_path / "prepared", [str(tmp_path / "data.parquet")])
    assert np.all(data.tokens > 0)


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"PAR1 no", "x.parquet", "cannot read the parquet"),
        (b"", "x.txt", "is parquet or JSON"),
    ],
)
def test_files_that_are_none(encoder, tmp_path, content, name, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VisCodexError, match=message):
        measured(encoder, tmp_path / "prepared", [str(tmp_path / name)])


def test_broken_json_costs_what_is_broken(encoder, tmp_path):
    import json

    (good,) = ({"category": "algorithm", "messages": record["messages"]} for record in [row(3, "algorithm")])
    other = good | {"messages": turns("Another question.", "print(2)")}
    text = f'[{json.dumps(good)}, {{"category": nonsense }}, {json.dumps(other)}, 7]'
    (tmp_path / "x.json").write_text(text)
    data = measured(encoder, tmp_path / "prepared", [str(tmp_path / "x.json")])
    assert data.usable(1024).sum() == 2
    assert len(data) == 4
    assert "broken_JSON" in {skip.reason for skip in data.skipped(1024)}


def test_no_data_and_no_pictures_are_told(tmp_path):
    with pytest.raises(UsageError, match="no parquet"):
        open_sources([str(tmp_path)])
    with pytest.raises(UsageError, match="no data"):
        open_sources([])
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(UsageError, match="no such folder"):
        open_sources([str(tmp_path / "x.json")], str(tmp_path / "none"))
    with pytest.raises(VisCodexError, match="zip"):
        list(open_sources([str(tmp_path / "x.json")], str(tmp_path / "x.json"))[0].rows())


def test_categories_are_all_there(encoder, data, tmp_path):
    assert Counter(measured(encoder, tmp_path / "p", [str(data)]).kinds.tolist()) == {0: 12, 1: 12, 2: 12, 3: 12}


def test_what_the_data_job_writes_is_read(encoder, tmp_path):
    """Shards of the canonical row, one folder a category, rejects beside them."""
    from viscodex.core.row import to_row
    from viscodex.core.sample import Image, Sample
    from viscodex.data.table import REJECTED, Table

    made = {}
    for kind in ("html", "algorithm"):
        with Table(tmp_path / "mcd" / "data" / kind, "train") as table:
            for number in range(3):
                record = row(number, kind)
                image = [Image(data=image["bytes"]) for image in record["images"]]
                prompt = (*image, record["messages"][0]["content"].removeprefix("<image>"))
                sample = Sample(id=record["id"], kind=kind, prompt=prompt, response=record["messages"][1]["content"])
                made[sample.id] = record
                table.write(to_row(sample))
    with Table(tmp_path / "mcd" / "rejected" / "html", "train", REJECTED) as table:
        table.write(dict.fromkeys(REJECTED, "x"))
    data = measured(encoder, tmp_path / "prepared", [str(tmp_path / "mcd")])
    assert sorted(data.id(number) for number in range(len(data))) == sorted(made)
    for number in range(len(data)):
        read = data.read(number)
        assert [turn.text for turn in read.turns] == [turn["content"] for turn in made[read.id]["messages"]]
        assert [picture.read() for picture in read.pictures] == [i["bytes"] for i in made[read.id]["images"]]
