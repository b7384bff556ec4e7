"""Every question of our suite passes the gates; and each gate stops what it is there for."""

from __future__ import annotations

import pytest
from suites.infibench_v.make import SUITE, records

from viscodex.eval.infibench.gates import MOST_ECHO, echoes, gate, grade
from viscodex.eval.infibench.records import load

RECORDS = {record.id: record for record in records()}
KEYWORDS = RECORDS["ibv-bash-003"]
TESTED = RECORDS["ibv-python-002"]
STUB = "```python\ndef grade(sample):\n    return None\n```"
UNAVAILABLE: set[str] = set()
"""Runtimes that this machine lacks: none of those that our suite needs, where `make test` has set it up."""


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDS)
def test_a_question_of_ours_passes(name):
    gated = gate(RECORDS[name], SUITE)
    assert gated.findings == ()
    assert set(gated.unavailable) <= UNAVAILABLE


def found(record, **change):
    gated = gate(record.model_copy(update=change), SUITE)
    return {finding.check for finding in gated.findings}


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({}, None),
        ({"reference_answer": "I do not know."}, "reference"),
        ({"wrong_answers": KEYWORDS.wrong_answers[:1]}, "wrong"),
        ({"wrong_answers": (KEYWORDS.wrong_answers[0], KEYWORDS.wrong_answers[0])}, "wrong"),
        ({"wrong_answers": (KEYWORDS.wrong_answers[0], KEYWORDS.reference_answer)}, "wrong"),
        ({"grading": {"keywords": ["thumbs.sh", {"content": {"content": r"\d|2-23", "regex": True}}]}}, "short-rule"),
        ({"grading": {"keywords": ["thumbs.sh", "10"]}}, "short-keyword"),
        ({"grading": {"keywords": ["crontab"]}, "reference_answer": "The crontab."}, "echo"),
        ({"grading": {"keywords": ["thumbs.sh", {"content": ""}]}}, "empty-passes"),
    ],
)
def test_a_bad_question_is_stopped(change, check):
    checks = found(KEYWORDS, **change)
    assert check in checks if check else checks == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"stub": ""}, "stub"),
        ({"stub": "```python\ndef grade(sample:\n```"}, None),  # Python has no compiler: a stub that fails is a stub
        ({"grading": {"unit_test": {"tests": ["assert callable(grade)"]}}}, "stub"),
        ({"grading": {"unit_test": {"tests": ["assert 1 + 1 == 2"]}}}, "wrong"),
    ],
)
def test_a_test_that_tests_nothing_is_stopped(change, check):
    checks = found(TESTED, **change)
    assert check in checks if check else checks == set()


@pytest.mark.slow
def test_a_stub_that_does_not_compile_shows_nothing():
    assert "stub" in found(RECORDS["ibv-csharp-003"], stub="```csharp\npublic static class Hall {\n```")


def test_a_language_without_tests_is_counted_as_unavailable_and_not_as_zero():
    change = {"language": "dart", "grading": {"unit_test": {"tests": ["main() {}"]}}, "stub": "x"}
    gated = gate(TESTED.model_copy(update=change), SUITE)
    assert gated.unavailable and gated.findings == ()
    assert grade(load(TESTED.model_copy(update=change), SUITE).sample, "an answer").score is None


def test_echoes_hold_the_question_its_code_and_its_blanks():
    answers = echoes(RECORDS["ibv-php-001"])
    assert len(answers) == 6 and MOST_ECHO == 0.4
    assert "![image]" not in "".join(answers.values())
    assert "[blank]" not in answers["its code, blanks filled with its words"]
    assert "SELECT c., SUM(i.)" in answers["its code, blanks left out"]


ALSO_RIGHT = {
    "ibv-typescript-003": "It is `string | undefined`.\n```ts\nexport const port: number = "
    "parseInt(process.env.SHOP_PORT || '4173', 10);\n```",
    "ibv-python-003": "Overfitting, it starts around the 14th epoch.\n```python\nmodel.fit(x, y, callbacks=["
    "keras.callbacks.ModelCheckpoint('best.keras', monitor='val_loss', save_best_only=True)])\n```",
    "ibv-python-004": "```python\nwide = df.pivot_table(\n    index=['depot'],\n    columns=['quarter'],\n"
    "    values='crates',\n    aggfunc=np.sum,\n    fill_value=0,\n)\n```",
    "ibv-r-002": "```r\nggplot(rain, aes(x = fct_reorder(town, mm), y = mm)) + geom_col() + coord_flip() +\n"
    "  facet_grid(cols = vars(year))\n```",
    "ibv-cpp-003": "`top` dangles after `push_back`, because a reallocation invalidates references.\n"
    "```cpp\nstd::deque<Job> jobs;\n```",
    "ibv-php-003": "The connection says latin1, so every name is encoded twice.\n```php\nnew PDO("
    "'mysql:host=db2;dbname=guests;charset=utf8', $user, $password);\n```",
    "ibv-ruby-002": "```ruby\nhas_many(:ascents)\nhas_many :routes, through: :ascents\nbelongs_to :climber\n"
    "belongs_to :route, foreign_key: 'line_id'\nhas_many :ascents, foreign_key: 'line_id'\n```",
    "ibv-bash-003": "thumbs.sh, every 4 hours.\n```\n10 2,6,10,14,18,22 * * * /usr/bin/flock -n /run/t "
    "nice -n 15 /srv/bin/thumbs.sh\n```",
    "ibv-go-003": "OOMKilled with exit code 137 at the limit of 192Mi: set GOMEMLIMIT=160MiB.",
    "ibv-csharp-001": "Only the UI thread may do that: `rowsBar.Invoke(new Action(() => { rowsBar.Value = done; }));`",
    "ibv-dart-001": "The children overflow to the right. `Flexible(child: Text(message))` lets it wrap.",
}


@pytest.mark.parametrize("name", ALSO_RIGHT)
def test_another_right_answer_is_right(name):
    graded = grade(load(RECORDS[name], SUITE).sample, ALSO_RIGHT[name])
    assert graded.score == 1.0, graded
