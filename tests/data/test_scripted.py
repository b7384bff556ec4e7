"""The bundled sample: every pipeline over real HTTP, browser and boxes; and packaged recipes that only need inputs."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter

import pyarrow.parquet as pq
import pytest

from tests.data.conftest import files_of
from viscodex.core.errors import UsageError
from viscodex.core.recipe import Recipe
from viscodex.core.row import read_rows
from viscodex.data.build import build, order_of, unbundled
from viscodex.data.recipe import SCRIPTED_MODEL, DataRecipe
from viscodex.data.scripted import ScriptedEndpoint
from viscodex.data.wording import wording


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    out = tmp_path_factory.mktemp("sample") / "out"
    return out, build(order_of(DataRecipe.load("mcd-sample", {"workers": 2})), out)


@pytest.mark.slow
def test_every_category_has_rows_and_rejects(sample):
    out, facts = sample
    for name, category in facts["categories"].items():
        assert category["kept"] >= 4, name
        assert category["rejected"] >= 2, name
        assert category["failed"] == 0, name
    assert Counter(row["category"] for row in read_rows(out)) == {
        name: category["kept"] for name, category in facts["categories"].items()
    }


@pytest.mark.slow
def test_rows_are_whole_and_name_no_path_of_this_machine(sample):
    out, _ = sample
    for row in read_rows(out):
        asked, answered = row["messages"]
        assert asked["content"].count("<image>") == len(row["images"])
        assert (not row["images"]) == (row["category"] == "algorithm")
        assert answered["content"].strip()
        assert row["license"]
        assert row["attribution"]
        text = json.dumps({key: value for key, value in row.items() if key != "images"})
        assert str(out.parent) not in text
        assert "/bundled/" not in text
    for path in (out / "README.md", out / "build.json", out / "recipe.toml", out / "ATTRIBUTION.md"):
        assert unbundled("bundled:pages") not in path.read_text(), path.name


@pytest.mark.slow
def test_the_card_says_that_no_model_was_asked(sample):
    out, facts = sample
    card = (out / "README.md").read_text()
    assert facts["model"] == SCRIPTED_MODEL
    assert "No language model was asked" in card
    for path, checksum in facts["checksums"].items():
        assert f"{checksum}  {path}" in card


@pytest.mark.slow
def test_datasets_loads_a_category_by_name_from_the_card(sample, tmp_path):
    datasets = pytest.importorskip("datasets")
    out, facts = sample
    loaded = datasets.load_dataset(str(out), "chart", split="train", cache_dir=str(tmp_path))
    assert len(loaded) == facts["categories"]["chart"]["kept"]
    assert loaded[0]["images"][0].size[0] > 100
    lost = datasets.load_dataset(str(out), "rejected", split="rejected", cache_dir=str(tmp_path))
    assert len(lost) == sum(category["rejected"] for category in facts["categories"].values())


@pytest.mark.slow
def test_one_worker_makes_the_same_bytes(sample, tmp_path):
    some = DataRecipe.load("mcd-sample", {"workers": 1}).model_copy(update={"html": None, "algorithm": None})
    build(order_of(some), tmp_path / "out")
    made, whole = files_of(tmp_path / "out"), files_of(sample[0])
    shards = [path for path in made if path.endswith(".parquet")]
    assert len(shards) == 4
    assert {path: made[path] for path in shards} == {path: whole[path] for path in shards}


@pytest.mark.slow
def test_why_rows_were_rejected(sample):
    reasons = {row["id"]: row["reason"] for row in pq.read_table(sample[0] / "rejected").to_pylist()}
    assert {"syntax_error", "duplicate", "file_use", "several_figures", "tests_failed", "timeout", "low_score"} <= set(
        reasons.values()
    )


def ask(url, content):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()
    request = urllib.request.Request(f"{url}/chat/completions", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)["choices"][0]["message"]["content"]


def test_the_stand_in_knows_our_prompts():
    with ScriptedEndpoint() as endpoint:
        page = ask(endpoint.url, wording("html-design-1").text.replace("{topic}", "a bakery"))
        assert "</html>" in page and "a bakery" in page
        script = wording("chart-rewrite-1").text.replace("{code}", "import numpy\n\nprint(1)")
        assert ask(endpoint.url, script) == "```python\nimport numpy\n\nprint(1)\n```"
        assert "Score: " in ask(endpoint.url, [{"type": "text", "text": wording("chart-aesthetics-1").text}])
        refine = [wording("qa-refine-1").text, "ANSWER BEGINS", "Use `x`.", "ANSWER ENDS"]
        assert ask(endpoint.url, [{"type": "text", "text": text} for text in refine]) == "Use `x`."
        assert json.loads(ask(endpoint.url, wording("qa-needed-1").text))["needed"] in (True, False)
        assert "know no answer" in ask(endpoint.url, "What is the capital of France?")


def test_the_recipes_seed_is_that_of_its_categories():
    values = {"seed": 7, "chart": {}, "html": {"seed": 3}}
    recipe = DataRecipe.parse(values, "a test")
    assert (recipe.chart.seed, recipe.html.seed) == (7, 3)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"splits": {"train": 0.5}}, "make 0.5, not 1"),
        ({"splits": {"a/b": 1.0}}, "name of letters"),
        ({"llm": {"endpoint": "http://127.0.0.1:1/v1"}}, "needs the model's name"),
        ({"llm": {"endpoint": "ftp://x", "model": "m"}}, "http"),
        ({"chart": {"colour": 1}}, 'unknown key "chart.colour"'),
    ],
)
def test_bad_recipes_are_refused(values, problem):
    with pytest.raises(UsageError, match=problem):
        DataRecipe.parse(values, "a test")


def test_a_recipe_without_a_category_is_refused():
    with pytest.raises(UsageError, match="names no category"):
        order_of(DataRecipe.parse({}, "a test"))
    assert issubclass(DataRecipe, Recipe)
