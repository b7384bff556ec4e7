"""Writing: how tensors are cut into files, and that what was planned is what the library finds."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from viscodex.checkpoint.reader import INDEX
from viscodex.checkpoint.writer import NewTensor, create_shard, plan_shards, write_index
from viscodex.core.pagecache import write_all

SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=20)


def tensors_of(sizes):
    return [NewTensor(f"t{number}", "U8", (size,), size) for number, size in enumerate(sizes)]


def open_files():
    gc.collect()  # what earlier tests left lying closes now, not in between
    return len(list(Path("/proc/self/fd").iterdir()))


@given(SIZES, st.integers(1, 100))
def test_files_are_full_ordered_and_not_too_large(sizes, most):
    plans = plan_shards(tensors_of(sizes), most)
    assert [t for plan in plans for t in plan.tensors] == tensors_of(sizes)
    held = [sum(t.nbytes for t in plan.tensors) for plan in plans]
    assert all(total <= most or len(plan.tensors) == 1 for total, plan in zip(held, plans, strict=True))
    following = [plan.tensors[0].nbytes for plan in plans[1:]]
    assert all(total + size > most for total, size in zip(held, following, strict=False))
    assert len({plan.file for plan in plans}) == len(plans)
    assert sorted(plan.file for plan in plans) == [plan.file for plan in plans]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(SIZES, st.integers(1, 100))
def test_the_library_reads_what_was_planned(tmp_path_factory, sizes, most):
    folder = tmp_path_factory.mktemp("written")
    plans = plan_shards(tensors_of(sizes), most)
    for plan in plans:
        file = create_shard(folder, plan)
        for tensor, start in zip(plan.tensors, plan.starts, strict=True):
            write_all(file, memoryview(bytes([int(tensor.name[1:])] * tensor.nbytes)), start)
        os.close(file)
        assert (folder / plan.file).stat().st_size == plan.nbytes
    write_index(folder, plans)
    assert (folder / INDEX).exists() == (len(plans) > 1)
    for plan in plans:
        with safe_open(folder / plan.file, "np") as reader:
            for tensor in plan.tensors:
                assert set(reader.get_tensor(tensor.name).tolist()) <= {int(tensor.name[1:])}
    if len(plans) > 1:
        index = json.loads((folder / INDEX).read_text())
        assert index["weight_map"] == {t.name: plan.file for plan in plans for t in plan.tensors}
        assert index["metadata"]["total_size"] == sum(sizes)


def test_a_shard_that_cannot_be_made_leaves_no_open_file(tmp_path):
    plan = plan_shards(tensors_of([10]))[0]
    before = open_files()
    with pytest.raises(OSError):
        create_shard(tmp_path / "missing", plan)
    assert open_files() == before
