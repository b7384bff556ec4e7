"""What is left out for speed makes no difference: each shortcut beside what it stands for."""

from __future__ import annotations

import json
import textwrap

import pytest

# A marker copied by matplotlib's own way, deeply, and by ours, as plain values.
MARKERS = """
    import copy, json, numpy as np
    from matplotlib.markers import MarkerStyle
    from viscodex.sandbox import chart_shortcuts

    def plain(value):
        if hasattr(value, "_vertices"):
            codes = None if value.codes is None else value.codes.tolist()
            rest = {key: repr(held) for key, held in vars(value).items() if key not in ("_vertices", "_codes")}
            return [value.vertices.tolist(), codes, rest, value.vertices.flags.writeable]
        return repr(value.get_matrix().tolist()) if hasattr(value, "get_matrix") else repr(value)

    quick, slow, shared = {}, {}, []
    for fill in MarkerStyle.fillstyles:
        for name in MarkerStyle.markers:
            marker = MarkerStyle(name, fill)
            deep, ours = MarkerStyle("o"), MarkerStyle("o")
            deep.__dict__ = copy.deepcopy(marker.__dict__)
            if not chart_shortcuts.copy_marker(marker, ours):
                shared.append(f"{name} is not copied quickly")
            for held, copied in ((slow, deep), (quick, ours)):
                values = {key: plain(value) for key, value in vars(copied).items() if key != "_marker_function"}
                held[f"{name} {fill}"] = values | {"alive": bool(copied), "transform": plain(copied.get_transform())}
            for key in ("_path", "_alt_path"):
                mine, theirs = getattr(ours, key), getattr(marker, key)
                if mine is not None and np.shares_memory(mine.vertices, theirs.vertices):
                    shared.append(f"{name} {fill} {key}")
    print(json.dumps([quick, slow, shared]))
"""
OTHER_MARKERS = """
    from matplotlib.markers import MarkerStyle
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D
    from viscodex.sandbox import chart_shortcuts

    class Own(MarkerStyle):
        pass

    turned = MarkerStyle("s").rotated(deg=30)
    again = MarkerStyle(turned).rotated(deg=15)  # turns its own transform in place
    assert MarkerStyle(turned).get_user_transform() == Affine2D().rotate_deg(30) != again.get_user_transform()
    for marker in (turned, MarkerStyle("$x$"), MarkerStyle((5, 1)), MarkerStyle(Path.unit_circle()), Own("o")):
        assert not chart_shortcuts.copy_marker(marker, MarkerStyle("o")), marker
"""
TEXTS = {
    "lines": "plt.plot([1, 2], [2, 1], 'o-', label='first'); plt.legend(title='Legend'); plt.title('Two\\nlines')",
    "patches": "plt.pie([1, 2], labels=['a', 'b'], autopct='%d'); plt.gca().add_patch(plt.Rectangle((0, 0), 1, 1))",
    "table": "plt.bar([1, 2], [3, 4]); plt.table([['1', '2']], colLabels=['x', 'y'], loc='top')",
    "arrows": "plt.annotate('here', (0, 0), (1, 1), arrowprops={'arrowstyle': '->'}, bbox={'boxstyle': 'round'})",
    "contours": "lines = plt.contour([[0, 1], [2, 3]]); plt.clabel(lines); plt.colorbar(label='height')",
    "quiver key": "q = plt.quiver([1], [1], [1], [0]); plt.quiverkey(q, 0.5, 0.5, 1, 'one metre')",
    "images": "plt.imshow([[1, 2], [3, 4]]); plt.colorbar(); plt.text(0, 0, 'pixel'); plt.figimage([[0, 255]])",
    "rasterized": "plt.scatter([1, 2], [3, 4], rasterized=True); plt.text(1, 3, 'kept'); plt.suptitle('over all')",
    "3d": "ax = plt.figure().add_subplot(projection='3d'); ax.bar3d([0], [0], [0], 1, 1, 1); ax.text(0, 0, 0, 'deep')",
    "polar": "ax = plt.subplot(projection='polar'); ax.fill([0, 1, 2], [1, 2, 3]); ax.set_title('round')",
    "graph": "import networkx as nx; nx.draw(nx.path_graph(3), with_labels=True, font_size=8)",
    "filtered": "plt.plot([1, 2])[0].set_agg_filter(lambda image, dpi: (image, 0, 0)); plt.title('never reached')",
}
TWICE = """
    import json, matplotlib.pyplot as plt
    from viscodex.sandbox import chart_probe, chart_shortcuts
    DRAW
    chart_probe._picture(plt.gcf(), None, False)
    with chart_shortcuts.without_shapes():
        quick, problems = [], []
        with chart_probe._noting(problems, "text"):
            chart_probe._draw_text(plt.gcf(), quick)
    slow, others = [], []
    with chart_probe._noting(others, "text"):
        chart_probe._draw_text(plt.gcf(), slow)
    print(json.dumps([quick, slow, problems, others]))
"""


def said(chart):
    assert chart.status in ("ok", "no_figure"), (chart.reason, chart.stderr)
    return json.loads(chart.stdout)


def test_a_known_marker_is_copied_as_matplotlib_copies_it(best):
    quick, slow, shared = said(best.run(textwrap.dedent(MARKERS)))
    assert len(quick) > 200
    assert quick == slow
    assert not shared


def test_any_other_marker_is_left_to_matplotlib(best):
    chart = best.run(textwrap.dedent(OTHER_MARKERS))
    assert chart.status == "no_figure", chart.stderr


@pytest.mark.parametrize("kind", TEXTS)
def test_the_text_is_the_same_without_the_shapes(best, kind):
    quick, slow, problems, others = said(best.run(textwrap.dedent(TWICE).replace("DRAW", TEXTS[kind])))
    assert quick == slow
    assert problems == others
    assert slow or problems


def test_shapes_are_drawn_again_afterwards(best):
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"
    plain = best.run(code)
    again = best.run(
        f"from viscodex.sandbox import chart_shortcuts\nwith chart_shortcuts.without_shapes(): pass\n{code}"
    )
    assert plain.ok
    assert plain.png == again.png
