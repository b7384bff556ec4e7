import json
from types import SimpleNamespace
from typing import ClassVar

import pytest
from pydantic import Field

from viscodex.cli import main, recipes
from viscodex.core import recipe
from viscodex.core.recipe import Recipe


class Cooking(Recipe):
    job: ClassVar[str] = "cooking"

    lam: float = Field(default=0.7, alias="lambda", description="How much.")


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch):
    for name, text in {
        "cooking/soup": "# Soup.\n# With salt.\nlambda = 0.5\n",
        "cooking/tea": "# Tea.\n",
        "baking/tea": "",
    }.items():
        path = tmp_path / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(recipe, "PACKAGED", tmp_path)
    monkeypatch.setattr(recipes, "CLASSES", {"cooking": f"{__name__}:Cooking"})
    monkeypatch.setattr(recipes, "import_module", lambda _: SimpleNamespace(Cooking=Cooking))
    return tmp_path


def run(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        main(["recipes", *words])
    return end.value.code or 0


def test_list(capsys):
    assert run() == 0
    assert "cooking/soup   Soup." in capsys.readouterr().out


def test_list_as_json(capsys):
    assert run("--json") == 0
    assert json.loads(capsys.readouterr().out) == {"baking/tea": "", "cooking/soup": "Soup.", "cooking/tea": "Tea."}


@pytest.mark.parametrize("name", ["soup", "cooking/soup"])
def test_show(capsys, name):
    assert run("show", name) == 0
    assert capsys.readouterr().out == "# Soup.\n# With salt.\nlambda = 0.5\n"


def test_show_of_a_name_that_two_jobs_have(capsys):
    assert run("show", "tea") == 2
    assert "baking/tea or cooking/tea" in capsys.readouterr().err
    assert run("show", "cooking/tea") == 0


def test_show_of_an_unknown_name(capsys):
    assert run("show", "soop") == 2
    assert 'did you mean "soup"?' in capsys.readouterr().err


def test_copy_into_a_folder_and_to_a_name(capsys, tmp_path_factory):
    mine = tmp_path_factory.mktemp("mine")
    for target, written in ((mine, mine / "soup.toml"), (mine / "other.toml", mine / "other.toml")):
        assert run("copy", "soup", str(target)) == 0
        assert capsys.readouterr().out == f"{written}\n"
        assert written.read_text().startswith("# Soup.")


def test_copy_does_not_overwrite(capsys, tmp_path):
    (tmp_path / "soup.toml").write_text("precious")
    assert run("copy", "soup", str(tmp_path)) == 2
    assert (tmp_path / "soup.toml").read_text() == "precious"


def test_copy_into_an_absent_folder_is_a_page(capsys, tmp_path):
    assert run("copy", "soup", str(tmp_path / "no" / "such.toml")) == 1
    assert "No such file or directory" in capsys.readouterr().err


def test_keys(capsys):
    assert run("keys", "cooking") == 0
    assert "lambda = 0.7\n    How much.\n    number\n" in capsys.readouterr().out


def test_keys_as_json(capsys):
    assert run("keys", "cooking", "--json") == 0
    last = json.loads(capsys.readouterr().out)[-1]
    assert last == {"key": "lambda", "type": "number", "default": "0.7", "meaning": "How much."}


def test_keys_of_an_unknown_job(capsys):
    assert run("keys", "cookng") == 2
    assert 'did you mean "cooking"?' in capsys.readouterr().err
