"""What a command line or a recipe cannot mean is refused with exit code 2, the words to change, and a suggestion."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


def toml(text: str | bytes) -> Any:
    """Run a recipe file of one's own."""

    def damage(bench: Any) -> None:
        path = bench.folder / "own.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        bench.recipe = str(path)

    return damage


def given(*words: str) -> Any:
    return lambda b: b.more.extend(words)


def put(**settings: str) -> Any:
    return lambda b: b.settings.update({"lambda" if key == "lam" else key: value for key, value in settings.items()})


def with_base(**settings: str) -> Any:
    return lambda b: b.settings.update(base=str(b.base), **settings)


def two_codes(**settings: str) -> Any:
    return lambda b: b.settings.update(code=json.dumps([str(b.code), str(b.base)]), **settings)


def method(name: str, **settings: str) -> Any:
    """A method of its own recipe, without λ."""

    def damage(bench: Any) -> None:
        toml(f'method = "{name}"\n')(bench)
        bench.settings.update(settings)

    return damage


def recipe_pipe(bench: Any) -> None:
    os.mkfifo(bench.folder / "own.toml")
    bench.recipe = str(bench.folder / "own.toml")


# name → (damage, words of the error)
USAGE: dict[str, tuple[Any, tuple[str, ...]]] = {
    "unknown key": (put(lamda="0.7"), ('unknown key "lamda"', 'did you mean "lambda"')),
    "unknown key in a file": (toml('vlmm = "x"\n'), ('unknown key "vlmm"', '"vlm"')),
    "unknown table": (toml("[lambda]\nx = 1\n[extra]\ny = 2\n"), ('unknown key "extra"',)),
    "the name of the field": (given("--set", "lam=0.5"), ('unknown key "lam"', '"lambda"')),
    "method unknown": (put(method="task_arithmetics"), ("method", "task_arithmetic")),
    "recipe unknown": (lambda b: setattr(b, "recipe", "viscodex-9b"), ('no merge recipe "viscodex-9b"', "viscodex-8b")),
    "recipe file missing": (lambda b: setattr(b, "recipe", "missing.toml"), ("no such recipe file", "missing.toml")),
    "recipe is a folder": (
        lambda b: ((b.folder / "x.toml").mkdir(), setattr(b, "recipe", str(b.folder / "x.toml"))),
        ("no such recipe file", "x.toml"),
    ),
    "recipe is a pipe": (recipe_pipe, ("no such recipe file", "own.toml")),
    "recipe name too long": (lambda b: setattr(b, "recipe", "x" * 5000), ("no merge recipe", "xxx")),
    "invalid TOML": (toml("method = \n"), ("not valid TOML", "line 1", "own.toml")),
    "recipe not UTF-8": (toml(b'name = "\xff"\n'), ("not valid TOML", "own.toml")),
    "deep TOML": (toml("a = " + "[" * 50_000), ("not valid TOML", "own.toml")),
    "a number of 5,000 digits": (toml("seed = " + "9" * 5000), ("not valid TOML", "own.toml")),
    "key twice": (toml("seed = 1\nseed = 2\n"), ("not valid TOML", "own.toml")),
    "embeddings unknown": (put(embeddings="code"), ("embeddings", "'merge' or 'vlm'")),
    "dtype unknown": (put(dtype="bf16"), ("dtype", "bfloat16")),
    "dtype fp8": (put(dtype="float8_e4m3fn"), ("dtype", "float16")),
    "module unknown": (put(merge='["mlps"]'), ("merge", "mlp")),
    "module not in a list": (put(merge="mlp"), ("merge", "list")),
    "--set without =": (given("--set", "lambda"), ('--set takes key=value, not "lambda"', "--set lambda=0.7")),
    "--set without key": (given("--set", "=1"), ("--set takes key=value",)),
    "deep --set": (put(lam="[" * 50_000), ("lambda",)),
    "--set of 5,000 digits": (put(seed="9" * 5000), ("seed",)),
    "λ of 1.5": (put(lam="1.5"), ("λ is the VLM's weight, from 0 to 1, not 1.5",)),
    "λ below 0": (put(lam="-0.1"), ("from 0 to 1, not -0.1",)),
    "λ NaN": (put(lam="nan"), ("from 0 to 1, not nan",)),
    "λ infinite": (put(lam="inf"), ("from 0 to 1, not inf",)),
    "λ true": (put(lam="true"), ("1 problem: lambda: a weight is a number",)),
    "λ in words": (put(lam='"much"'), ("1 problem: lambda: a weight is a number, a list of numbers",)),
    "λ a number in quotes": (put(lam='"0.7"'), ("lambda: a weight is a number",)),
    "λ a table of words": (put(lam='{"*" = "x"}'), ("lambda: a weight is a number",)),
    "λ a table of tables": (put(lam='{"*" = {"x" = 0.5}}'), ("lambda: a weight is a number",)),
    "λ a list of true": (put(lam="[true]"), ("lambda: a weight is a number",)),
    "λ an empty list": (put(lam="[]"), ("must not be empty",)),
    "λ an empty table": (put(lam="{}"), ("must not be empty",)),
    "λ an empty list in a table": (put(lam='{"*" = []}'), ("must not be empty",)),
    "λ with a bad anchor": (put(lam="[0.5, 2.0]"), ("from 0 to 1, not 2.0",)),
    "λ with a bad pattern": (put(lam='{"*" = [0.5, -1.0]}'), ("from 0 to 1, not -1.0",)),
    "λ a date": (put(lam="2024-01-01"), ("lambda",)),
    "--lambda in words": (given("--lambda", "half"), ('--lambda takes numbers, not "half"', "--lambda 0.7")),
    "--lambda of a comma": (given("--lambda", ","), ('--lambda takes numbers, not ","',)),
    "--lambda 7": (given("--lambda", "7"), ("from 0 to 1, not 7",)),
    "--lambda NaN": (given("--lambda", "nan"), ("from 0 to 1, not nan",)),
    "--lambda twice the same": (given("--lambda", "0.7,0.8,0.70"), ("a λ is given twice",)),
    "--lambda for a method without": (method("metagpt"), ("needs the base",)),
    "several --lambda for a method without": (
        lambda b: (method("metagpt", base=str(b.base))(b), given("--lambda", "0.7,0.8")(b)),
        ("metagpt finds its own coefficients",),
    ),
    "several --lambda with all weights": (
        lambda b: (method("task_arithmetic", weights="[0.7, 0.3]")(b), given("--lambda", "0.7,0.8")(b)),
        ("weights has 2 entries for the code models (1)",),
    ),
    "weights too few": (put(weights="[0.5, 0.5]"), ("weights has 2 entries for the code models (1)",)),
    "weights too many": (method("task_arithmetic", weights="[0.5]"), ("weights has 1 entries", "VLM", "(2)")),
    "weights a number": (put(weights="0.5"), ("weights", "list")),
    "weights NaN": (method("task_arithmetic", weights="[nan, 0.5]"), ("must be finite",)),
    "weights infinite": (method("task_arithmetic", weights="[inf, 0.5]"), ("must be finite",)),
    "weights of true": (method("task_arithmetic", weights="[true, 0.5]"), ("weights.0: a weight is a number",)),
    "neither λ nor weights": (method("task_arithmetic"), ("neither lambda nor weights", "--lambda 0.7")),
    "density 0": (with_base(method="ties", density="0.0"), ("density", "greater than 0")),
    "density 2": (with_base(method="ties", density="2.0"), ("density", "less than or equal to 1")),
    "density NaN": (with_base(method="ties", density="nan"), ("density",)),
    "scale infinite": (with_base(method="ties", scale="inf"), ("scale", "finite")),
    "density ± epsilon/2 beyond 1": (
        with_base(method="della", density="0.95", epsilon="0.2"),
        ("density ± epsilon/2 must lie within 0 and 1",),
    ),
    "steps of half": (
        lambda b: method("wudi", base=str(b.base), steps="1.5")(b),
        ("steps", "integer"),
    ),
    "an option of another method": (put(density="0.5"), ("density is not used by task_arithmetic",)),
    "λ with metagpt": (with_base(method="metagpt"), ("metagpt finds its own coefficients",)),
    "ties without its base": (put(method="ties"), ("ties needs the base model", "--set base=PATH")),
    "weights of 2 without the base": (
        method("task_arithmetic", weights="[1.0, 1.0]"),
        ("needs the base model when the weights do not sum to 1", "--set base=PATH"),
    ),
    "weights that sum to 1 in most tensors": (
        method("task_arithmetic", weights='[{"*.mlp.*" = 0.7, "*" = 0.5}, [0.5, 0.5]]'),
        ("needs the base model when the weights do not sum to 1", "--set base=PATH"),
    ),
    "all weights beside a packaged λ": (
        put(weights="[0.5, 0.5]"),
        ("weights has 2 entries for the code models (1)", "--set lambda="),
    ),
    "slerp of three": (two_codes(method="slerp"), ("slerp takes one code model, not 2",)),
    "replace by two": (
        lambda b: (method("replace")(b), two_codes()(b)),
        ("replace takes one code model, not 2",),
    ),
    "no vlm": (put(vlm=""), ("the recipe names no vlm", "--set vlm=PATH")),
    "no vlm and no code": (put(vlm="", code=""), ("names no vlm and no code", "--set vlm=PATH --set code=PATH")),
    "code a number": (put(code="7"), ("code",)),
    "vlm a list": (put(vlm='["a"]'), ("vlm", "string")),
    "nothing to merge": (put(merge="[]"), ("merge", "at least 1 item")),
    "shard size in words": (put(shard_size="big"), ('not a size: "big"', "5GB")),
    "shard size 0": (put(shard_size="0"), ("shard_size", "greater than 0")),
    "shard size of a byte's half": (put(shard_size='"0.5"'), ("shard_size", "greater than 0")),
    "shard size 10⁴⁰⁰": (put(shard_size='"1' + "0" * 400 + 'GB"'), ("shard_size", "not a size")),
    "shard size 1.2.3": (put(shard_size='"1.2.3GB"'), ("shard_size",)),
    "shard size true": (put(shard_size="true"), ("shard_size",)),
    "seed in words": (put(seed="lucky"), ("seed", "integer")),
    "device unknown": (given("--device", "abacus"), ("no such device", "--device abacus", "cpu or cuda")),
    "device of another build": (given("--device", "xpu"), ("no such device", "--device xpu")),
    "device without data": (given("--device", "meta"), ("no such device", "--device meta")),
    "check unknown": (given("--check", "twice"), ('no check "twice"', "headers, load or none")),
    "threads below 0": (given("--threads", "-1"), ("--threads",)),
    "threads without end": (given("--threads", "1000000"), ("--threads",)),
    "option unknown": (given("--lambada", "0.7"), ("No such option", "--lambda")),
}

PROBLEMS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "patterns without a catch-all": (
        put(lam='{"layers.0.*" = 0.5}'),
        ("no weight pattern matches a tensor", "model.embed_tokens.weight", 'end the table with "*" = NUMBER'),
    ),
    "shares that sum to 0": (
        two_codes(weights="[1.0, -1.0]"),
        ("sum to 0", "lm_head.weight", "choose weights that do not cancel"),
    ),
    "shares all 0": (put(weights="[0.0]"), ("sum to 0",)),
    "linear weights that sum to 0": (method("linear", weights="[0.0, 0.0]"), ("sum to 0",)),
    "slerp weights that sum to 0": (method("slerp", weights="[1.0, -1.0]"), ("sum to 0",)),
    "patterns that sum to 0 somewhere": (
        method("linear", weights='[{"*norm*" = 0.0, "*" = 0.5}, {"*norm*" = 0.0, "*" = 0.5}]'),
        ("sum to 0", "norm"),
    ),
}


@pytest.mark.parametrize("name", USAGE)
def test_what_cannot_be_meant_is_refused(bench, refused, name):
    damage, words = USAGE[name]
    damage(bench)
    text = refused(code=2)
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize("name", PROBLEMS)
def test_weights_that_do_not_fit_the_models_are_refused(bench, refused, name):
    damage, words = PROBLEMS[name]
    damage(bench)
    text = refused(code=1)
    assert [word for word in words if word not in text] == [], text


def test_no_output_folder_is_a_usage_error(bench, refused):
    arguments = bench.arguments()
    where = arguments.index("--out")
    assert "no output folder" in refused([*arguments[:where], *arguments[where + 2 :]], code=2)


def test_a_dry_run_needs_no_output_and_leaves_nothing(bench, cli, monkeypatch):
    monkeypatch.chdir(bench.folder)
    (bench.folder / "merged").mkdir()
    (bench.folder / "merged" / "full").touch()
    arguments = bench.arguments()
    where = arguments.index("--out")
    before = sorted(bench.folder.rglob("*"))
    ended = cli([*arguments[:where], *arguments[where + 2 :], "--dry-run"])
    assert ended.code == 0
    assert "backbone/merge" in ended.out
    assert sorted(bench.folder.rglob("*")) == before


def test_no_bad_recipe_is_packaged(bench, cli):
    """Every packaged recipe that only needs models runs on the trio, with as many code models as it names."""
    from viscodex.core.recipe import packaged, read_toml

    paths = [path for path in packaged("merge") if path.parent.name == "merge"]
    assert len(paths) > 10
    for name, named in ((path.stem, read_toml(path).get("code")) for path in paths):
        bench.recipe, bench.out = name, Path(bench.folder / f"out-{name}")
        bench.settings = {"base": str(bench.base)}
        if isinstance(named, list):
            bench.settings["code"] = json.dumps([str(bench.code)] * len(named))
        ended = cli([*bench.arguments(), "--dry-run"])
        assert ended.code == 0, (name, ended.err)


def test_lambdas_that_look_alike_have_their_own_folders(bench, cli):
    bench.more += ["--lambda", "0.7,0.70000001", "--json"]
    ended = cli(bench.arguments())
    assert ended.code == 0, ended.err
    assert sorted(path.name for path in bench.out.iterdir()) == ["lambda-0.7", "lambda-0.70000001"]


def test_several_lambdas_for_a_recipe_without_one(bench, cli):
    method("task_arithmetic")(bench)
    bench.more += ["--lambda", "0.25,0.5"]
    assert cli(bench.arguments()).code == 0
    assert sorted(path.name for path in bench.out.iterdir()) == ["lambda-0.25", "lambda-0.5"]
