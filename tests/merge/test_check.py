"""Which pairs merge: every known vision-language model type against every known language model type."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

from tests.merge.conftest import recipe_of
from viscodex.checkpoint.layout import FAMILIES
from viscodex.merge.check import check_pair, family_table, why_not
from viscodex.merge.job import merge_to_folder
from viscodex.merge.plan import plan_merge
from viscodex.model.load import load_model
from viscodex.model.tiny import Trio
from viscodex.model.tiny_families import FAMILIES as TINY
from viscodex.model.tiny_families import Size

Tiny = Callable[..., Trio]
VLMS = [name for name, family in FAMILIES.items() if family.is_multimodal]
LLMS = [name for name, family in FAMILIES.items() if not family.is_multimodal]


@pytest.fixture(scope="module")
def language_models(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny model of every language model type; those that no tiny VLM has for a backbone are made here."""
    found = {TINY[name].code_type: tiny(name).code for name in TINY}
    for name in LLMS:
        if name not in found:
            found[name] = tmp_path_factory.mktemp("llm") / name
            values = Size(layers=2, hidden=64, vocab_size=512, tied=False).text(head_dim=16)
            config = transformers.AutoConfig.for_model(name, **values)
            transformers.AutoModelForCausalLM.from_config(config).bfloat16().save_pretrained(found[name])
    return found


def test_every_listed_family_has_a_tiny_model() -> None:
    assert set(VLMS) == set(TINY)


@pytest.mark.parametrize("vlm", VLMS)
def test_a_compatible_pair_merges_and_loads(tiny: Tiny, tmp_path: Path, vlm: str) -> None:
    trio = tiny(vlm)
    assert why_not(vlm, TINY[vlm].code_type) == ""
    verdict = check_pair(str(trio.vlm), str(trio.code), str(trio.base))
    assert verdict.is_mergeable, verdict.reasons
    merge_to_folder(plan_merge(recipe_of(trio, lam=0.7), tmp_path / "out"), tmp_path / "out", threads=1)
    model = load_model(tmp_path / "out")
    assert model.config.model_type == vlm


@pytest.mark.parametrize("vlm", VLMS)
def test_the_table_says_what_the_check_finds(tiny: Tiny, language_models: dict[str, Path], vlm: str) -> None:
    """Every pair: refused with the architecture as the reason, or not at all."""
    trio = tiny(vlm)
    for llm, folder in language_models.items():
        verdict = check_pair(str(trio.vlm), str(folder))
        assert verdict.is_mergeable is (not why_not(vlm, llm)), (llm, verdict.reasons)
        if not verdict.is_mergeable:
            (reason, *_) = [line for line in verdict.reasons if line.startswith("architecture differs")]
            assert f"vlm {FAMILIES[vlm].text}, code {llm}" in reason


def test_a_pair_of_one_type_and_two_sizes_is_refused(tiny: Tiny) -> None:
    verdict = check_pair(str(tiny().vlm), str(tiny(hidden=96).code))
    assert any("hidden size differs" in line for line in verdict.reasons)


def test_two_models_in_the_wrong_places(tiny: Tiny) -> None:
    trio, other = tiny(), tiny("qwen2_vl")
    swapped = check_pair(str(trio.code), str(trio.vlm))
    assert [problem.what for problem in swapped.problems] == [
        "the first model has no vision modules",
        "a vision-language model where a language model is wanted",
    ]
    assert not check_pair(str(trio.vlm), str(other.vlm)).is_mergeable
    assert why_not("qwen2", "qwen2") == "qwen2 has no vision modules"
    assert why_not("qwen2_vl", "qwen2_5_vl") == "qwen2_5_vl is a vision-language model itself"


def test_the_command_line(tiny: Tiny, cli: Callable[[list[str]], Any]) -> None:
    trio = tiny()
    ended = cli(["merge", "check", str(trio.vlm), str(trio.code)])
    assert ended.code == 0
    assert ended.out.startswith("can be merged\n")
    ended = cli(["merge", "check", str(trio.vlm), str(tiny("idefics3").code), "--json"])
    assert ended.code == 1
    assert json.loads(ended.out)["mergeable"] is False
    assert cli(["merge", "check"]).code == 2
    assert "qwen2_5_vl" in cli(["merge", "check", "--table"]).out


def test_the_documentation_shows_the_table(repository: Path) -> None:
    header, rows = family_table()
    page = (repository / "docs" / "merge.md").read_text(encoding="utf-8")
    for row in (header, *rows):
        assert f"| {' | '.join(row)} |" in page
