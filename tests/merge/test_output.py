"""What a merge leaves behind: it loads in transformers, and its record, card and report are true."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.merge.conftest import Merge, floats, words
from tests.merge.test_laws import copied
from viscodex.cli import app
from viscodex.merge.card import read_licence
from viscodex.merge.step import SAMPLE_ELEMENTS
from viscodex.merge.tensors import CHUNK_ELEMENTS
from viscodex.model.load import check_loadable, load_model
from viscodex.model.tiny import Trio
from viscodex.model.tiny_families import FAMILIES

Tiny = Callable[..., Trio]


@pytest.mark.parametrize("layout", ["hub", "memory"])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_merges_and_loads_strictly(tiny: Tiny, merge: Merge, family: str, layout: str) -> None:
    trio = tiny(family, layout=layout)
    out = merge(trio, lam=0.7)
    check_loadable(out)
    merged, vlm, code = (words(folder) for folder in (out, trio.vlm, trio.code))
    key = "model.layers.0.mlp.up_proj.weight"
    exact = torch.from_numpy(0.7 * floats(vlm[key]) + (1 - 0.7) * floats(code[key]))
    np.testing.assert_array_equal(merged[key], exact.to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("layout", ["hub", "memory"])
def test_loads_in_transformers_with_nothing_missing_or_left_over(
    tiny: Tiny, merge: Merge, layout: str, tied: bool
) -> None:
    from transformers import AutoModelForImageTextToText

    out = merge(tiny(layout=layout, tied=tied), lam=0.7)
    model, info = AutoModelForImageTextToText.from_pretrained(out, dtype=torch.bfloat16, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    embedding = model.get_input_embeddings().weight
    np.testing.assert_array_equal(
        embedding.detach().view(torch.int16).numpy().view(np.uint16).ravel(), words(out)["model.embed_tokens.weight"]
    )
    assert (model.get_output_embeddings().weight is embedding) is tied


def test_the_loaded_model_is_the_merge_in_its_parts(tiny: Tiny, merge: Merge) -> None:
    trio = tiny()
    merged, vlm = (dict(load_model(folder).named_parameters()) for folder in (merge(trio, lam=0.7), trio.vlm))
    for name, value in vlm.items():
        assert torch.equal(value, merged[name]) is ("language_model" not in name and "lm_head" not in name), name


def test_record_tells_recipe_inputs_and_counts(tiny: Tiny, merge: Merge) -> None:
    trio = tiny()
    record = json.loads((merge(trio, lam=0.7) / "merge.json").read_text())
    assert record["recipe"]["lambda"] == 0.7
    assert record["recipe"]["method"] == "task_arithmetic"
    assert record["parts"]["backbone/merge"]["tensors"] == 27
    assert record["rows_from_vlm"] == {"lm_head.weight": 5, "model.embed_tokens.weight": 5}
    files = record["inputs"]["vlm"]["files"]
    assert {name: entry["bytes"] for name, entry in files.items()} == {
        path.name: path.stat().st_size for path in trio.vlm.glob("*.safetensors")
    }
    assert "config.json" in record["side_files"]


def test_rows_that_any_code_model_lacks_are_counted(tiny: Tiny, merge: Merge, tmp_path: Path) -> None:
    trio = copied(tiny(), tmp_path)
    other = tmp_path / "other"
    shutil.copytree(trio.code, other)
    for folder, token in ((trio.code, "a"), (other, "b")):  # a token of another name: this row is the VLM's alone
        content = json.loads((folder / "tokenizer.json").read_text())
        content["model"]["vocab"][f"{token}!"] = content["model"]["vocab"].pop(token)
        (folder / "tokenizer.json").write_text(json.dumps(content))
    record = json.loads((merge(trio, lam=0.7, code=[str(trio.code), str(other)]) / "merge.json").read_text())
    assert set(record["rows_from_vlm"].values()) == {5 + 2}


def test_the_report_tells_how_much_was_sampled(tiny: Tiny, merge: Merge) -> None:
    report = json.loads((merge(tiny(vocab_size=20_000), lam=0.7) / "merge_report.json").read_text())
    assert f"first {SAMPLE_ELEMENTS:,} elements of every {CHUNK_ELEMENTS:,}" in report["note"]
    # 20,000 rows of 64 are two chunks
    assert report["tensors"]["model.embed_tokens.weight"]["sampled"] == 2 * SAMPLE_ELEMENTS


def test_report_says_how_far_the_merge_moved(tiny: Tiny, merge: Merge) -> None:
    trio = tiny()
    values = json.loads((merge(trio, lam=0.7) / "merge_report.json").read_text())["all"]
    apart, moved = values["‖θ_code − θ_vlm‖ / ‖θ_vlm‖"], values["‖θ_merged − θ_vlm‖ / ‖θ_vlm‖"]
    assert moved == pytest.approx(0.3 * apart, rel=0.01)


@pytest.mark.parametrize(
    ("vlm", "code", "words_in_note"),
    [
        ("apache-2.0", "apache-2.0", "license: apache-2.0"),
        ("apache-2.0", "mit", "keep to all of them"),
        ("apache-2.0", "cc-by-nc-4.0", "**Conflict:**"),
        ("apache-2.0", "", "not stated: code"),
        ("apache-2.0", "tencent-hunyuan", "keep to all of them"),  # “nc” within a word is no NC clause
        ("gemma", "llama3.1", "**Conflict:** gemma and llama3.1 each set"),
        ("apache-2.0", "gpl-3.0", "keep to all of them"),
        ("cc-by-sa-4.0", "gpl-3.0", "**Conflict:**"),
        ("other\nlicense_name: qwen-research", "qwen-research", 'license: other\nlicense_name: "qwen-research"\n'),
        ("apache-2.0  # see LICENSE", "\n- Apache-2.0", "license: apache-2.0\n"),
    ],
)
def test_card_lists_licences_and_flags_conflicts(
    tiny: Tiny, merge: Merge, tmp_path: Path, vlm: str, code: str, words_in_note: str
) -> None:
    trio = copied(tiny(), tmp_path)
    for path, licence in ((trio.vlm, vlm), (trio.code, code)):
        (path / "README.md").write_text(f"---\nlicense: {licence}\n---\n# model\n" if licence else "# model\n")
    card = (merge(trio, lam=0.7) / "README.md").read_text()
    assert words_in_note in card
    assert "base_model_relation: merge" in card
    assert card.startswith('---\nbase_model:\n- "vlm"\n- "code"\n')


def test_every_file_is_on_disk_before_the_result_is_published(
    tiny: Tiny, merge: Merge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could leave a complete folder with an empty config.json in it."""
    synced: set[str] = set()
    at_publication: set[str] = set()
    fsync, rename = os.fsync, Path.rename

    def noting_fsync(handle: int) -> None:
        synced.add(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    def noting_rename(path: Path, target: Path) -> Path:
        at_publication.update(synced)
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "rename", noting_rename)
    out = merge(tiny(), lambdas=(0.6, 0.7))
    wanted = {path.name for path in out.rglob("*")}
    assert {"lambda-0.6", "config.json", "tokenizer.json", "model.safetensors"} <= wanted <= at_publication


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("", ""),
        ("                 Apache License\n", "apache-2.0"),
        ("MIT License\n\nPermission is hereby granted, free of charge", "mit"),
    ],
)
def test_a_licence_is_told_by_its_text(tmp_path: Path, text: str, licence: str) -> None:
    (tmp_path / "README.md").write_text("# A model\n\nlicense: gpl-3.0\n---\nlicense: mit\n---\n")
    (tmp_path / "LICENSE").write_text(text)
    assert read_licence(tmp_path) == licence


def test_dry_run_prints_the_plan_and_writes_nothing(tiny: Tiny, tmp_path: Path) -> None:
    trio = tiny()
    arguments = ["merge", "task-arithmetic", "--set", f"vlm={trio.vlm}", "--set", f"code={trio.code}", "--dry-run"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out"), "--json"])
    plan = json.loads(result.stdout)
    assert plan["problems"] == []
    assert sum(row["tensors"] for row in plan["parts"].values()) == 57
    assert list(tmp_path.iterdir()) == []


def test_command_line_merges_a_grid(tiny: Tiny, tmp_path: Path) -> None:
    trio, out = tiny(), tmp_path / "out"
    models = ["--set", f"vlm={trio.vlm}", "--set", f"code={trio.code}"]
    arguments = ["merge", "task-arithmetic", *models, "--lambda", "0.7,0.9", "--out", str(out), "--check", "load"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("transformers fills all 57 tensors") == 2
    for lam in ("0.7", "0.9"):
        check_loadable(out / f"lambda-{lam}")
