"""The pocket models that ship: they load strictly, stay small, and write programs that run."""

from __future__ import annotations

import re

import pytest

from viscodex.core.errors import UsageError
from viscodex.core.rundir import read_json
from viscodex.model.generate import Sampling
from viscodex.model.load import PARTS, load_model, parts_of
from viscodex.model.local import Local
from viscodex.pocket import FOLDER, SHIPPED, chosen_lambda, weights
from viscodex.pocket.pictures import pictures
from viscodex.pocket.samples import sample
from viscodex.pocket.ship import MOST_BYTES
from viscodex.pocket.worlds import draw
from viscodex.sandbox.chart import Charts

FIRST = 2_000  # test problems that no test set holds
CHARTS, PAGES = 6, 4


@pytest.mark.parametrize("name", SHIPPED)
def test_each_loads_strictly(name):
    model = load_model(weights(name))
    sees = name in ("vlm", "viscodex-pocket")
    assert set(parts_of(model)) == (set(PARTS) if sees else {"backbone"})
    told = read_json(FOLDER / "build.json")
    named = re.findall(r"commit (\w+)", (weights(name) / "README.md").read_text(encoding="utf-8"))
    assert named == [told["commit"], *(row["commit"] for row in told["trainings"].values() if "commit" in row)]


def test_together_they_are_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= MOST_BYTES
    assert 0 <= chosen_lambda() <= 1


def test_a_misspelt_name_is_told():
    with pytest.raises(UsageError, match="no pocket model") as caught:
        weights("viscodex-poket")
    assert "viscodex-pocket" in str(caught.value.hint)


@pytest.fixture(scope="module")
def answers():
    """What viscodex-pocket writes for a handful of test pictures: problem id → (problem, code)."""
    problems = [draw("chart", "test", FIRST + n) for n in range(CHARTS)]
    problems += [draw("page", "test", FIRST + n) for n in range(PAGES)]
    asked = [sample(one, "see", png) for one, png in zip(problems, pictures(problems, 1), strict=True)]
    by_id = {f"{one.id}-see": one for one in problems}
    model = Local(weights(), dtype="float32", batch_size=10)
    found = model.generate([row.model_copy(update={"response": ""}) for row in asked], Sampling(max_new_tokens=320))
    return {answer.sample_id: (by_id[answer.sample_id], answer) for answer in found}


def test_scripts_for_charts_run(answers):
    """Nearly all: one in six may fail before this is called broken."""
    charts = [answer for problem, answer in answers.values() if problem.kind == "chart"]
    assert len(charts) == CHARTS
    drawing = Charts()
    try:
        ran = [drawing.run(answer.code).ok for answer in charts]
    finally:
        drawing.close()
    assert sum(ran) >= CHARTS - 1


def test_pages_are_whole(answers):
    pages = [answer for problem, answer in answers.values() if problem.kind == "page"]
    assert all(answer.finish == "stop" for answer in pages)
    assert all(answer.code.startswith("<!DOCTYPE html>") and "</html>" in answer.code for answer in pages)


def test_the_kind_of_chart_is_seen(answers):
    """A lower bound that a model which looks at no picture does not reach: one in six would be right."""
    calls = {"bar": "plt.bar", "grouped_bar": "plt.bar", "line": "plt.plot", "scatter": "plt.scatter"}
    calls |= {"pie": "plt.pie", "histogram": "plt.hist"}
    charts = [(problem, answer) for problem, answer in answers.values() if problem.kind == "chart"]
    assert sum(calls[problem.family] in answer.code for problem, answer in charts) >= CHARTS - 1
