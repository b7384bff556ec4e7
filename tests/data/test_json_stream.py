"""One value after the other, wherever the window's edge falls, over whatever is broken."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viscodex.core import json_stream
from viscodex.core.json_stream import Broken, read_values

SIMPLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def read(data: bytes) -> list[Any]:
    return list(read_values(io.BytesIO(data)))


@given(st.lists(SIMPLE, max_size=6), st.booleans(), st.sampled_from([None, 1]), st.integers(1, 40))
def test_what_json_reads_we_read_whatever_the_window(values: list[Any], ascii: bool, indent: Any, block: int) -> None:
    data = json.dumps(values, ensure_ascii=ascii, indent=indent).encode()
    whole = json_stream.BLOCK
    json_stream.BLOCK = block
    try:
        assert read(data) == json.loads(data)
        lines = b"\n".join(json.dumps({"id": value}, ensure_ascii=ascii).encode() for value in values)
        assert read(lines) == [{"id": value} for value in values]
    finally:
        json_stream.BLOCK = whole


@given(st.lists(st.dictionaries(st.just("id"), SIMPLE, min_size=1), min_size=1, max_size=5), st.data())
def test_a_file_cut_anywhere_gives_whole_values_and_one_break(values: list[Any], data: st.DataObject) -> None:
    text = json.dumps(values).encode()
    cut = data.draw(st.integers(1, len(text) - 1))
    found = read(text[:cut])
    whole = [value for value in found if not isinstance(value, Broken)]
    assert whole == values[: len(whole)]
    (broken,) = (value for value in found if isinstance(value, Broken))
    assert broken.end == cut
    assert found[-1] is broken


@given(st.binary(max_size=60))
def test_no_bytes_crash_it(data: bytes) -> None:
    """And what is broken is told in places of the file, one after another."""
    for content in (data, b"[" + data):
        places = [place for one in read(content) if isinstance(one, Broken) for place in (one.begin, one.end)]
        assert places == sorted(places)
        assert not places or 0 <= places[0] <= places[-1] <= len(content)


def test_bytes_are_counted_as_bytes() -> None:
    data = '[{"id": "é图😀"}, {"id": oops}, {"id": 3}]'.encode()
    first, broken, last = read(data)
    assert (first, last) == ({"id": "é图😀"}, {"id": 3})
    assert data[broken.begin : broken.end] == b'{"id": oops}, '


def test_a_string_that_nobody_closes_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "LONGEST", 1 << 16)
    monkeypatch.setattr(json_stream, "BLOCK", 1 << 14)
    data = b'[{"id": "' + b"x" * 20_000_000 + b'\n{"id": 2}]'
    tracemalloc.start()
    found = read(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [type(one) for one in found] == [Broken, dict]
    assert peak < 3_000_000


@pytest.mark.parametrize("odd", ["9" * 5000, "[" * 100_000, "-", "tru", '"\\x"', "\x01"])
def test_what_python_refuses_to_read_is_broken(odd: str) -> None:
    found = read(f'[{odd}, {{"id": 1}},\n{{"id": 2}}]'.encode())
    assert isinstance(found[0], Broken)
    assert found[-1] == {"id": 2}
