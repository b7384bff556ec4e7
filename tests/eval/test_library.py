"""viscodex.score: one answer beside what is wanted."""

from __future__ import annotations

import pytest

import viscodex
from viscodex.core.errors import VisCodexError
from viscodex.eval.benchmark import benchmark

PAGE = '<!doctype html><html><body style="background:#def"><h1>Slow coffee</h1><p>From five farms</p></body></html>'
OTHER = "<!doctype html><html><body><h2>Fast tea</h2></body></html>"
CHART = "import matplotlib.pyplot as plt\nplt.bar([1, 2], [3, 4], color='red')\nplt.title('T')\nplt.show()"


def measured(score):
    return {name: value for name, value in score.values.items() if value is not None}


def test_a_page_beside_itself_and_beside_another(tmp_path):
    same = viscodex.score(PAGE, PAGE, kind="html")
    assert same.status == "scored"
    assert set(measured(same)) >= {"block", "text", "position", "color"}
    assert measured(same) == pytest.approx(dict.fromkeys(measured(same), 1.0), abs=1e-6)
    (tmp_path / "wanted.html").write_text(PAGE)
    (tmp_path / "answer.html").write_text(OTHER)
    other = viscodex.score(tmp_path / "answer.html", tmp_path / "wanted.html")
    assert other == viscodex.score(f"Here:\n```html\n{OTHER}\n```", PAGE, kind="html")
    assert all(other.values[name] < 1 for name in ("block", "text"))


def test_a_chart_and_one_that_does_not_run():
    same = viscodex.score(CHART, CHART, kind="chart")
    assert (same.status, set(measured(same).values())) == ("scored", {1.0})
    wrong = viscodex.score("import matplotlib.pyplot as plt\nplt.bar(undefined)", CHART, kind="chart")
    assert (wrong.status, set(measured(wrong).values())) == ("failed", {0.0})


def test_a_sample_of_a_benchmark_is_scored_by_its_checks():
    sample = benchmark("mmcode").load(None).samples[0]
    right = viscodex.score(sample.response, sample)
    assert (right.status, right.sample_id, set(measured(right).values())) == ("scored", sample.id, {1.0})
    assert set(measured(viscodex.score("```python\nprint(0)\n```", sample)).values()) == {0.0}


@pytest.mark.parametrize(
    ("reference", "kind", "problem"),
    [(PAGE, None, "a page or a chart"), (PAGE, "algorithm", "checks")],
)
def test_what_cannot_be_meant(reference, kind, problem):
    with pytest.raises(VisCodexError, match=problem):
        viscodex.score(PAGE, reference, kind=kind)
