"""Damaged files: whatever is wrong with shards, headers, indexes and configs, the merge is refused before a byte."""

from __future__ import annotations

import os
import shutil

import pytest

HEAD = "lm_head.weight"
SHARD = "model-00001-of-00002.safetensors"


def first(header):
    """The name of the first tensor in a header."""
    return min((n for n in header if n != "__metadata__"), key=lambda n: header[n]["data_offsets"][0])


def edit(header, **changes):
    header[first(header)] |= changes


def shift(header, by, start=1):
    """Move the second and all later tensors of a header."""
    names = sorted((n for n in header if n != "__metadata__"), key=lambda n: header[n]["data_offsets"][0])
    for name in names[start:]:
        header[name]["data_offsets"] = [place + by for place in header[name]["data_offsets"]]


def cut(path, size):
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)


def twice(header):
    """A header in which one tensor stands twice."""
    import json

    text = json.dumps(header)
    name = first(header)
    return (text[:-1] + f", {json.dumps(name)}: {json.dumps(header[name])}}}").encode()


# name → (damage, words of the error)
SHARDS = {
    "cut in the header": (lambda b: cut(b.shard("vlm"), 100), ("truncated", "vlm", SHARD)),
    "cut in the data": (lambda b: cut(b.shard("code"), -1), ("truncated", "code", SHARD, "download it again")),
    "cut behind the length": (lambda b: cut(b.shard("vlm"), 8), ("truncated", SHARD)),
    "zero bytes": (lambda b: cut(b.shard("code", 2), 0), ("truncated", "model-00002-of-00002", "0 bytes")),
    "five bytes": (lambda b: cut(b.shard("code"), 5), ("truncated", "5 bytes")),
    "one byte more": (
        lambda b: b.shard("vlm").open("ab").write(b"x"),
        ("bytes behind the last tensor", "vlm", SHARD, "1 bytes"),
    ),
    "header length of 2⁶³": (
        lambda b: b.shard("vlm").open("r+b").write((2**63).to_bytes(8, "little")),
        ("truncated", SHARD, "9223372036854775808"),
    ),
    "header is no JSON": (lambda b: b.header("code", lambda h: b"{nonsense}"), ("bad header JSON", "code", SHARD)),
    "header is a list": (lambda b: b.header("code", lambda h: b"[1, 2]"), ("bad header JSON", "not an object")),
    "header is a string": (lambda b: b.header("code", lambda h: b'"text"'), ("bad header JSON", "not an object")),
    "header is deep": (lambda b: b.header("vlm", lambda h: b'{"a":' + b"[" * 99_999), ("bad header JSON", "vlm")),
    "header is latin-1": (lambda b: b.header("vlm", lambda h: '{"é": 1}'.encode("latin-1")), ("bad header JSON",)),
    "tensor is a number": (lambda b: b.header("vlm", lambda h: h.update({HEAD: 7})), ("lacks dtype", HEAD)),
    "no dtype": (lambda b: b.header("vlm", lambda h: h[HEAD].pop("dtype") and None), ("lacks dtype", HEAD)),
    "no offsets": (lambda b: b.header("vlm", lambda h: h[HEAD].pop("data_offsets") and None), ("lacks dtype", HEAD)),
    "overlap": (lambda b: b.header("vlm", lambda h: shift(h, -2)), ("overlapping tensors", "vlm", SHARD)),
    "gap": (lambda b: b.header("vlm", lambda h: shift(h, 2)), ("unused bytes between tensors", "vlm", SHARD)),
    "gap at the start": (lambda b: b.header("code", lambda h: shift(h, 2, 0)), ("unused bytes", "code", SHARD)),
    "wrong dtype": (
        lambda b: b.header("code", lambda h: edit(h, dtype="F32")),
        ("do not fit its shape", "code", "F32"),
    ),
    "unknown dtype": (lambda b: b.header("code", lambda h: edit(h, dtype="F7")), ("unknown dtype", "code", "F7")),
    "dtype is a list": (lambda b: b.header("code", lambda h: edit(h, dtype=["BF16"])), ("unknown dtype", "code")),
    "other shape": (lambda b: b.header("code", lambda h: edit(h, shape=[3, 5])), ("do not fit its shape", "[3, 5]")),
    "negative shape": (lambda b: b.header("vlm", lambda h: edit(h, shape=[-1, 2])), ("not whole numbers", SHARD)),
    "float shape": (lambda b: b.header("vlm", lambda h: edit(h, shape=[1.0])), ("not whole numbers", SHARD)),
    "true as shape": (lambda b: b.header("vlm", lambda h: edit(h, shape=[True])), ("not whole numbers", SHARD)),
    "nested shape": (lambda b: b.header("vlm", lambda h: edit(h, shape=[[1]])), ("not whole numbers", SHARD)),
    "shape is null": (lambda b: b.header("vlm", lambda h: edit(h, shape=None)), ("lacks dtype", SHARD)),
    "enormous shape": (lambda b: b.header("vlm", lambda h: edit(h, shape=[2**62, 2**62])), ("do not fit", SHARD)),
    "offsets reversed": (lambda b: b.header("vlm", lambda h: edit(h, data_offsets=[9, 0])), ("do not fit", SHARD)),
    "one offset": (lambda b: b.header("vlm", lambda h: edit(h, data_offsets=[0])), ("lacks dtype", SHARD)),
    "negative offset": (lambda b: b.header("vlm", lambda h: edit(h, data_offsets=[-2, 0])), ("not whole", SHARD)),
    "duplicate in a header": (lambda b: b.header("vlm", twice), ("duplicate tensor in one shard", "vlm", HEAD)),
    "empty name": (lambda b: b.header("vlm", lambda h: h.update({"": h.pop(first(h))})), ("empty or not printable",)),
    "line break in a name": (
        lambda b: b.header("code", lambda h: h.update({"model.\nerror: all is well": h.pop(first(h))})),
        ("not printable", "code", "\\nerror: all is well"),
    ),
    "escape in a name": (
        lambda b: b.header("code", lambda h: h.update({"\x1b]0;title\x07\x1b[2J": h.pop(first(h))})),
        ("not printable", "code", "\\x1b[2J"),
    ),
    "half a surrogate in a name": (
        lambda b: b.header("code", lambda h: h.update({"\udc80": h.pop(first(h))})),
        ("not printable", "code", "\\udc80"),
    ),
    "a pipe as shard": (
        lambda b: (b.shard("vlm").unlink(), os.mkfifo(b.shard("vlm"))),
        ("cannot read a shard", SHARD, "not a regular file"),
    ),
    "a folder as shard": (lambda b: (b.shard("vlm").unlink(), b.shard("vlm").mkdir()), ("cannot read", SHARD)),
    "a loop as shard": (
        lambda b: (b.shard("vlm").unlink(), b.shard("vlm").symlink_to(SHARD)),
        ("names a shard that is not there", SHARD),
    ),
    "a broken link as shard": (
        lambda b: (b.shard("vlm").unlink(), b.shard("vlm").symlink_to("../gone")),
        ("names a shard that is not there", "vlm", SHARD),
    ),
    "missing shard": (lambda b: b.shard("code", 2).unlink(), ("is not there", "code", "model-00002-of-00002")),
    "duplicate in two shards": (
        lambda b: shutil.copy(b.shard("code", 1), b.shard("code", 2)),
        ("duplicate tensor in several shards", "code", HEAD),
    ),
}

INDEX = "model.safetensors.index.json"
INDEXES = {
    "no JSON": (lambda b: (b.code / INDEX).write_text("{"), (INDEX, "not valid JSON", "line 1")),
    "not UTF-8": (lambda b: (b.code / INDEX).write_bytes(b'{"\xff": 1}'), (INDEX, "not UTF-8")),
    "deep": (lambda b: (b.code / INDEX).write_text("[" * 99_999), (INDEX, "not JSON that can be read")),
    "no weight_map": (lambda b: (b.code / INDEX).write_text("{}"), ("code", INDEX, "no weight_map")),
    "a file outside": (
        lambda b: b.index("vlm", lambda m: m.update(x="../code/" + SHARD)),
        ("outside the folder", "../code"),
    ),
    "an absolute file": (lambda b: b.index("vlm", lambda m: m.update(x="/etc/passwd")), ("outside the folder", "/etc")),
    "escape in a name": (lambda b: b.index("vlm", lambda m: m.update(x="\x1b[31m.safetensors")), ("\\x1b[31m",)),
    "tensor not in its shard": (
        lambda b: b.index("vlm", lambda m: m.update({"model.extra": SHARD})),
        ("its shard does not hold", "vlm", "model.extra"),
    ),
    "tensor not in the index": (
        lambda b: b.index("vlm", lambda m: m.pop(HEAD) and None),
        ("the index does not list", "vlm", HEAD),
    ),
    "100,000 entries": (
        lambda b: b.index("vlm", lambda m: m.update({f"model.x{n}": SHARD for n in range(100_000)})),
        ("its shard does not hold", "100000 cases"),
    ),
    "a pipe": (lambda b: ((b.vlm / INDEX).unlink(), os.mkfifo(b.vlm / INDEX)), (INDEX, "not a regular file")),
    "missing": (lambda b: (b.vlm / INDEX).unlink(), ("several shards but no", "vlm")),
}

CONFIGS = {
    "missing": (lambda b: (b.code / "config.json").unlink(), ("no config.json", "/code")),
    "no JSON": (lambda b: (b.code / "config.json").write_text("{,}"), ("config.json is not valid JSON", "/code")),
    "a list": (lambda b: (b.code / "config.json").write_text("[]"), ("config.json is not an object", "/code")),
    "not UTF-8": (lambda b: (b.vlm / "config.json").write_bytes(b'{"a": "\xe9"}'), ("not UTF-8", "/vlm")),
    "deep": (lambda b: (b.vlm / "config.json").write_text('{"a":' * 99_999), ("not JSON that can be read", "/vlm")),
    "a pipe": (lambda b: ((b.vlm / "config.json").unlink(), os.mkfifo(b.vlm / "config.json")), ("not a regular file",)),
    "a loop": (
        lambda b: ((b.vlm / "config.json").unlink(), (b.vlm / "config.json").symlink_to("config.json")),
        ("cannot read config.json", "/vlm"),
    ),
    "no model_type": (lambda b: b.config("code", model_type=...), ("unknown model type", "/code")),
    "unknown model_type": (
        lambda b: b.config("vlm", model_type="qwen2_5_vlm"),
        ("unknown model type", "qwen2_5_vlm", 'did you mean "qwen2_5_vl"', "docs/merge.md"),
    ),
    "model_type is a list": (lambda b: b.config("vlm", model_type=["qwen2"]), ("unknown model type", "/vlm")),
    "escape in model_type": (lambda b: b.config("vlm", model_type="\x1b[2J"), ("unknown model type", "\\x1b[2J")),
    "10⁹ layers": (lambda b: b.config("vlm", num_hidden_layers=10**9), ("fewer layers", "vlm: layer 2 of 1000000000")),
    "10⁹ layers in both": (
        lambda b: [b.config(role, num_hidden_layers=10**9) for role in ("vlm", "code")],
        ("fewer layers on disk", "2 cases"),
    ),
    "layers as text": (lambda b: b.config("vlm", num_hidden_layers="2"), ("num_hidden_layers = '2'", "vlm")),
    "no heads": (lambda b: b.config("code", num_attention_heads=0), ("num_attention_heads = 0", "code")),
    "hidden size 10³⁰": (
        lambda b: [b.config(role, hidden_size=10**30) for role in ("vlm", "code")],
        ("config.json and the tensors disagree", "hidden size 1000"),
    ),
    "rope_theta as text": (lambda b: b.config("code", rope_theta="big"), ("rope_theta = 'big'", "code")),
    "text_config is a list": (
        lambda b: b.config("vlm", text_config=[1]),
        ("text_config in config.json is not an object",),
    ),
    "tied is a word": (lambda b: b.config("code", tie_word_embeddings="false"), ("tie_word_embeddings = 'false'",)),
}


ALL = {f"shard: {k}": v for k, v in SHARDS.items()} | {f"index: {k}": v for k, v in INDEXES.items()}
ALL |= {f"config: {k}": v for k, v in CONFIGS.items()}


@pytest.mark.parametrize("name", ALL)
def test_a_damaged_file_is_refused(bench, refused, name):
    damage, words = ALL[name]
    damage(bench)
    text = refused()
    assert [word for word in words if word not in text] == [], text
