"""Samples become rows and come back to the byte; shards open in `datasets` with pictures as pictures."""

from __future__ import annotations

import io
import json

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.row import MARKER, MarkerError, count_rows, read_rows, read_samples, shards, to_row, to_sample
from viscodex.core.sample import Image, Sample, Source
from viscodex.data.table import PICTURES, REJECTED, Table, arrow_array


def picture(shade: int, form: str = "PNG") -> bytes:
    content = io.BytesIO()
    PIL.Image.new("RGB", (40 + shade % 7, 32), (shade % 256, 0, 0)).save(content, form)
    return content.getvalue()


def sample(number: int, pictures: int = 1) -> Sample:
    parts = [part for n in range(pictures) for part in (f"picture {n}: ", Image(data=picture(number + n)))]
    return Sample(
        id=f"chart-{number:04d}",
        kind="chart",
        prompt=(*parts, "Write the program.\n"),
        response=f"```python\nprint({number})\n```\n",
        checks={
            "render_ok": True,
            "width": 40,
            "origin": {"name": "ours", "id": str(number), "attribution": "by us"},
            "generator": {"model": "m", "params": {"temperature": 0.5}, "prompt_version": "p-1", "time": ""},
            "hashes": {"code_sha256": "ab", "image_phash": ""},
            "split": "train",
        },
        source=Source(url="https://example.org/1", licence="CC0", author="A", retrieved="2026-01-01"),
    )


@pytest.mark.parametrize("pictures", [0, 1, 3])
def test_there_and_back_again(pictures):
    made = sample(5, pictures)
    row = to_row(made)
    assert row["messages"][0]["content"].count(MARKER) == pictures == len(row["images"])
    assert to_sample(row) == made.model_copy(update={"prompt": joined(made.prompt)})
    assert to_row(to_sample(row)) == row


def joined(parts):
    """Without pictures there is nothing between the texts."""
    return parts if any(isinstance(part, Image) for part in parts) else ("".join(parts),)


def test_a_bare_sample_has_every_column():
    row = to_row(Sample(id="qa-1", kind="qa", prompt=("Why?",), response="So."), split="test")
    assert (row["split"], row["images"], row["generator"]["params"]) == ("test", [], "")
    assert to_sample(row).checks == {"split": "test"}


@pytest.mark.parametrize("where", ["prompt", "response"])
def test_a_literal_marker_is_refused(where):
    text = f"an <svg> holds an {MARKER}"
    made = sample(1).model_copy(update={where: (text,) if where == "prompt" else text})
    with pytest.raises(MarkerError, match="literal"):
        to_row(made)


def test_marks_and_pictures_are_counted():
    row = to_row(sample(1, 2))
    row["images"].pop()
    with pytest.raises(VisCodexError, match="1 pictures and 2 marks"):
        to_sample(row)


@pytest.fixture
def folder(tmp_path):
    with Table(tmp_path / "data" / "chart", "train", most_bytes=100_000) as table:
        for number in range(250):
            table.write(to_row(sample(number, number % 3)))
    return tmp_path


def test_shards_stream_back_in_order(folder):
    names = [path.name for path in shards(folder)]
    assert names == [f"train-{n:05d}-of-{len(names):05d}.parquet" for n in range(len(names))]
    assert len(names) > 1
    assert count_rows(folder) == 250
    assert [s.id for s in read_samples(folder)] == [f"chart-{n:04d}" for n in range(250)]
    assert list(read_rows(folder))[7] == to_row(sample(7, 1))
    assert next(read_rows(folder, columns=["id"])) == {"id": "chart-0000"}


def test_row_groups_are_a_page_and_pictures_are_not_compressed_twice(tmp_path):
    with Table(tmp_path / "data" / "chart", "train") as table:
        for number in range(250):
            table.write(to_row(sample(number)))
    (path,) = shards(tmp_path)
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [100, 100, 50]
    columns = [metadata.row_group(0).column(n) for n in range(metadata.num_columns)]
    assert {c.path_in_schema for c in columns if c.compression == "UNCOMPRESSED"} == {PICTURES}
    assert {c.compression for c in columns} == {"UNCOMPRESSED", "ZSTD"}


def test_the_same_rows_are_the_same_bytes(folder, tmp_path):
    with Table(tmp_path / "again", "train", most_bytes=100_000) as table:
        for row in read_rows(folder):
            table.write(row)
    for path in shards(folder):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_datasets_sees_pictures(folder):
    datasets = pytest.importorskip("datasets")
    files = [str(path) for path in shards(folder)]
    loaded = datasets.Dataset.from_parquet(files, cache_dir=str(folder / "cache"))
    assert loaded.features["images"] == datasets.List(datasets.Image())
    row = loaded[5]
    assert [image.size for image in row["images"]] == [(40 + n % 7, 32) for n in (5, 6)]
    assert json.loads(row["checks"])["width"] == 40
    assert loaded[3]["images"] == []
    assert row["messages"][1] == {"role": "assistant", "content": "```python\nprint(5)\n```\n"}


def test_a_table_that_broke_off_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), Table(tmp_path, "train") as table:
        for number in range(150):
            table.write(to_row(sample(number)))
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


def test_an_empty_table_is_a_shard_without_rows(tmp_path):
    Table(tmp_path, "rejected", REJECTED).close()
    assert pq.read_table(tmp_path / "rejected-00000-of-00001.parquet").num_rows == 0


def test_no_shards_is_said(tmp_path):
    with pytest.raises(UsageError, match='no shards of "train"'):
        next(read_rows(tmp_path))


@given(
    st.lists(st.lists(st.fixed_dictionaries({"type": st.text(max_size=3), "text": st.none() | st.text(max_size=5)})))
)
def test_arrays_of_our_own_making_are_arrows_own(rows):
    kind = pa.list_(pa.struct({"type": pa.string(), "text": pa.string()}))
    ours = arrow_array(kind, rows)
    ours.validate(full=True)
    assert ours.equals(pa.array(rows, kind))
