"""One script for each static rule: it breaks exactly that one."""

from __future__ import annotations

import pytest

from viscodex.data.chart.rules import problem
from viscodex.data.chart.settings import Settings

GOOD = """import matplotlib.pyplot as plt
import numpy as np

x = np.arange(5)
y = [3, 1, 4, 1, 5]
fig, ax = plt.subplots()
ax.plot(x, y, label="a")
ax.bar(x, y)
ax.set_title("Title")
ax.legend()
plt.show()
"""

BAD = {
    "syntax_error": ["plt.plot([1, 2", "print 'x'", "x = 1\n  y = 2", "nul \0"],
    "forbidden_import": [
        "import sklearn",
        "from basic_units import cm",
        "from . import data",
        "import plotly.express as px",
        "from matplotlib.animation import FuncAnimation",
        "import matplotlib.animation",
        "from matplotlib.widgets import Button",
        "from matplotlib import widgets",
    ],
    "file_use": [
        "import os",
        "from pathlib import Path",
        "data = open('x.txt').read()",
        "np.loadtxt('x.csv')",
        "np.load('x.npy')",
        "pd.read_csv('x.csv')",
        "plt.imread('x.png')",
        "fig.savefig('x.png') if fig else 0",
        "df.to_csv('x.csv')",
        "from matplotlib.cbook import get_sample_data",
        "import scipy.io",
        "from io import open",
        "np.save('x', x)",
    ],
    "network_use": [
        "import urllib.request",
        "import requests",
        "sns.load_dataset('tips')",
        "from socket import socket",
    ],
    "process_use": [
        "import subprocess",
        "import sys",
        "import threading",
        "name = input('?')",
        "import ctypes",
        "exit()",
    ],
    "eval_use": [
        "eval('1')",
        "exec('1')",
        "import pickle",
        "__import__('os')",
        "import importlib",
        "().__class__.__bases__[0].__subclasses__()",
        "f = eval",
    ],
    "clock_use": ["import datetime\nx = datetime.datetime.now()", "import time\nt = time.time()", "pd.Timestamp.now()"],
    "no_plot": [],
    "too_few_lines": [],
    "too_many_lines": [],
}


@pytest.mark.parametrize(("reason", "line"), [(reason, line) for reason, lines in BAD.items() for line in lines])
def test_a_line_earns_its_reason(reason, line):
    found = problem(f"{GOOD}{line}\n", Settings())
    assert found is not None and found.reason == reason, found


def test_a_good_script_breaks_none():
    assert problem(GOOD, Settings()) is None


@pytest.mark.parametrize(
    "line",
    [
        "import math, random, datetime, itertools, collections, json, re",
        "from mpl_toolkits.mplot3d import Axes3D\nfrom scipy import stats\nimport seaborn as sns, networkx as nx",
        "import pandas as pd, io\ndf = pd.read_csv(io.StringIO('a,b\\n1,2'))",
        "from io import StringIO\ntext = StringIO('a,b')\ndf = pd.read_csv(text)",
        "plt.style.use('ggplot')",
        "day = datetime.datetime(2024, 1, 1)",
        "if __name__ == '__main__':\n    pass",
        "fig.open = 1",
        "class A:\n    def __init__(self):\n        self.__private = 1",
    ],
)
def test_what_charts_need_is_allowed(line):
    assert problem(f"{GOOD}{line}\n", Settings()) is None


def test_length_is_of_lines_that_are_not_empty():
    short = "import matplotlib.pyplot as plt\n" + "\n" * 50 + "plt.plot([1])\n"
    assert problem(short, Settings()).reason == "too_few_lines"
    assert problem(short, Settings(min_lines=2)) is None
    assert problem(GOOD + "x = 1\n" * 300, Settings()).reason == "too_many_lines"


def test_a_script_that_draws_nothing_is_no_chart():
    code = "import matplotlib.pyplot as plt\n" + "x = 1\n" * 8
    assert problem(code, Settings()).reason == "no_plot"
