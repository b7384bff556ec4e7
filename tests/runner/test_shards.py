from __future__ import annotations

import itertools
import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.runner.shards import Shard, bucket, in_order, write_whole


@given(st.text(), st.integers(1, 50))
def test_every_row_is_in_exactly_one_part(row_id, count):
    assert sum(Shard(index, count).holds(row_id) for index in range(1, count + 1)) == 1


def test_the_split_is_for_good():
    """Golden: machines that disagreed would do rows twice, or never."""
    assert [bucket(f"row-{n}", 8) for n in range(10)] == [5, 5, 0, 4, 7, 0, 6, 1, 7, 4]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "-1/2", "1/2/3", "", "²/4"])
def test_nonsense_is_refused(text):
    with pytest.raises(UsageError, match="--shard takes i/n"):
        Shard.parse(text)


def test_a_shard_is_read():
    assert Shard.parse(" 2/8") == Shard(2, 8)
    assert all(Shard().holds(str(n)) for n in range(20))


def part(folder, index, count, **facts):
    folder.mkdir()
    Shard(index, count).mark(folder, facts)
    return folder


def test_parts_are_put_in_order(tmp_path):
    parts = [part(tmp_path / f"part{n}", n, 3, fingerprint="f") for n in (1, 2, 3)]
    assert all(in_order(order) == parts for order in itertools.permutations(parts))


@pytest.mark.parametrize(
    ("marks", "problem"),
    [
        ([(1, 3, "f"), (2, 3, "f")], "not all the parts, each once: 1/3, 2/3"),
        ([(1, 2, "f"), (1, 2, "f")], "not all the parts"),
        ([(1, 2, "f"), (2, 3, "f")], "not all the parts"),
        ([(1, 2, "f"), (2, 2, "g")], "not made by the same recipe"),
    ],
)
def test_wrong_parts_are_refused(tmp_path, marks, problem):
    parts = [
        part(tmp_path / f"p{n}", index, count, fingerprint=print_) for n, (index, count, print_) in enumerate(marks)
    ]
    with pytest.raises(VisCodexError, match=problem):
        in_order(parts)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "train.parquet"
    write_whole(path, lambda temporary: json.dump(1, temporary.open("w")))

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["train.parquet"]
    assert path.read_text() == "1"
