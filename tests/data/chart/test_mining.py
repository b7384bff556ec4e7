"""Files of repositories cut to what draws; scripts tidied."""

from __future__ import annotations

import ast

import pytest

from viscodex.data.chart.cleaning import clean
from viscodex.data.chart.mining import cut

REPOSITORY_FILE = '''#!/usr/bin/env python
"""Train a model and plot the losses."""
import argparse
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
from . import models

plt.style.use("ggplot")
np.random.seed(7)

EPOCHS = 5
UNUSED = 3


def smooth(values):
    return np.convolve(values, np.ones(2) / 2)


# Trains for hours.
def train(model):
    return torch.optim.SGD(model.parameters())


losses = []
for epoch in range(EPOCHS):
    losses.append(1 / (epoch + 1))
print("done", losses)
os.makedirs("out")

fig, ax = plt.subplots()
ax.plot(smooth(losses), color="red")  # the curve
ax.set_title("Loss")
fig.savefig("out/loss.png")
'''


def test_a_file_is_cut_to_what_draws():
    code = cut(REPOSITORY_FILE)
    for kept in ("import matplotlib.pyplot", "import numpy", "style.use", "random.seed", "EPOCHS = 5", "def smooth",
                 "losses.append", "# the curve", "set_title"):  # fmt: skip
        assert kept in code, kept
    for gone in ("argparse", "torch", "import models", "UNUSED", "print(", "os.makedirs", "Trains for hours"):
        assert gone not in code, gone
    ast.parse(code)


def test_calls_that_may_change_what_is_drawn_come_along():
    code = cut(
        "import matplotlib.pyplot as plt\nimport networkx as nx\n\n"
        "def tidy(axes):\n    axes.grid(False)\n\n"
        "G = nx.path_graph(3)\nnx.set_node_attributes(G, 1, 'w')\nprint(G)\n"
        "fig, ax = plt.subplots()\nnx.draw(G, ax=ax)\ntidy(ax)\nother = 1\n"
    )
    assert "\ntidy(ax)" in code and "set_node_attributes" in code and "def tidy" in code
    assert "print" not in code and "other" not in code


def test_functions_that_draw_bring_their_callers():
    code = cut(
        "import matplotlib.pyplot as plt\nimport sys\nimport requests\n\n"
        "def bars(values):\n    plt.bar(range(len(values)), values)\n\n"
        "def report(values):\n    bars(values)\n\n"
        "def download():\n    return requests.get('x')\n\n"
        "if __name__ == '__main__':\n    report([1, 2])\n"
    )
    assert "def bars" in code and "report([1, 2])" in code
    assert "requests" not in code and "sys" not in code


@pytest.mark.parametrize(
    "code",
    [
        "print('hello')",
        "import matplotlib.pyplot as plt\nplt.rcParams['x'] = 1",
        "turtle.plot()",
        "import pandas as pd\nframe.plot()",
        "def f(:",
    ],
)
def test_what_does_not_draw_is_no_chart(code):
    assert cut(code) is None


def test_cleaning_takes_what_only_shows_and_saves():
    code = clean(
        '"""A gallery\'s description."""\n# licence\nimport matplotlib\nmatplotlib.use("Agg")\n'
        "import matplotlib.pyplot as plt\n\n\n\n\nplt.plot([1, 2])\n"
        "if True:\n    plt.savefig(\n        'a.png',\n    )\nplt.show()\nplt.close('all')\n"
        "# %%\n# .. admonition:: References\n#\n#    - `plot`\n"
    )
    assert code == (
        "import matplotlib\nimport matplotlib.pyplot as plt\n\n\nplt.plot([1, 2])\nif True:\n    pass\n\nplt.show()\n"
    )


@pytest.mark.parametrize(
    "code",
    [
        "import matplotlib.pyplot as plt\nplt.plot([1]); plt.show()\n",
        "import matplotlib.pyplot as plt\nif x: plt.show()\nplt.plot([1])\n",
        "import matplotlib.pyplot as plt\ndef f():\n    plt.show()\nf()\n",
        "x = '''\n# %%\n# text\n'''\nplt.plot([1])\n",
        "from matplotlib import pyplot as p\nfor i in [1]:\n    p.plot([i])\n    p.savefig('a')\n    p.close()\n",
    ],
)
def test_cleaning_leaves_python_and_is_idempotent(code):
    once = clean(code)
    ast.parse(once)
    assert clean(once) == once
    assert ("'''\n# %%\n# text\n'''" in once) == ("'''" in code)


def test_the_cut_of_a_script_that_only_draws_is_the_script():
    code = "import matplotlib.pyplot as plt\n\n# data\nx = [1, 2]\n\nfig, ax = plt.subplots()\nax.plot(x)\n"
    assert cut(code) == code
