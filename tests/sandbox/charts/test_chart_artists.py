"""What is collected: against the attributes that the published evaluators recorded, and rule by rule."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from viscodex.sandbox.chart_artists import Artists

GOLDEN = Path(__file__).parents[2] / "golden" / "chartmimic"
CASES = json.loads((GOLDEN / "reference_scores.json").read_text())["cases"]
AS_GRAPH = {"nrows": 1, "ncols": 1, "row_start": 0, "row_end": 1, "col_start": 0, "col_end": 1}


def cleaned(code: str) -> str:
    """As the evaluators clean: everything from the first save, then everything from the first show."""
    code = re.sub(r"plt\.savefig\(.*", "", code, flags=re.DOTALL)
    return re.sub(r"plt\.show\(.*", "", code, flags=re.DOTALL).strip()


def script(case: dict, side: str) -> str:
    if side == "golden":
        return cleaned((GOLDEN / case["golden"]).read_text())
    found = re.search(r"```python\n(.*?)```", (GOLDEN / case["response"]).read_text(), re.DOTALL)
    return cleaned(found.group(1))


def our_type(name: str) -> str:
    """`matplotlib/axes/_axes.py_polar-plot` as `plot_polar`."""
    file, _, function = name.rpartition("-")
    suffix = "_polar" * file.endswith("_polar") + "_3d" * ("axes3d" in file) + "_squarify" * ("squarify" in file)
    return function + suffix


def our_colour(name: str) -> tuple[str, str]:
    """`matplotlib/axes/_axes.py/plot_polar_polar--#1F77B4` as `("plot_polar", "#1F77B4")`."""
    function, _, colour = name.rpartition("--")
    return re.sub(r"(_polar|_3d)\1$", r"\1", function.rpartition("/")[2]), colour


@pytest.mark.parametrize("side", ["golden", "generated"])
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_evaluators_recorded_the_same(best, case, side):
    chart = best.run(script(case, side))
    wanted, artists = case["attributes"][side], chart.artists
    assert list(artists.saved_text + artists.text) == wanted["text"]
    assert artists.types == {our_type(name): count for name, count in wanted["type"].items()}
    cells = [cell.model_dump() for cell in artists.layout if cell is not None]
    if case["id"].startswith("graph"):
        cells = [AS_GRAPH for _ in artists.layout]
    assert cells == wanted["layout"]
    recorded = {our_colour(name) for name in wanted["color"]}
    if len(artists.colours) <= 10:  # of more, the evaluators drop similar ones
        assert set(artists.colours) == recorded
    assert set(artists.colours) >= recorded
    assert not artists.problems
    if side == "generated" and chart.status != "no_figure":
        assert (chart.status == "ok") == case["exec_ok"]


@pytest.fixture
def artists(best):
    """Of a script that has imported numpy and pyplot."""

    def collect(code: str, **options: bool) -> Artists:
        chart = best.run(
            "import numpy as np\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots()\n" + code, **options
        )
        return chart.artists

    return collect


COLOURS = {
    "bars keep the colour that was asked for": ("ax.bar([1, 2], [1, 2], color=['r', 'g'], alpha=0.1, fill=False)",
                                                [("bar", "#FF0000"), ("bar", "#008000")]),
    "scatter with a colormap": ("ax.scatter([1], [2], c=[3], cmap='plasma')", [("scatter", "plasma")]),
    "scatter without": ("plt.scatter([1, 2], [1, 2], c=['r', 'b'])", [("scatter", "#FF0000")]),
    "several histograms": ("ax.hist([[1, 2], [3, 4]], color=['r', 'b'])", [("hist", "#FF0000"), ("hist", "#0000FF")]),
    "an outlined histogram": ("ax.hist([1, 2], histtype='stepfilled', color='r')", [("hist", "#FF0000")]),
    "spans": ("ax.axvspan(0, 1, color='r'); ax.axhspan(0, 1, color='b')",
              [("axvspan", "#FF0000"), ("axhspan", "#0000FF")]),
    "lines across": ("ax.axhline(0, color='r'); ax.axvline(0, color='b')",
                     [("axhline", "#FF0000"), ("axvline", "#0000FF")]),
    "many lines across": ("ax.hlines([1, 2], 0, 1, colors=['r', 'b'])", [("hlines", "#FF0000"), ("hlines", "#0000FF")]),
    "boxes that are not filled": ("ax.boxplot([1, 2])", []),
    "violins": ("ax.violinplot([[1, 2], [2, 3]])", [("violinplot", "#1F77B4")]),
    "filled between": ("ax.fill_between([0, 1], 1, color='r')", [("_fill_between_x_or_y", "#FF0000")]),
    "polygons": ("ax.fill([0, 1, 1], [0, 1, 0], 'r', [1, 2, 2], [0, 1, 0], 'b')",
                 [("fill", "#FF0000"), ("fill", "#0000FF")]),
    "broken bars": ("ax.broken_barh([(0, 1), (2, 1)], (0, 1), facecolors=('r', 'b'))",
                    [("broken_barh", "#FF0000"), ("broken_barh", "#0000FF")]),
    "images": ("ax.imshow([[1, 2]], cmap='Blues'); ax.pcolor([[1, 2]])", [("imshow", "Blues"), ("pcolor", "viridis")]),
    "contours of one colour": ("ax.contour([[1, 2], [3, 4]], colors='r')", [("contour", "from_list")]),
    "triangles": ("ax.tripcolor([0, 1, 0], [0, 0, 1], [1, 2, 3], cmap='magma')", [("tripcolor", "magma")]),
    "circles and ellipses": ("ax.add_patch(plt.Circle((0, 0), 1, color='r'))\n"
                             "from matplotlib.patches import Ellipse\nax.add_patch(Ellipse((0, 0), 1, 2, fc='b'))",
                             [("Circle", "#FF0000"), ("Ellipse", "#0000FF")]),
    "a surface": ("ax = fig.add_subplot(projection='3d'); x = np.eye(3); ax.plot_surface(x, x.T, x, cmap='bone')",
                  [("plot_surface_3d", "bone")]),
    "3-D lines, bars": ("ax = plt.subplot(projection='3d')\nax.plot([1], [1], [1], 'r')\nax.bar([1], [1], color='b')",
                           [("plot_3d", "#FF0000"), ("bar_3d", "#0000FF")]),
    "polar lines": ("plt.subplot(projection='polar').plot([1, 2], 'r')", [("plot_polar", "#FF0000")]),
    "polar scatter": ("plt.subplot(projection='polar').scatter([1], [1], c='r')", [("scatter_polar", "#FF0000")]),
    "lines on axes derived from polar ones": (
        "from matplotlib.projections import PolarAxes, register_projection\nclass Radar(PolarAxes): name = 'radar'\n"
        "register_projection(Radar)\nplt.subplot(projection='radar').plot([1, 2], 'r')",
        [("plot_polar_like", "#FF0000")],
    ),
    "hollow markers": ("ax.scatter([1], [1], facecolors='none', edgecolors='r')", []),
    "a colormap that is not used": ("ax.scatter([1], [1], c='r', cmap='plasma')", [("scatter", "plasma")]),
    "a colormap in 3-D": ("plt.subplot(projection='3d').scatter([1], [1], [1], c=[1], cmap=plt.cm.magma)",
                          [("scatter_3d", "magma")]),
    "of one call, the last colour stands for all": ("ax.hlines([1, 2], 0, 1, colors=['r', 'b'])\n"
                                                    "ax.hlines([3], 0, 1, colors=['b'])", [("hlines", "#0000FF")]),
    "arcs are no ellipses": ("from matplotlib.patches import Arc; ax.add_patch(Arc((0, 0), 1, 1, color='r'))", []),
    "polar bars": ("plt.subplot(projection='polar').bar([1], [1], color='r')", [("bar", "#FF0000")]),
    "a treemap": ("import squarify; squarify.plot([1, 2], color=['r', 'b'], ax=ax)",
                  [("plot_squarify", "#FF0000"), ("plot_squarify", "#0000FF")]),
    "venn": ("import matplotlib_venn; matplotlib_venn.venn2((1, 1, 1))",
             [("VennDiagram", "#FF0000"), ("VennDiagram", "#008000"), ("VennDiagram", "#B25900")]),
    "arrows of a graph": ("import networkx as nx\npositions = {1: (0, 0), 2: (1, 1)}\n"
                          "nx.draw_networkx_edges(nx.DiGraph([(1, 2)]), positions, edge_color='r')",
                          [("draw_networkx_edges", "#FF0000")]),
    "drawn through nx.draw": ("import networkx as nx; nx.draw(nx.Graph([(1, 2)]), with_labels=True, font_color='r')",
                              [("draw_networkx_nodes", "#1F78B4"), ("draw_networkx_edges", "#000000"),
                               ("draw_networkx_labels", "#FF0000")]),
    "changed after the call": ("bars = ax.bar([1, 2], [1, 2])\nbars[1].set_color('r')", [("bar", "#FF0000")]),
    "changed before the other": ("bars = ax.bar([1, 2], [1, 2])\nbars[0].set_color('r')", [("bar", "#1F77B4")]),
}  # fmt: skip


@pytest.mark.parametrize(("code", "colours"), COLOURS.values(), ids=COLOURS)
def test_colours_are_read_by_the_rule_of_their_kind(artists, code, colours):
    found = artists(code)
    assert list(found.colours) == colours
    assert not found.late_colours


def test_only_the_outermost_call_counts(artists):
    found = artists("ax.errorbar([1], [1], yerr=[1], color='r'); ax.barh([1], [1]); ax.stem([1], [1])")
    assert found.types == {"errorbar": 1, "barh": 1, "plot": 2, "vlines": 1}
    assert ("hlines", "#FF0000") not in found.colours
    assert {group for group, _ in found.colours} == {"_makeline", "vlines", "bar"}


def test_after_an_exception_inside_a_traced_call_everything_is_late(artists):
    found = artists("ax.plot([1])\ntry: ax.scatter([1], [1, 2])\nexcept ValueError: pass\nax.bar([1], [1], color='r')")
    assert found.types == {"plot": 1, "scatter": 1}
    assert found.late_types == {"bar": 1}
    assert found.late_colours == (("bar", "#FF0000"),)


def test_a_colour_that_cannot_be_read_ends_the_log_of_colours_only(artists):
    found = artists("ax.fill_between([1, 2], 1, facecolors='none')\nax.plot([1], color='r')")
    assert found.types == {"fill_between": 1, "plot": 1}
    assert (found.colours, found.late_colours) == ((), (("_makeline", "#FF0000"),))
    assert found.trips == ("call",)


@pytest.mark.parametrize(
    ("code", "trips"),
    [
        ("ax.bar([1], [1])", ()),
        ("ax.bar([1], [1])[0].set_color((1, 0, 0))", ()),
        ("ax.bar([1], [1])[0].set_color('red')", ("end",)),
        ("ax.bar([1], [1], color='none')", ("call",)),
        ("ax.scatter([1], [1], facecolors='none')", ()),
        ("import matplotlib_venn; matplotlib_venn.venn2((1, 1, 0))", ("call",)),
    ],
)
def test_what_the_published_evaluator_cannot_read_is_noted(artists, code, trips):
    assert artists(code).trips[:1] == trips[:1]


def test_nameless_tracers_make_seaborn_stumble(best):
    code = "import seaborn as sns\nsns.histplot([1, 2, 3])"
    assert best.run(code).artists.types == {"bar": 2}
    stumbled = best.run(code, nameless="types")
    assert (stumbled.status, stumbled.artists.types) == ("error", {})
    bars = "import matplotlib.pyplot as plt\nplt.bar([1], [1])"
    assert best.run(bars, nameless="types").artists.types == {"bar": 1}
    assert best.run(bars, nameless="types").artists.colours == ()
    assert best.run(bars, nameless="colours").artists.colours == (("bar", "#1F77B4"),)
    assert best.run(bars, nameless="colours").artists.types == {}


def test_nameless_tracers_leave_networkx_its_signatures(best):
    code = "import networkx as nx\nnx.draw(nx.Graph([(1, 2)]), node_size=5, width=2, font_size=3, with_labels=True)"
    assert len(best.run(code, nameless="types").artists.types) == 3


def test_the_current_figure_counts(artists):
    found = artists("ax.set_title('one')\nfig, axes = plt.subplots(2, 3, figsize=(4, 3))\naxes[1, 2].set_title('two')")
    assert (found.text, found.figures, found.size, found.dpi) == (("two",), 2, (4.0, 3.0), 100.0)
    assert len(found.layout) == 6
    last = {"nrows": 2, "ncols": 3, "row_start": 1, "row_end": 1, "col_start": 2, "col_end": 2}
    assert found.layout[-1].model_dump() == last


def test_axes_outside_of_a_grid_have_no_cell(artists):
    found = artists("fig.add_axes([0, 0, 1, 1]); ax.inset_axes([0, 0, 1, 1]); ax.twinx()")
    assert [cell is None for cell in found.layout] == [False, True, False]


def test_ticks_are_not_text_but_what_is_no_tick_is(artists):
    found = artists(
        "ax.plot([1, 1000])\nax.set_xlabel('two\\nlines')\nax.text(0, 0, 'note')\nax.bar_label(ax.bar([1], [5]))"
    )
    assert sorted(found.text) == ["5", "lines", "note", "two"]


def test_the_text_of_pdfs_that_the_script_saves_is_kept_apart(artists):
    found = artists(
        "ax.set_title('t'); ax.set_xticks([7]); ax.set_yticks([])\nplt.savefig('a.pdf'); plt.savefig('a.png')"
    )
    assert (found.saved_text, found.text) == (("7", "t"), ("t",))


def test_a_closed_figure_is_described_as_closed(artists):
    found = artists("ax.set_title('t')\nplt.close()")
    assert (found.figure, found.figures, found.text) == ("closed", 0, ("t",))
    assert artists("plt.close()\nplt.figure()").figure == "open"


def test_a_figure_without_pyplot_is_found_when_it_is_saved(best):
    code = "from matplotlib.figure import Figure\nf = Figure()\nf.subplots().set_title('t')\n"
    assert best.run(code).status == "no_figure"
    chart = best.run(code + "f.savefig('a.png')")
    assert (chart.status, chart.artists.figure, chart.artists.text) == ("ok", "closed", ("t",))


def test_a_figure_that_cannot_be_drawn_still_has_its_calls(best):
    chart = best.run("import matplotlib.pyplot as plt\nplt.bar([1], [1], color='r')\nplt.title(r'$\\frac{$')")
    assert chart.status == "error"
    assert chart.artists.types == {"bar": 1}
    assert chart.artists.colours == (("bar", "#FF0000"),)
    assert chart.artists.problems[0].startswith("text: ValueError")


def test_formulas_and_fonts_work_after_the_fork(artists):
    """Fonts read their files on demand; those that the zygote had opened must not be used."""
    text = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in "$\\{}#%&^_~")
    found = artists(f"ax.set_title({text!r}); ax.set_xlabel('$x^2 + \\\\mathrm{{abc}}$'); ax.set_ylabel('$x^2$')")
    assert not found.problems
    assert len(found.text) == 3


def test_artists_survive_json(artists):
    found = artists("ax.bar([1], [1]); ax.set_title('\\ud83d \\u00e9 \\U0001f600')")
    assert Artists.model_validate_json(found.model_dump_json()) == found
