"""What configs say about a backbone: flat and nested, with entries left out, and with entries nobody can mean."""

from __future__ import annotations

from typing import Any

import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from viscodex.checkpoint.geometry import Geometry, compare, read_geometry
from viscodex.checkpoint.layout import FAMILIES
from viscodex.core.problems import Problem

TEXT = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "rope_theta": 1e6,
}


def read(config: dict[str, Any], family: str = "qwen2_5_vl") -> tuple[Geometry, list[Problem]]:
    problems: list[Problem] = []
    return read_geometry({"model_type": family} | config, FAMILIES[family], "vlm", problems), problems


def test_flat_and_nested_configs_say_the_same():
    flat, none = read(TEXT | {"tie_word_embeddings": False})
    nested, _ = read({"text_config": TEXT | {"model_type": "qwen2_5_vl_text"}, "tie_word_embeddings": False})
    parameters = {"rope_theta": 1e6, "rope_type": "default"}
    text = {key: value for key, value in TEXT.items() if key != "rope_theta"} | {"rope_parameters": parameters}
    new, _ = read({"text_config": text, "tie_word_embeddings": False})
    assert flat == nested == new
    assert not none
    assert (flat.architecture, flat.layers, flat.head_dim, flat.rope_theta) == ("qwen2", 3, 16, 1e6)
    assert compare(flat, new, "code") == []


def test_rope_of_models_with_two_kinds_of_attention():
    rope = {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}}
    geometry, problems = read({"text_config": {"rope_parameters": rope}}, "gemma3")
    assert geometry.rope_theta == 1e6
    assert not problems


@pytest.mark.parametrize(
    ("family", "config", "tied"),
    [
        ("qwen2_5_vl", {}, False),
        ("qwen2_5_vl", {"tie_word_embeddings": True}, True),
        ("qwen2_5_vl", {"text_config": {"tie_word_embeddings": True}}, True),
        ("qwen2_5_vl", {"tie_word_embeddings": False, "text_config": {"tie_word_embeddings": True}}, False),
        ("internvl", {"text_config": {"model_type": "qwen2", "tie_word_embeddings": False}}, False),
        ("gemma3", {}, True),
        ("gemma3", {"text_config": {"model_type": "gemma3_text"}}, True),
        ("gemma3", {"tie_word_embeddings": False}, False),
        ("gemma2", {}, True),
        ("llama", {}, False),
    ],
)
def test_tied_embeddings(family, config, tied):
    assert read(config, family)[0].tied_embeddings is tied


def test_a_config_may_leave_out_what_its_class_knows():
    """Gemma 3 (12B) on the hub names hidden size and heads, but not the head size of 256, which is not 3840 / 16."""
    text = {"hidden_size": 3840, "num_attention_heads": 16, "num_hidden_layers": 48}
    short, problems = read({"text_config": text | {"model_type": "gemma3_text"}}, "gemma3")
    whole = transformers.AutoConfig.for_model("gemma3_text", **text).to_dict()
    long, _ = read(whole, "gemma3_text")
    assert (short.head_dim, long.head_dim) == (None, 256)
    assert compare(short, long, "code") == problems == []


@pytest.mark.parametrize("family", sorted(name for name, family in FAMILIES.items() if not family.is_multimodal))
def test_numbers_agree_with_the_class_in_transformers(family):
    config = transformers.AutoConfig.for_model(family, hidden_size=64, num_attention_heads=4, num_hidden_layers=2)
    ours, problems = read(config.to_dict(), family)
    assert not problems
    assert (ours.hidden_size, ours.layers, ours.heads) == (64, 2, 4)
    assert ours.kv_heads == config.num_key_value_heads
    assert ours.head_dim == (getattr(config, "head_dim", None) or 16)
    assert ours.tied_embeddings == config.tie_word_embeddings
    short, _ = read(config.to_diff_dict(), family)  # what is left out there must not contradict
    assert compare(ours, short, "other") == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_size": 128}, "hidden size differs"),
        ({"num_hidden_layers": 4}, "layers differs"),
        ({"num_attention_heads": 8}, "heads differs"),
        ({"num_key_value_heads": 4}, "kv heads differs"),
        ({"head_dim": 32}, "head dim differs"),
        ({"hidden_act": "gelu"}, "activation differs"),
        ({"rope_theta": 1e4}, "rope theta differs"),
        ({"tie_word_embeddings": True}, "tied embeddings differs"),
    ],
)
def test_each_difference_is_named_with_both_numbers(change, words):
    text = TEXT | {"head_dim": 16}
    (problem,) = compare(read(text)[0], read(text | change)[0], "code")
    assert problem.what == words
    assert problem.where.startswith("vlm ")
    assert ", code " in problem.where


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"])
@pytest.mark.parametrize("value", ["64", 64.0, True, 0, -1, [64], {}, float("nan")])
def test_a_size_that_is_none_is_a_problem(key, value):
    geometry, problems = read(TEXT | {key: value})
    assert [problem.what for problem in problems] == ["a size in config.json is not a whole number ≥ 1"]
    assert key in problems[0].where
    assert isinstance(geometry, Geometry)


@pytest.mark.parametrize("value", ["1e6", True, 0, -1.0, float("nan"), float("inf"), [1], 10**400])
def test_a_rope_theta_that_is_none_is_a_problem(value):
    for config in (TEXT | {"rope_theta": value}, {"text_config": {"rope_parameters": {"rope_theta": value}}}):
        problems = read(config)[1]
        assert [problem.what for problem in problems] == ["an entry of config.json is not a number > 0"]
        assert len(problems[0].where) <= 310


def test_words_are_no_flags():
    assert "neither true nor false" in read(TEXT | {"tie_word_embeddings": "false"})[1][0].what
    assert "not an object" in read(TEXT | {"text_config": [1]})[1][0].what


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from([*TEXT, "head_dim", "tie_word_embeddings", "text_config", "rope_parameters", "model_type"])


@given(st.dictionaries(KEYS, ANYTHING, max_size=8), st.sampled_from(sorted(FAMILIES)))
def test_no_config_breaks_the_reader(config, family):
    geometry, _ = read(config, family)
    assert compare(geometry, geometry, "itself") == []
