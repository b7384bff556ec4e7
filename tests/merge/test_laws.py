"""What must hold for every merge, whatever the models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.merge.conftest import Merge, floats, raw, token_ids, words
from viscodex.checkpoint.layout import EMBEDDING, HEAD
from viscodex.merge.arithmetic import METHODS
from viscodex.model.tiny import Trio

Tiny = Callable[..., Trio]
VISION_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")
LARGE = {"vocab_size": 40_000}  # the embedding takes three chunks


def settings_of(method: str) -> dict[str, Any]:
    return {"method": method} | ({"lam": 0.7} if METHODS[method].uses_weights else {})


def vision_ids(trio: Trio) -> list[int]:
    return [token_ids(trio.vlm)[token] for token in VISION_TOKENS]


def without_vision_rows(trio: Trio, key: str, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if key not in (EMBEDDING, HEAD):
        return values
    return np.delete(values.reshape(-1, 64), vision_ids(trio), axis=0).ravel()


@pytest.mark.parametrize("method", ["task_arithmetic", "linear", "slerp"])
@pytest.mark.parametrize(("lam", "model"), [(1.0, "vlm"), (0.0, "code")])
def test_extreme_weights_return_that_model(tiny: Tiny, merge: Merge, method: str, lam: float, model: str) -> None:
    trio = tiny()
    merged, wanted = words(merge(trio, method=method, lam=lam)), words(getattr(trio, model))
    for key in wanted:
        np.testing.assert_array_equal(
            without_vision_rows(trio, key, merged[key]), without_vision_rows(trio, key, wanted[key]), err_msg=key
        )


def test_negative_zero_survives_extreme_weights(tiny: Tiny, merge: Merge, tmp_path: Path) -> None:
    trio = copied(tiny(shards=1), tmp_path)
    tensors = load_file(trio.code / "model.safetensors")
    tensors["model.norm.weight"][:5] = -0.0
    save_file(tensors, trio.code / "model.safetensors")
    assert list(words(merge(trio, lam=0.0))["model.norm.weight"][:5]) == [0x8000] * 5


@pytest.mark.parametrize("method", list(METHODS))
def test_vision_and_projector_bytes_are_the_vlms(tiny: Tiny, merge: Merge, method: str) -> None:
    trio = tiny()
    merged, vlm = raw(merge(trio, **settings_of(method))), raw(trio.vlm)
    assert merged.keys() == vlm.keys()
    kept = [key for key in vlm if key[0] != "backbone"]
    assert {part for part, _ in kept} == {"vision", "projector"}
    assert all(merged[key] == vlm[key] for key in kept)
    assert any(merged[key] != vlm[key] for key in vlm if key[0] == "backbone")


@pytest.mark.parametrize("method", list(METHODS))
def test_rows_of_vision_tokens_are_the_vlms(tiny: Tiny, merge: Merge, method: str) -> None:
    trio = tiny()
    merged, vlm = words(merge(trio, **settings_of(method))), words(trio.vlm)
    for key in (EMBEDDING, HEAD):
        rows = vision_ids(trio)
        np.testing.assert_array_equal(merged[key].reshape(-1, 64)[rows], vlm[key].reshape(-1, 64)[rows])


@pytest.mark.parametrize("method", ["task_arithmetic", "linear"])
@pytest.mark.parametrize("lam", [0.7, 0.85, 0.9, 0.5, 1 / 3])
def test_equals_a_float64_reference_rounded_once(tiny: Tiny, merge: Merge, method: str, lam: float) -> None:
    trio = tiny(**LARGE)
    merged, vlm, code = words(merge(trio, method=method, lam=lam)), words(trio.vlm), words(trio.code)
    differing = 0
    for key in vlm:
        exact = torch.from_numpy(lam * floats(vlm[key]) + (1 - lam) * floats(code[key]))
        reference = exact.to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
        differing += int(
            (without_vision_rows(trio, key, reference) != without_vision_rows(trio, key, merged[key])).sum()
        )
    assert differing == 0


def test_the_base_cancels_when_weights_sum_to_one(tiny: Tiny, merge: Merge) -> None:
    trio = tiny()
    unread = merge(trio, lam=0.7)
    read = merge(trio, weights=[{"*": 0.7}, {"*": 0.3}])  # a table may be anything, so the base is read
    assert "base" in json.loads((read / "merge.json").read_text())["inputs"]
    assert "base" not in json.loads((unread / "merge.json").read_text())["inputs"]
    vlm = words(trio.vlm)
    for key, values in words(unread).items():
        steps = np.abs(ordered(values) - ordered(words(read)[key]))
        # 0.7 a + 0.3 b that cancels exactly leaves noise of float64, whose steps mean nothing
        noise = np.abs(floats(values)) < 1e-14 * np.abs(floats(vlm[key]))
        assert steps[~noise].max() <= 1, key
        assert noise.mean() < 0.01


@pytest.mark.parametrize(
    "weights", [[[0.8, 0.6], [0.2, 0.4]], [{"*.mlp.*": 0.9, "*": 0.7}, {"*.mlp.*": 0.1, "*": 0.3}]]
)
def test_no_base_is_asked_for_where_weights_sum_to_one_in_every_tensor(
    tiny: Tiny, merge: Merge, weights: list[Any]
) -> None:
    summed = words(merge(tiny(), weights=weights, base=""))
    by_lambda = words(merge(tiny(), lam=weights[0]))
    for key, value in by_lambda.items():
        difference = floats(value) - floats(summed[key])
        assert np.abs(difference).max() <= np.abs(floats(value)).max() * 2**-8, key


def test_weights_that_do_not_sum_to_one_start_from_the_base(tiny: Tiny, merge: Merge) -> None:
    trio = tiny()
    merged = words(merge(trio, weights=[1.0, 1.0]))
    vlm, code, base = words(trio.vlm), words(trio.code), words(trio.base)
    key = "model.layers.1.mlp.up_proj.weight"
    wanted = floats(vlm[key]) + floats(code[key]) - floats(base[key])
    reference = torch.from_numpy(wanted).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
    np.testing.assert_array_equal(merged[key], reference)


@pytest.mark.parametrize("method", list(METHODS))
def test_threads_do_not_change_a_bit(tiny: Tiny, merge: Merge, method: str) -> None:
    trio = tiny(**LARGE, layers=1)
    one, *others = [raw(merge(trio, threads=threads, **settings_of(method))) for threads in (1, 2, 4)]
    assert all(other == one for other in others)


@pytest.mark.parametrize("method", ["task_arithmetic", "dare_ties", "ties", "metagpt"])
def test_sharding_of_the_inputs_does_not_change_a_bit(tiny: Tiny, merge: Merge, method: str) -> None:
    results = [merge(tiny(shards=shards), **settings_of(method)) for shards in (1, 2, 5)]
    assert raw(results[0]) == raw(results[1]) == raw(results[2])
    records = [json.loads((folder / "merge.json").read_text()) for folder in results]
    assert len({record["output"]["xxh3_128"] for record in records}) == 1
    assert len({record["inputs"]["code"]["xxh3_128"] for record in records}) == 1


@pytest.mark.parametrize("shard_size", [20_000, 100_000, 5_000_000_000])
def test_sharding_of_the_output_does_not_change_a_bit(tiny: Tiny, merge: Merge, shard_size: int) -> None:
    trio = tiny()
    out = merge(trio, lam=0.7, shard_size=shard_size)
    assert raw(out) == raw(merge(trio, lam=0.7))
    sizes = [path.stat().st_size for path in out.glob("*.safetensors")]
    largest = max(len(data) for data in raw(trio.vlm).values())
    assert max(sizes) <= max(shard_size, largest) + 20_000  # the header


@pytest.mark.parametrize("lam", [0.7, 1.0])
def test_old_new_and_mixed_layouts_merge_alike(tiny: Tiny, merge: Merge, tmp_path: Path, lam: float) -> None:
    hub, memory = tiny(layout="hub", shards=1), tiny(layout="memory", shards=1)
    mixed = copied(hub, tmp_path)
    tensors = load_file(hub.vlm / "model.safetensors")
    renamed = {
        name.replace("model.layers.1.", "model.language_model.layers.1.").replace(
            "visual.blocks.0", "model.visual.blocks.0"
        ): t
        for name, t in tensors.items()
    }
    assert 0 < len(renamed.keys() - tensors.keys()) < len(tensors)
    save_file(renamed, mixed.vlm / "model.safetensors")
    results = [raw(merge(trio, lam=lam)) for trio in (hub, memory, mixed)]
    assert results[0] == results[1] == results[2]


def test_the_output_keeps_the_names_of_the_vlm(tiny: Tiny, merge: Merge) -> None:
    for layout in ("hub", "memory"):
        trio = tiny(layout=layout, shards=1)
        assert (
            load_file(merge(trio, lam=0.7) / "model.safetensors").keys()
            == load_file(trio.vlm / "model.safetensors").keys()
        )


def test_side_files_are_copied_byte_for_byte(tiny: Tiny, merge: Merge) -> None:
    trio = tiny()
    out = merge(trio, lam=0.7)
    names = {path.name for path in trio.vlm.iterdir() if ".safetensors" not in path.name}
    assert {"config.json", "tokenizer.json", "preprocessor_config.json", "generation_config.json"} <= names
    for name in names:
        assert (out / name).read_bytes() == (trio.vlm / name).read_bytes(), name
    assert {"merge.json", "README.md", "merge_report.html", "merge_report.json"} <= {p.name for p in out.iterdir()}


def test_named_chat_templates_come_along(tiny: Tiny, merge: Merge, tmp_path: Path) -> None:
    trio = copied(tiny(), tmp_path)
    template = trio.vlm / "additional_chat_templates" / "tool_use.jinja"
    template.parent.mkdir()
    template.write_bytes(b"{{ tools }}\r\n")
    out = merge(trio, lam=0.7)
    assert (out / "additional_chat_templates" / "tool_use.jinja").read_bytes() == template.read_bytes()
    assert "additional_chat_templates/tool_use.jinja" in json.loads((out / "merge.json").read_text())["side_files"]


def test_several_lambdas_in_one_reading_equal_single_runs(tiny: Tiny, merge: Merge) -> None:
    trio = tiny()
    grid = merge(trio, lam=0.7, lambdas=(0.7, 0.8, 0.85, 0.9))
    assert sorted(path.name for path in grid.iterdir()) == ["lambda-0.7", "lambda-0.8", "lambda-0.85", "lambda-0.9"]
    for lam in (0.7, 0.8, 0.85, 0.9):
        single, variant = merge(trio, lam=lam), grid / f"lambda-{lam}"
        assert {p.name: p.read_bytes() for p in single.iterdir()} == {p.name: p.read_bytes() for p in variant.iterdir()}


@pytest.mark.parametrize("tied", [False, True])
def test_tied_and_untied_heads(tiny: Tiny, merge: Merge, tied: bool) -> None:
    trio = tiny(tied=tied)
    merged = words(merge(trio, lam=0.7))
    assert (HEAD in merged) is not tied


def test_a_tied_head_that_is_saved_all_the_same_is_merged_like_the_embedding(
    tiny: Tiny, merge: Merge, tmp_path: Path
) -> None:
    trio = copied(tiny(tied=True, shards=1), tmp_path)
    tensors = load_file(trio.vlm / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, trio.vlm / "model.safetensors")
    merged = words(merge(trio, lam=0.7))
    np.testing.assert_array_equal(merged[HEAD], merged[EMBEDDING])


def test_a_tied_head_that_is_saved_all_the_same_counts_once_in_coefficients(
    tiny: Tiny, merge: Merge, tmp_path: Path
) -> None:
    trio = tiny(tied=True, shards=1)
    plain = words(merge(trio, method="metagpt", dtype="float32"))
    saved = copied(trio, tmp_path)
    tensors = load_file(saved.vlm / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, saved.vlm / "model.safetensors")
    merged = words(merge(saved, method="metagpt", dtype="float32"))
    for key, value in plain.items():
        np.testing.assert_array_equal(merged[key], value, err_msg=key)


def test_rows_are_matched_by_token_string_when_sizes_differ(tiny: Tiny, merge: Merge) -> None:
    trio = tiny(vocab_size=512, code_vocab_size=448)
    merged = words(merge(trio, lam=0.0))[EMBEDDING].reshape(-1, 64)
    vlm, code = words(trio.vlm)[EMBEDDING].reshape(-1, 64), words(trio.code)[EMBEDDING].reshape(-1, 64)
    ours, theirs = token_ids(trio.vlm), token_ids(trio.code)
    shared = {n: theirs[token] for token, n in ours.items() if token in theirs and token not in VISION_TOKENS}
    assert len(shared) > 300
    for row in range(512):
        np.testing.assert_array_equal(merged[row], code[shared[row]] if row in shared else vlm[row], err_msg=str(row))


def test_moved_tokens_of_equal_sizes_are_matched_by_string(tiny: Tiny, merge: Merge, tmp_path: Path) -> None:
    trio = copied(tiny(shards=1), tmp_path)
    content = json.loads((trio.code / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (trio.code / "tokenizer.json").write_text(json.dumps(content))
    merged, code = (words(folder)[EMBEDDING].reshape(-1, 64) for folder in (merge(trio, lam=0.0), trio.code))
    ours = token_ids(trio.vlm)
    np.testing.assert_array_equal(merged[ours["a"]], code[ours["b"]])
    np.testing.assert_array_equal(merged[ours["b"]], code[ours["a"]])
    np.testing.assert_array_equal(merged[ours["c"]], code[ours["c"]])


def test_a_token_that_stands_elsewhere_is_matched_by_string(tiny: Tiny, merge: Merge, tmp_path: Path) -> None:
    """Two tunings added the same token, each at a row of its own, where the other has padding."""
    trio = copied(tiny(shards=1), tmp_path)
    for folder, row in ((trio.vlm, 450), (trio.code, 460)):
        content = json.loads((folder / "tokenizer.json").read_text())
        content["added_tokens"].append({"id": row, "content": "<think>", "special": False})
        (folder / "tokenizer.json").write_text(json.dumps(content))
    merged, code = (words(folder)[EMBEDDING].reshape(-1, 64) for folder in (merge(trio, lam=0.0), trio.code))
    np.testing.assert_array_equal(merged[450], code[460])
    np.testing.assert_array_equal(merged[449], code[449])
    np.testing.assert_array_equal(merged[460], code[460])  # padding of the VLM: nothing else is known of it


def test_rows_of_boxes_and_regions_are_the_vlms(tiny: Tiny, merge: Merge, tmp_path: Path) -> None:
    """Qwen names them in the vocabulary of its language models, too, where nothing was learned about them."""
    trio = copied(tiny(shards=1), tmp_path)
    names = ["<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>"]
    for folder in trio:
        content = json.loads((folder / "tokenizer.json").read_text())
        content["added_tokens"] += [
            {"id": 400 + place, "content": name, "special": True} for place, name in enumerate(names)
        ]
        (folder / "tokenizer.json").write_text(json.dumps(content))
    merged, vlm = (words(folder)[EMBEDDING].reshape(-1, 64) for folder in (merge(trio, lam=0.0), trio.vlm))
    np.testing.assert_array_equal(merged[400:405], vlm[400:405])
    assert not np.array_equal(merged[405], vlm[405])


@pytest.mark.parametrize("added", ["added_tokens.json", "tokenizer_config.json"])
def test_slow_tokenizers_name_rows_as_fast_ones_do(tiny: Tiny, merge: Merge, tmp_path: Path, added: str) -> None:
    trio = tiny(vocab_size=512, code_vocab_size=448, shards=1)
    wanted = words(merge(trio, lam=0.5))
    slow = copied(trio, tmp_path)
    content = json.loads((slow.vlm / "tokenizer.json").read_text())
    (slow.vlm / "tokenizer.json").unlink()
    (slow.vlm / "vocab.json").write_text(json.dumps(content["model"]["vocab"]))
    tokens = {token["content"]: token["id"] for token in content["added_tokens"]}
    decoder = {"added_tokens_decoder": {str(number): {"content": token} for token, number in tokens.items()}}
    (slow.vlm / "tokenizer_config.json").write_text("{}")
    (slow.vlm / added).write_text(json.dumps(tokens if added == "added_tokens.json" else decoder))
    for key, value in words(merge(slow, lam=0.5)).items():
        np.testing.assert_array_equal(value, wanted[key], err_msg=key)


def test_embeddings_of_the_vlm_on_request(tiny: Tiny, merge: Merge) -> None:
    trio = tiny()
    merged, vlm = words(merge(trio, lam=0.7, embeddings="vlm")), words(trio.vlm)
    for key in vlm:
        assert np.array_equal(merged[key], vlm[key]) is (key in (EMBEDDING, HEAD)), key


def test_only_the_named_module_kinds_are_merged(tiny: Tiny, merge: Merge) -> None:
    trio = tiny()
    merged, vlm = words(merge(trio, lam=0.7, merge=["mlp"])), words(trio.vlm)
    changed = {key for key in vlm if not np.array_equal(merged[key], vlm[key])}
    assert changed == {key for key in vlm if ".mlp." in key}


def test_replace_takes_the_code_models_backbone(tiny: Tiny, merge: Merge) -> None:
    trio = tiny()
    merged, code = words(merge(trio, method="replace")), words(trio.code)
    for key in code:
        np.testing.assert_array_equal(
            without_vision_rows(trio, key, merged[key]), without_vision_rows(trio, key, code[key])
        )


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_another_output_dtype(tiny: Tiny, merge: Merge, dtype: str) -> None:
    trio = tiny(shards=1)
    out = merge(trio, lam=0.7, dtype=dtype)
    tensors, vlm, code = (load_file(p / "model.safetensors") for p in (out, trio.vlm, trio.code))
    name = "model.layers.0.mlp.up_proj.weight"
    exact = 0.7 * vlm[name].double() + (1 - 0.7) * code[name].double()
    assert torch.equal(tensors[name], exact.float().to(getattr(torch, dtype)))
    assert tensors["visual.patch_embed.proj.weight"].dtype == torch.bfloat16
    config = json.loads((out / "config.json").read_text())
    assert dtype in (config.get("dtype"), config.get("torch_dtype"))


@pytest.mark.parametrize("code_dtype", ["float32", "float16"])
def test_inputs_of_different_dtypes(tiny: Tiny, merge: Merge, tmp_path: Path, code_dtype: str) -> None:
    trio = copied(tiny(shards=1), tmp_path)
    converted = {n: t.to(getattr(torch, code_dtype)) for n, t in load_file(trio.code / "model.safetensors").items()}
    save_file(converted, trio.code / "model.safetensors")
    merged, vlm = words(merge(trio, lam=0.7)), load_file(trio.vlm / "model.safetensors")
    name = "model.layers.0.self_attn.q_proj.bias"
    exact = 0.7 * vlm[name].double() + (1 - 0.7) * converted[name].double()
    assert np.array_equal(merged[name], exact.to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16))


@pytest.mark.parametrize("device", ["torch:cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "dare_linear", "della", "sce", "breadcrumbs"])
def test_torch_gives_what_numpy_gives(tiny: Tiny, merge: Merge, method: str, device: str) -> None:
    trio = tiny(layers=1)
    cpu, other = (
        words(merge(trio, **settings_of(method))),
        words(merge(trio, device=device, **settings_of(method))),
    )
    for key in cpu:
        steps = np.abs(ordered(cpu[key]) - ordered(other[key]))
        if method == "task_arithmetic":
            assert steps.max() == 0, key
        else:  # float32 sums in another order: the smallest values may fall on another side of zero
            values = np.abs(floats(cpu[key]))
            assert steps[values > 1e-3 * values.max()].max() <= 1, key


def test_torch_solves_wudi_as_numpy_does(tiny: Tiny, merge: Merge) -> None:
    trio = tiny(layers=1)
    cpu, other = (words(merge(trio, method="wudi", device=device)) for device in ("cpu", "torch:cpu"))
    for key in cpu:
        distance = np.linalg.norm(floats(cpu[key]) - floats(other[key]))  # a bfloat16 step is 4e-3
        assert distance < 1e-2 * np.linalg.norm(floats(cpu[key])), key


def ordered(bf16: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Number of each bfloat16 on the line of all of them, so that neighbours differ by one."""
    magnitude = (bf16 & 0x7FFF).astype(np.int64)
    return np.where(bf16 & 0x8000, -magnitude, magnitude)


def copied(trio: Trio, folder: Path) -> Trio:
    """A trio that may be changed."""
    for name, path in trio._asdict().items():
        shutil.copytree(path, folder / "copy" / name)
    return Trio(*(folder / "copy" / name for name in Trio._fields))
