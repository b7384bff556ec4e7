from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from viscodex.core import recipe
from viscodex.core.errors import UsageError
from viscodex.core.recipe import Recipe, assign, key_path, parse_set


class Optimiser(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rate: float = 1e-5
    schedule: Literal["cosine", "constant"] = "cosine"


class Cooking(Recipe):
    job: ClassVar[str] = "cooking"

    lam: float | dict[str, float] = Field(default=0.7, alias="lambda")
    optimiser: Optimiser = Optimiser()
    second: Optimiser | None = None
    sources: dict[str, Optimiser] = Field(default_factory=dict)
    models: list[str] = Field(default_factory=list)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of packaged recipes of our own."""
    (tmp_path / "cooking").mkdir()
    (tmp_path / "cooking" / "soup.toml").write_text("# Soup.\n# With salt.\n\nlambda = 0.5\n")
    (tmp_path / "cooking" / "bread.toml").write_text("# Bread.\nseed = 3\n")
    monkeypatch.setattr(recipe, "PACKAGED", tmp_path)
    return tmp_path


def refused(values: dict) -> str:
    with pytest.raises(UsageError) as caught:
        Cooking.parse(values, where="here.toml")
    return str(caught.value)


# Finding


@pytest.mark.parametrize("name", ["soup", "cooking/soup"])
def test_found_by_packaged_name(shelf, name):
    assert Cooking.load(name).lam == 0.5


def test_found_by_path(tmp_path):
    (tmp_path / "mine.toml").write_text("seed = 9")
    mine = Cooking.load(str(tmp_path / "mine.toml"))
    assert (mine.seed, mine.name) == (9, "mine")


def test_a_misspelt_name_gets_a_suggestion(shelf):
    with pytest.raises(UsageError, match='did you mean "soup"'):
        Cooking.load("soop")


def test_an_absent_file_is_not_taken_for_a_name(shelf):
    with pytest.raises(UsageError, match="no such recipe file"):
        Cooking.load("soup.toml")


def test_packaged_recipes_are_sorted_and_have_headers(shelf):
    found = list(recipe.packaged("cooking"))
    assert [recipe.recipe_name(path) for path in found] == ["cooking/bread", "cooking/soup"]
    assert recipe.header(found[1]) == "Soup.\nWith salt."


@pytest.mark.parametrize("content", [b"lambda = ", b"[a\n", b"\xff\xfe"])
def test_invalid_toml_says_where(tmp_path, content):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not valid TOML") as caught:
        Cooking.load(str(path))
    assert caught.value.where == str(path)


# Checking


def test_an_unknown_key_is_refused_with_a_suggestion():
    assert 'unknown key "lamda", did you mean "lambda"?' in refused({"lamda": 0.5})


def test_an_unknown_key_of_a_table_gets_a_suggestion_from_that_table():
    assert 'unknown key "optimiser.rat", did you mean "rate"?' in refused({"optimiser": {"rat": 1}})
    assert 'unknown key "second.rat", did you mean "rate"?' in refused({"second": {"rat": 1}})


def test_python_names_are_not_keys():
    """`lam` beside `lambda` would otherwise be dropped without a word."""
    assert 'unknown key "lam"' in refused({"lambda": 0.5, "lam": 0.1})


def test_every_problem_is_listed_at_once():
    page = refused({"seed": "many", "optimiser": {"schedule": "linear"}, "colour": 1})
    assert "3 problems" in page
    assert all(word in page for word in ("seed: ", "optimiser.schedule: ", '"colour"', "where: here.toml"))


def test_keys_are_spelt_as_in_a_file():
    assert Cooking.keys() == ["name", "seed", "lambda", "optimiser", "second", "sources", "models"]


# --set


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("lambda=0.7", {"lambda": 0.7}),
        ("vlm=Qwen/Qwen2.5-VL-7B-Instruct", {"vlm": "Qwen/Qwen2.5-VL-7B-Instruct"}),
        ('vlm="quoted"', {"vlm": "quoted"}),
        ("vlm=a=b", {"vlm": "a=b"}),
        ("vlm=", {"vlm": ""}),
        (" seed = 3", {"seed": 3}),
        ("exact=true", {"exact": True}),
        ('code=["a", "b"]', {"code": ["a", "b"]}),
        ("lambda={x = 1}", {"lambda": {"x": 1}}),
        ("vlm=2025-08-13", {"vlm": "2025-08-13"}),
        ("vlm=1\nseed = 2", {"vlm": "1\nseed = 2"}),
    ],
)
def test_set_takes_toml_or_text(assignment, expected):
    assert parse_set([assignment]) == expected


@pytest.mark.parametrize("assignment", ["lambda", "=3", " = 3", ""])
def test_set_without_key_or_value_is_refused(assignment):
    with pytest.raises(UsageError, match="--set takes key=value"):
        parse_set([assignment])


def test_the_last_of_several_sets_wins():
    assert parse_set(["seed=1", "seed=2"]) == {"seed": 2}


@pytest.mark.parametrize(
    ("dotted", "path"),
    [
        ("seed", ["seed"]),
        ("optimiser.rate", ["optimiser", "rate"]),
        ("second.rate", ["second", "rate"]),
        ("sources.web.rate", ["sources", "web", "rate"]),
        ("lambda.layers.*.mlp.*", ["lambda", "layers.*.mlp.*"]),
        ('lambda."layers.*.mlp.*"', ["lambda", "layers.*.mlp.*"]),
        ("unheard.of.key", ["unheard", "of.key"]),
    ],
)
def test_dots_follow_the_tables_of_the_recipe(dotted, path):
    assert key_path(Cooking, dotted) == path


def test_set_reaches_nested_and_pattern_keys(shelf):
    overrides = parse_set(["optimiser.rate=0.1", "lambda.layers.*.mlp.*=0.6", "lambda.*=0.7", "sources.web.rate=2"])
    made = Cooking.load("soup", overrides)
    assert made.optimiser == Optimiser(rate=0.1)
    assert made.lam == {"layers.*.mlp.*": 0.6, "*": 0.7}  # the file's number has given way, the order is kept
    assert made.sources == {"web": Optimiser(rate=2)}


def test_set_is_checked_like_a_file(shelf):
    with pytest.raises(UsageError, match='unknown key "optimizer", did you mean "optimiser"'):
        Cooking.load("soup", parse_set(["optimizer.rate=1"]))


def test_assign_keeps_what_stands_beside():
    values = {"table": {"kept": 1}}
    assign(values, ["table", "new"], 2)
    assert values == {"table": {"kept": 1, "new": 2}}


# Identity


def test_the_fingerprint_depends_on_settings_not_on_where_they_came_from(shelf, tmp_path):
    (tmp_path / "copy.toml").write_text("lambda = 0.5\nseed = 0\n")
    from_file, from_flag = Cooking.load(str(tmp_path / "copy.toml")), Cooking.load("bread", {"lambda": 0.5, "seed": 0})
    assert Cooking.load("soup").fingerprint == from_file.fingerprint == from_flag.fingerprint
    assert Cooking.load("soup").fingerprint != Cooking.load("soup", {"lambda": 0.6}).fingerprint


def test_resolved_settings_make_the_same_recipe_again(shelf):
    made = Cooking.load("soup", parse_set(["second.rate=1", "models=['a']"]))
    assert Cooking.parse(made.resolved(), where="merge.json") == made
