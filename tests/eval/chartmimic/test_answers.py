"""What is run of an answer, and what becomes of answers as models really write them."""

from __future__ import annotations

import textwrap

import pytest
from tests.eval.chartmimic.conftest import chart, fenced, score

from viscodex.core.errors import VisCodexError
from viscodex.eval.chartmimic.answer import as_published, cut, is_same_program, script, without_output
from viscodex.eval.chartmimic.metrics import LOW
from viscodex.model.generate import Completion

HEAD = "import matplotlib.pyplot as plt\n"
DRAW = HEAD + "plt.bar([1, 2], [1, 2], color='r')\nplt.title('t')\n"
SAMPLE = chart(DRAW + "plt.show()")

# what comes: (answer, status and reason under fixed, under paper)
NASTY = {
    "nothing": ("", "no_code", "no_code"),
    "blanks": (" \n\t\n", "no_code", "no_code"),
    "prose only": ("I am sorry, but I cannot see the picture.", "no_code", "no_code"),
    "a word": ("Sorry", "no_code", "no_code"),
    "an empty fence": ("```python\n```", "no_code", "no_code"),
    "prose in a fence": (fenced("Here is the chart you wanted."), "error", "error"),
    "an endless loop": (fenced(DRAW + "while True: pass"), "timeout", "timeout"),
    "sys.exit": (fenced(DRAW + "import sys; sys.exit()"), "exit", "exit"),
    "os._exit(0)": (fenced(DRAW + "import os; os._exit(0)"), "died", "died"),
    "a question": (fenced(DRAW + "input()"), "error", "error"),
    "a crash half way": (fenced(DRAW + "undefined"), "error", "error"),
    "a fork bomb": (fenced("import os\nwhile True: os.fork()"), None, None),
    "a megabyte of code": (fenced(DRAW + "x = '" + "y" * 1_000_000 + "'"), "", ""),
    "a megabyte of brackets": (fenced(DRAW + "x = " + "(" * 500_000), "error", "error"),
    "a long sum": (fenced(DRAW + "x = " + "+".join(["1"] * 100_000)), "error", "error"),
    "half a letter": (fenced(DRAW + "x = '\ud800'"), "error", "error"),
    "a NUL": (fenced(DRAW + "x = '\0'"), "error", "error"),
    "no figure": (fenced("x = 1"), "no_figure", ""),
    "closed": (fenced(DRAW + "plt.savefig('a.png')\nplt.close()"), "", ""),
    "closed before it is saved": (fenced(DRAW + "plt.close()"), "", ""),
    "three figures": (fenced(HEAD + "plt.figure()\nplt.figure()\n" + DRAW), "", ""),
    "an unclosed fence": ("```python\n" + DRAW, "", "no_code"),
    "another tag": (f"```py\n{DRAW}```", "", "no_code"),
    "python3": (f"```python3\n{DRAW}```", "", ""),
    "no fence": (DRAW, "", "no_code"),
    "saved where nothing is": (fenced(DRAW + "plt.savefig('/no/where.png')"), "", ""),
    "a read-only folder for settings": (
        fenced("import os; os.environ['MPLCONFIGDIR'] = '/proc'\n" + DRAW), "", ""),
    "memory": (fenced(DRAW + "x = bytearray(10**12)"), "memory", "memory"),
    "endless printing": (fenced("while True: print('x' * 1000)"), "output_limit", "output_limit"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "fixed", "paper"), NASTY.values(), ids=NASTY)
def test_every_answer_ends_in_a_result(scorer, answer, fixed, paper):
    scores = score(scorer, SAMPLE, answer)
    for protocol, reason in (("fixed", fixed), ("paper", paper)):
        found = scores[protocol]
        if reason is None:
            assert found.status == "failed"
        else:
            assert (found.status, found.reason) == ("failed" if reason else "scored", reason), found.detail
        if found.status == "failed":
            assert set(found.values.values()) == {0.0}
            assert found.reason
        assert set(found.evidence["no_filter"]) == set(LOW)


def test_what_the_filter_hides(scorer):
    """A crash leaves a part of a figure, an exit leaves nothing, under `paper`."""
    for answer, seen in (("a crash half way", 1.0), ("sys.exit", 0.0)):
        found = score(scorer, SAMPLE, NASTY[answer][0])
        assert found["paper"].evidence["no_filter"] == dict.fromkeys(LOW, seen)
        assert found["fixed"].evidence["no_filter"] == dict.fromkeys(LOW, 1.0)


def test_a_closed_figure_is_empty_only_for_the_paper(scorer):
    found = score(scorer, SAMPLE, NASTY["closed before it is saved"][0])
    assert [found["fixed"].values[name] for name in LOW] == [1.0] * 4
    assert [found["paper"].values[name] for name in LOW] == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "end",
    [
        "plt.savefig('a.png')\nplt.clf()\nplt.close()\n",
        "plt.show()\nplt.cla()\nplt.clf()\nprint('done')\n",
        "plt.gcf().savefig('a.png')\nfig = plt.gcf()\nplt.show()\nfig.clear()\ndel fig\n",
    ],
)
def test_what_is_cleared_when_all_is_done_was_drawn(scorer, end):
    found = score(scorer, SAMPLE, fenced(DRAW + end))
    assert [found["fixed"].values[name] for name in LOW] == [1.0] * 4
    main = "def main():\n" + textwrap.indent(DRAW + end, "    ") + "if __name__ == '__main__':\n    main()\n"
    assert [score(scorer, SAMPLE, fenced(main))["fixed"].values[name] for name in LOW] == [1.0] * 4


def test_a_figure_that_is_cleared_and_drawn_anew_is_the_new_one(scorer):
    code = DRAW + "plt.title('old')\nplt.clf()\n" + DRAW
    assert without_output(code) == code
    assert score(scorer, SAMPLE, fenced(code))["fixed"].values["text"] == 1.0


def test_texts_over_several_lines_are_indented_for_the_paper_only(scorer):
    code = HEAD + 'plt.title("""one\ntwo""")\nplt.plot([1])'
    found = score(scorer, chart(code), fenced(code))
    assert (found["fixed"].values["text"], found["paper"].values["text"]) == (1.0, 0.5)


def test_main_is_called_where_only_the_output_is_taken_out(scorer):
    body = "def main():\n" + textwrap.indent(DRAW, "    ") + "    plt.show()\nif __name__ == '__main__': main()\n"
    found = score(scorer, SAMPLE, fenced(body))
    assert found["fixed"].values["text"] == 1.0
    assert (found["paper"].status, found["paper"].values["text"]) == ("scored", 0.0)


def test_both_protocols_share_one_run_where_they_run_the_same(scorer, monkeypatch):
    runs, run = [], scorer._charts.run
    monkeypatch.setattr(scorer._charts, "run", lambda code, **options: runs.append(code) or run(code, **options))
    answer = DRAW + "# show it\nplt.savefig('x.pdf')\n\n# that is all\nplt.show()\n"
    score(scorer, SAMPLE, fenced(answer))
    score(scorer, SAMPLE, fenced(answer + "plt.title('more')"))
    assert len(runs) - runs.count(without_output(DRAW + "plt.show()")) == 3


def test_the_reference_that_does_not_run_is_our_fault(scorer):
    with pytest.raises(VisCodexError, match="does not run here"):
        score(scorer, chart("1/0"), fenced(DRAW))


def test_an_answer_that_never_came_is_not_scored(scorer):
    outcome = scorer.score(SAMPLE, Completion(sample_id=SAMPLE.id, finish="error", reason="no connection"))
    assert {(one.status, one.reason) for one in outcome.scores} == {("unscored", "generator")}


CUSTOM = """\
# ===================
# Part 1: Importing Libraries
# ===================
import matplotlib.pyplot as plt
# ===================
# Part 2: Data Preparation
# ===================
heights = np.array([3, 4])
names = ["a", "b"]
# ===================
# Part 3: Plot Configuration and Rendering
# ===================
plt.bar(names, heights)
plt.title("new")
"""


def test_customized_answers_find_their_data(scorer):
    code = CUSTOM.replace("import matplotlib.pyplot as plt", "import matplotlib.pyplot as plt\nimport numpy as np")
    sample = chart(code, task="customized")
    for found in score(scorer, sample, fenced("plt.bar(names, heights)\nplt.title('new')\nplt.show()")).values():
        assert [found.values[name] for name in LOW] == [1.0] * 4


def test_references_with_axes_derived_from_polar_ones(scorer):
    code = (
        HEAD + "from matplotlib.projections import PolarAxes, register_projection\nclass Radar(PolarAxes): name = 'r'\n"
        "register_projection(Radar)\nplt.subplot(projection='r').plot([1, 2], 'r')\nplt.title('t')"
    )
    found = score(
        scorer, chart(code), fenced(HEAD + "plt.subplot(projection='polar').plot([1, 2], 'r')\nplt.title('t')")
    )
    assert (found["fixed"].values["type"], found["paper"].values["type"]) == (1.0, 0.0)
    assert (found["fixed"].values["color"], found["paper"].values["color"]) == (1.0, 0.0)


def test_seaborn_is_truncated_for_the_paper_only(scorer):
    code = "import seaborn as sns\nsns.histplot([1, 2, 3])\n" + DRAW
    found = score(scorer, chart(code), fenced(code))
    assert [found["fixed"].values[name] for name in LOW] == [1.0] * 4
    assert [found["paper"].values[name] for name in LOW] == [1.0, 1.0, 0.0, 0.0]


OUTPUT = {
    "at the end": ("x = 1\nplt.show()", "x = 1\npass"),
    "in a function": ("def f():\n    plt.show()\nf()", "def f():\n    pass\nf()"),
    "with what follows": ("plt.savefig('a')\nplt.title('t')", "pass\nplt.title('t')"),
    "two in a line": ("plt.savefig('a'); plt.show()  # ü", "pass; pass  # ü"),
    "over several lines": ("plt.savefig(\n    'ä',\n    dpi=3,\n)\nx = 'ö'", "pass\nx = 'ö'"),
    "by another name": ("import matplotlib.pyplot as p\np.show()", "import matplotlib.pyplot as p\npass"),
    "in full": ("matplotlib.pyplot.show()", "pass"),
    "of a figure": ("fig.savefig('a')", "fig.savefig('a')"),
    "in a comment": ("# plt.show()\nx = 'plt.show()'", "# plt.show()\nx = 'plt.show()'"),
    "used as a value": ("x = plt.show()", "x = plt.show()"),
    "of no Python": ("plt.show(", "plt.show("),
}


@pytest.mark.parametrize(("code", "wanted"), OUTPUT.values(), ids=OUTPUT)
def test_only_output_is_taken_out(code, wanted):
    assert without_output(code) == wanted


def test_everything_is_cut_off():
    assert cut("a\nplt.savefig('x')\nb\nplt.show()") == "a"
    assert cut("a\nplt.show()\nplt.savefig('x')\nb") == "a"
    assert cut("a # use plt.savefig\nb") == "a # use plt.savefig\nb"


def test_the_first_block_is_the_papers_and_the_longest_is_ours():
    answer = "```python\nimport this\n```\nor rather\n```python\n" + DRAW + "```"
    assert script(SAMPLE, answer, "paper") == "import this"
    assert script(SAMPLE, answer, "fixed") == DRAW.strip()


def test_indentation_is_shown_only_where_it_is_seen():
    assert as_published("def f():\n    '''one\n    two'''\nf()") == "def f():\n    '''one\n    two'''\nf()"
    assert as_published("x = '''one\ntwo'''").startswith("if True:\n    x = '''one\n    two")


def test_programs_are_compared_by_what_they_do():
    assert is_same_program("x = 1  # one\n\npass", "x = 1")
    assert not is_same_program("x = 1", "x = 2")
    assert not is_same_program("x = (", "x = [")
