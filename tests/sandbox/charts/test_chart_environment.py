"""The pinned environment: where it is, what it holds, what is said when it is missing."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path

import pytest

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import chart_environment
from viscodex.sandbox.chart import Charts


def test_a_missing_environment_is_an_error_that_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setenv(chart_environment.PLACE_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(VisCodexError) as raised:
        Charts()
    assert "viscodex sandbox charts-setup" in str(raised.value)
    assert str(tmp_path / "nowhere") in str(raised.value)


def test_other_versions_are_refused(tmp_path):
    (tmp_path / "environment.json").write_text(json.dumps({"pinned": ["matplotlib==3.11.0"]}))
    with pytest.raises(VisCodexError, match="other versions"):
        chart_environment.require(tmp_path)


def test_one_made_in_another_way_is_refused(tmp_path, environment):
    """Its versions are the same, but the order of its fonts may not be: the hash, and scores, would differ."""
    manifest = json.loads((environment.path / "environment.json").read_text())
    (tmp_path / "environment.json").write_text(json.dumps(manifest | {"recipe": "older"}))
    with pytest.raises(VisCodexError, match="in another way"):
        chart_environment.require(tmp_path)


def test_the_place_is_a_folder_of_the_user_unless_told_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv(chart_environment.PLACE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert chart_environment.default_place().parent == tmp_path / "viscodex"
    monkeypatch.setenv(chart_environment.PLACE_VARIABLE, "/opt/charts")
    assert str(chart_environment.default_place()) == "/opt/charts"


def test_nothing_is_resolved(tmp_path):
    """Every line pins one version, and the packages the metrics depend on are the reference's."""
    lines = [line for line in chart_environment.CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    versions = dict(line.split("==") for line in lines)
    assert len(versions) == len(lines)
    reference = {"matplotlib": "3.8.4", "numpy": "1.26.4", "pandas": "2.2.3", "networkx": "3.2.1", "seaborn": "0.13.2",
                 "squarify": "0.4.3", "matplotlib-venn": "0.11.10", "scipy": "1.12.0"}  # fmt: skip
    assert versions.items() >= reference.items()


def test_scripts_see_the_pinned_versions(best, environment):
    code = "import importlib.metadata\nfor d in importlib.metadata.distributions(): print(d.name, d.version)"
    seen = {tuple(line.lower().replace("_", "-").split()) for line in best.run(code).stdout.splitlines()}
    assert seen == set(environment.packages.items())


def test_the_hash_is_of_the_content(environment):
    assert chart_environment.fingerprint(environment.path) == environment.hash


def test_every_user_can_read_it(environment):
    for path in (environment.path, environment.font_cache, *environment.font_cache.iterdir()):
        assert path.stat().st_mode & stat.S_IROTH


def test_only_matplotlibs_own_fonts_are_known(environment):
    (cache,) = environment.font_cache.glob("fontlist-*.json")
    fonts = json.loads(cache.read_text())["ttflist"]
    assert {"DejaVu Sans", "DejaVu Serif", "STIXGeneral"} <= {font["name"] for font in fonts}
    assert not [font["fname"] for font in fonts if font["fname"].startswith("/")]


def test_fonts_are_listed_in_an_order_of_their_own(environment):
    """matplotlib lists them in that of a set."""
    (cache,) = environment.font_cache.glob("fontlist-*.json")
    lists = json.loads(cache.read_text())
    for kind in ("ttflist", "afmlist"):
        names = [font["fname"] for font in lists[kind]]
        assert names == sorted(set(names))


def test_no_run_looks_for_fonts(best):
    chart = best.run("import matplotlib.pyplot as plt\nplt.title('t', fontfamily='No Such Font')")
    assert chart.ok
    assert "findfont: Font family 'No Such Font' not found" in chart.stderr
    assert chart.cpu_s < 1


@pytest.mark.slow
def test_making_it_again_gives_the_same_content(environment):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)  # open to the user that charts run as
        try:
            again = chart_environment.make(Path(folder, "again"))
        except VisCodexError as error:
            pytest.skip(error.problem)
        assert again.hash == environment.hash
        assert [path.name for path in Path(folder).iterdir()] == ["again"]


def test_a_place_that_charts_cannot_read_is_refused_before_anything_is_installed(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root's charts run as somebody else")
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(VisCodexError, match="cannot read this folder"):
        chart_environment.make(tmp_path / "closed" / "charts")
    assert not list((tmp_path / "closed").iterdir())
