"""--shard 1/n … n/n, joined, are the whole to the byte: also where rows of different parts are alike."""

from __future__ import annotations

import pytest

from tests.data.conftest import files_of, order_of
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.row import read_rows
from viscodex.data.build import build
from viscodex.data.joining import join


def ids(out):
    return [row["id"] for row in read_rows(out)]


def test_the_parts_joined_are_the_whole(tmp_path, endpoint):
    whole = tmp_path / "whole"
    facts = build(order_of(endpoint.url, count=200), whole)
    parts = [tmp_path / "b", tmp_path / "a"]
    for shard, part in zip(("1/2", "2/2"), parts, strict=True):
        build(order_of(endpoint.url, count=200, shard=shard), part)
    assert len(ids(parts[0])) + len(ids(parts[1])) > len(ids(whole)), "some are duplicates of the other part's rows"
    calls = len(endpoint.calls)
    joined = join(order_of(endpoint.url, count=200), parts[::-1], tmp_path / "joined")
    assert files_of(tmp_path / "joined") == files_of(whole)
    assert joined["cost"] == facts["cost"]
    assert len(endpoint.calls) == calls, "joining asks nobody"


def test_parts_that_are_missing_or_of_another_recipe_are_refused(tmp_path):
    build(order_of(shard="1/2"), tmp_path / "one")
    build(order_of(shard="2/2", splits={"train": 0.5, "test": 0.5}), tmp_path / "two")
    with pytest.raises(VisCodexError, match="not all the parts"):
        join(order_of(), [tmp_path / "one"], tmp_path / "out")
    with pytest.raises(VisCodexError, match="not made by the same recipe"):
        join(order_of(), [tmp_path / "one", tmp_path / "two"], tmp_path / "out")
    with pytest.raises(UsageError, match="without its work folder"):
        join(order_of(), [tmp_path / "one", tmp_path / "three"], tmp_path / "out")
