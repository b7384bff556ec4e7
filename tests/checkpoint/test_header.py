"""Headers: what we write the safetensors library reads and the other way round, and no bytes break the reader."""

from __future__ import annotations

import json
import math
import os
import string
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from viscodex.checkpoint.dtypes import SIZES
from viscodex.checkpoint.header import Entry, encode_header, read_header
from viscodex.core.problems import Problem

SHARED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
THOROUGH = settings(SHARED, max_examples=300)
KNOWN_TO_BOTH = ("BF16", "F16", "F32", "F64", "BOOL", "U8", "I8", "I16", "I32", "I64", "U16", "U32", "U64", "F8_E4M3")

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
TENSORS = st.dictionaries(NAMES, st.tuples(st.sampled_from(KNOWN_TO_BOTH), SHAPES), max_size=8)


def laid_out(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> list[tuple[str, str, tuple[int, ...], int]]:
    return [(name, dtype, shape, int(SIZES[dtype] * math.prod(shape))) for name, (dtype, shape) in tensors.items()]


def read(path: Path) -> tuple[list[Entry], list[Problem]]:
    problems: list[Problem] = []
    return read_header(path, problems), problems


def write(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@SHARED
@given(TENSORS)
def test_what_we_write_we_read_and_the_library_reads(tmp_path, tensors):
    if "__metadata__" in tensors:
        return
    layout = laid_out(tensors)
    head = encode_header(layout)
    size = sum(nbytes for *_, nbytes in layout)
    file = tmp_path / "model.safetensors"
    file.write_bytes(head + bytes(size))
    entries, problems = read(file)
    assert not problems
    assert sorted((e.name, e.dtype, e.shape, e.nbytes) for e in entries) == sorted(layout)
    assert len(head) % 8 == 0
    with safe_open(file, "np") as library:
        assert set(library.keys()) == set(tensors)
        for name, (dtype, shape) in tensors.items():
            part = library.get_slice(name)
            assert (part.get_dtype(), tuple(part.get_shape())) == (dtype, shape)


@SHARED
@given(st.dictionaries(NAMES, SHAPES, min_size=1, max_size=8), st.sampled_from(["f2", "f4", "f8", "i8", "u1"]))
def test_what_the_library_writes_we_read(tmp_path, shapes, kind):
    shapes.pop("__metadata__", None)
    generator = np.random.default_rng(0)
    arrays = {name: generator.integers(0, 99, shape).astype(kind) for name, shape in shapes.items()}
    file = tmp_path / "model.safetensors"
    file.write_bytes(save(arrays))
    entries, problems = read(file)
    assert not problems
    content = file.read_bytes()
    assert {e.name for e in entries} == set(arrays)
    for entry in entries:
        assert content[entry.start : entry.start + entry.nbytes] == arrays[entry.name].tobytes()


GOOD = encode_header([("a", "BF16", (2, 2), 8), ("b", "F32", (1,), 4)]) + bytes(12)


@THOROUGH
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 30),
    st.binary(max_size=10),
)
def test_changed_bytes_are_problems_or_a_good_file_never_a_crash(tmp_path, changes, cut, tail):
    content = bytearray(GOOD)
    for place, value in changes:
        content[place] = value
    file = tmp_path / "model.safetensors"
    file.write_bytes(bytes(content[: len(content) - cut]) + tail)
    entries, problems = read(file)
    size = file.stat().st_size
    assert problems or all(8 <= e.start <= e.start + e.nbytes <= size for e in entries)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(sorted(SIZES)) | JSON,
        "shape": st.lists(st.integers(-1, 10**30), max_size=4) | JSON,
        "data_offsets": st.lists(st.integers(-1, 10**30), min_size=2, max_size=2) | JSON,
    },
)


@THOROUGH
@given(JSON | st.dictionaries(st.text(max_size=5), JSON | ITEM, max_size=4))
def test_any_json_is_judged(tmp_path, header):
    entries, problems = read(write(tmp_path / "model.safetensors", header))
    if not problems:
        assert all(e.nbytes == 0 for e in entries)  # there is no data behind the header


def tensor(dtype: Any = "BF16", shape: Any = (2,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("header", "data", "words"),
    [
        (b"{", b"", "bad header JSON"),
        (b"[]", b"", "not an object"),
        (b"\xff\xfe{\x00}\x00", b"", "bad header JSON"),
        (b'{"a": {"dtype": "BF16"}, "a": {}}', b"", "duplicate tensor in one shard"),
        (b"[" * 100_000, b"", "bad header JSON"),
        ({"a": 1}, b"", "lacks dtype"),
        ({"a": {"dtype": "BF16", "shape": [2]}}, b"", "lacks dtype"),
        ({"a": tensor(offsets=[0, 4, 8])}, bytes(4), "lacks dtype"),
        ({"a": tensor(shape=2)}, bytes(4), "lacks dtype"),
        ({"a": tensor(shape=[-2])}, bytes(4), "not whole numbers"),
        ({"a": tensor(shape=[2.0])}, bytes(4), "not whole numbers"),
        ({"a": tensor(shape=[True, 2])}, bytes(4), "not whole numbers"),
        ({"a": tensor(shape=[[2]])}, bytes(4), "not whole numbers"),
        ({"a": tensor(shape="2")}, bytes(4), "not whole numbers"),
        ({"a": tensor(offsets=[4, 0])}, bytes(4), "do not fit its shape"),
        ({"a": tensor(offsets="ab")}, bytes(4), "not whole numbers"),
        ({"a": tensor("F9")}, bytes(4), "unknown dtype"),
        ({"a": tensor(["BF16"])}, bytes(4), "unknown dtype"),
        ({"a": tensor({})}, bytes(4), "unknown dtype"),
        ({"a": tensor("F32")}, bytes(4), "do not fit its shape"),
        ({"a": tensor("F4", [10**400])}, bytes(4), "do not fit its shape"),
        ({"a": tensor(shape=[2**63, 2**63])}, bytes(4), "do not fit its shape"),
        ({"a": tensor(), "b": tensor(offsets=[2, 6])}, bytes(6), "overlapping"),
        ({"a": tensor(), "b": tensor(offsets=[6, 10])}, bytes(10), "unused bytes"),
        ({"a": tensor(offsets=[2, 6])}, bytes(6), "unused bytes"),
        ({"a": tensor()}, bytes(3), "truncated"),
        ({"a": tensor()}, bytes(5), "bytes behind the last"),
        ({"a\nb": tensor()}, bytes(4), "not printable"),
        ({"\x1b[31ma": tensor()}, bytes(4), "not printable"),
        ({"\ud800": tensor()}, bytes(4), "not printable"),
        ({"": tensor()}, bytes(4), "not printable"),
    ],
)
def test_every_rule_has_its_words(tmp_path, header, data, words):
    _, problems = read(write(tmp_path / "part.safetensors", header, data))
    assert [words in f"{p.what} {p.where}" for p in problems] == [True]
    assert all("part.safetensors" in p.where for p in problems)


@pytest.mark.parametrize("content", [b"", b"1234567", (2**63).to_bytes(8, "little"), (9).to_bytes(8, "little") + b"{}"])
def test_short_files_and_long_lengths(tmp_path, content):
    file = tmp_path / "part.safetensors"
    file.write_bytes(content)
    tracemalloc.start()
    entries, problems = read(file)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert not entries
    assert "truncated" in problems[0].what


def test_the_library_refuses_what_we_refuse(tmp_path):
    """Wherever both see the whole file, we are at least as strict."""
    for header, data in (({"a": tensor()}, bytes(3)), ({"a": tensor(), "b": tensor(offsets=[2, 6])}, bytes(6))):
        file = write(tmp_path / "part.safetensors", header, data)
        with pytest.raises(SafetensorError):
            safe_open(file, "np").__enter__()
        assert read(file)[1]


@pytest.mark.parametrize(
    "header",
    [
        "{" + ",".join(f'"{string.ascii_lowercase[i % 26]}": 1' for i in range(100_000)) + "}",
        '{"a": {"dtype": "U8", "shape": [' + ",".join(["9999999"] * 200_000) + '], "data_offsets": [0, 1]}}',
        '{"a": {"dtype": "U8", "shape": [' + ",".join(["9" * 4000] * 300) + '], "data_offsets": [0, 1]}}',
        '{"a": {"dtype": "U8", "shape": [' + "9" * 5000 + '], "data_offsets": [0, 1]}}',
    ],
    ids=["100,000 duplicates", "200,000 dimensions", "enormous dimensions", "a number of 5,000 digits"],
)
def test_forged_headers_take_no_time(tmp_path, header):
    begun = time.process_time()
    _, problems = read(write(tmp_path / "part.safetensors", header.encode()))
    assert problems
    assert all(len(p.where) < 300 for p in problems)
    assert time.process_time() - begun < 2.0


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "loop", "folder", "missing"):
        entries, problems = read(tmp_path / name)
        assert not entries
        assert "cannot read a shard" in problems[0].what
        assert name in problems[0].where
