"""The `paper` protocol gives what the published evaluator gave, on every recorded answer."""

from __future__ import annotations

import pytest

from viscodex.eval.infibench.measure import measure
from viscodex.eval.infibench.points import UnmeasuredError
from viscodex.eval.infibench.scorer import Case

WITHHELD = {"0-0-1": "cases.handler_0-0-1.main_handler", "0-0-37": "cases.handler_0-0-37.handle"}
FILES = ("synthetic_answers.json", "empty_answers.json")


def rows_of(recorded, *metrics):
    rows = [row for name in FILES for row in recorded(name)]
    return [row for row in rows if set(row["metrics"]) & set(metrics) and row["case_id"] not in WITHHELD]


def assert_equal(row, published):
    """Points and total of each metric, and the score."""
    case = Case.of(published[row["case_id"]])
    found = measure(case.grading, row["answer"], "paper")
    assert found.raw * case.full_score == pytest.approx(row["score"], abs=1e-6), row
    for name, points in found.points.items():
        wanted_points, wanted_total = row[name]
        if case.grading.max_score is None:
            assert (points.points, points.total) == pytest.approx((wanted_points, wanted_total), abs=1e-6)
    return found


def test_every_recorded_case_is_read(published, recorded):
    assert published.keys() == recorded("specs.json").keys()
    assert len(published) == 55


def test_declared_metrics_are_equal(published, recorded):
    rows = rows_of(recorded, "keywords", "blank_filling", "similarity")
    assert len(rows) == 56
    for row in rows:
        found = assert_equal(row, published)
        if "keyword_trace" in row:
            assert list(found.points["keywords"].trace) == row["keyword_trace"]


@pytest.mark.slow
def test_unit_tests_are_equal_where_their_packages_are_here(published, recorded):
    rows, missing = rows_of(recorded, "unit_test"), []
    assert len(rows) == 27
    for row in rows:
        try:
            found = assert_equal(row, published)
        except UnmeasuredError as error:
            assert error.reason == "missing_package", row
            missing.append(row["case_id"])
        else:
            passed = [outcome == "passed" for outcome in found.points["unit_test"].trace]
            assert passed == row["unit_test_pass"], row
    assert set(missing) <= {"0-2-154", "1-3-204", "1-3-213", "1-3-240", "1-4-321"}  # jsdom, pandas, data.table


def test_cases_with_scorers_that_are_not_ours_are_unscored(published, recorded):
    rows = [row for name in FILES for row in recorded(name) if row["case_id"] in WITHHELD]
    assert len(rows) == 7
    for row in rows:
        with pytest.raises(UnmeasuredError, match=WITHHELD[row["case_id"]]) as caught:
            measure(Case.of(published[row["case_id"]]).grading, row["answer"], "paper")
        assert caught.value.reason == "no_custom_scorer"


@pytest.mark.slow
def test_fixed_mends_what_the_records_show(published):
    """A prefix that a fence swallowed, and a test that exit(0) passed."""
    right = "```python\nmy_set = [w for w in my_set if w.endswith('USDT')]\n```"
    grading = Case.of(published["1-3-224"]).grading
    assert (measure(grading, right, "paper").raw, measure(grading, right, "fixed").raw) == (0.0, 1.0)
    leaves = "```cpp\nstd::vector<std::string> my_2d_array(int N, int M) { exit(0); }\n```"
    grading = Case.of(published["2-11-511"]).grading
    assert (measure(grading, leaves, "paper").raw, measure(grading, leaves, "fixed").raw) == (1.0, 0.0)
