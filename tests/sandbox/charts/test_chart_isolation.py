"""What one script does, the next does not see; and the same script gives the same bytes, wherever it runs."""

from __future__ import annotations

import io
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import PIL.Image
import pytest

PLT = "import matplotlib.pyplot as plt\n"

# (what a script leaves, an expression that must then be what it is in a fresh process)
LEFT_BEHIND = {
    "rcParams": (PLT + "plt.rcParams['figure.dpi'] = 37\nplt.style.use('ggplot')",
                 "__import__('matplotlib').rcParams['figure.dpi']"),
    "a patched module": ("import numpy\nnumpy.sin = None", "__import__('numpy').sin(0.0)"),
    "a patched class": ("from matplotlib.axes import Axes\nAxes.plot = None",
                        "str(__import__('matplotlib').axes.Axes.plot)[:9]"),
    "a patched builtin": ("import builtins\nbuiltins.len = lambda x: 42", "len([])"),
    "a seed": ("import random, numpy\nrandom.seed(7)\nnumpy.random.seed(7)",
               "(__import__('random').random(), __import__('numpy').random.rand())"),
    "a module": ("import sys, types\nsys.modules['left'] = types.ModuleType('left')",
                 "'left' in __import__('sys').modules"),
    "a removed module": ("import sys\ndel sys.modules['matplotlib']", "'matplotlib' in __import__('sys').modules"),
    "a path": ("import sys\nsys.path.insert(0, '/left')", "__import__('sys').path[1:]"),
    "the working folder": ("import os\nos.chdir('/')", "__import__('os').getcwd()"),
    "the environment": ("import os\nos.environ['LEFT'] = '1'", "'LEFT' in __import__('os').environ"),
    "a file": ("open('left', 'w').write('x')\nimport os\nos.makedirs('a/b')\nos.chmod('a', 0)",
               "__import__('os').listdir('.')"),
    "a figure": (PLT + "plt.figure(num=9)", "__import__('matplotlib.pyplot').pyplot.get_fignums()"),
    "a colormap": ("import matplotlib\nmatplotlib.colormaps.register(matplotlib.cm.viridis, name='left')",
                   "'left' in __import__('matplotlib').colormaps"),
    "seaborn's colormaps": ("import seaborn", "'rocket' in __import__('matplotlib').colormaps"),
    "a signal handler": ("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)",
                         "str(__import__('signal').getsignal(15))"),
    "a umask": ("import os\nos.umask(0o777)", "__import__('os').umask(0o22)"),
    "a limit": ("import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))",
                "__import__('resource').getrlimit(7)"),
    "warnings": ("import warnings\nwarnings.simplefilter('error')", "len(__import__('warnings').filters)"),
}  # fmt: skip


@pytest.fixture(scope="module")
def alone(charts):
    """What the expressions are when no script has run before."""
    return {name: charts.run(f"print({look})").stdout for name, (_, look) in LEFT_BEHIND.items()}


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_the_next_script_sees_nothing_of_it(charts, alone, name):
    leave, look = LEFT_BEHIND[name]
    changed = charts.run(f"{leave}\nprint({look})")
    assert changed.stdout != alone[name], "the script changes nothing; the test would prove nothing"
    assert [charts.run(f"print({look})").stdout for _ in range(2)] == [alone[name]] * 2


def test_temporary_folders_are_empty(charts):
    look = "import os, tempfile\nprint(sorted(os.listdir(tempfile.gettempdir())), os.listdir('.'))\n"
    assert charts.run(look + "tempfile.mkdtemp()\nopen('/dev/shm/x', 'w')").stdout.endswith("['chart.py']\n")
    assert charts.run(look).stdout in ("[] ['chart.py']\n", "['chart.py'] ['chart.py']\n")


def test_folders_that_resist_are_removed(charts):
    code = """
import os
os.mkdir("closed")
os.chmod("closed", 0)
os.symlink("/usr", "link")
for _ in range(1500):
    os.mkdir("deep")
    os.chdir("deep")
"""
    assert charts.run(code).status in ("no_figure", "output_limit")
    assert charts.run("import os; print(os.listdir('.'))").stdout == "['chart.py']\n"
    assert charts.run("import os; print(os.path.exists('/usr/bin'))").stdout == "True\n"


PICTURES = {
    "a line": PLT + "plt.plot([1, 3, 2], label='$x^2$')\nplt.legend()\nplt.title('Title')",
    "unseeded numpy": PLT + "import numpy as np\nplt.scatter(*np.random.rand(2, 99))",
    "an unseeded generator": PLT + "import numpy as np\nplt.hist(np.random.default_rng().normal(size=99))",
    "a set's order": PLT + "plt.bar([*{'one', 'two', 'three', 'four'}], [1, 2, 3, 4])",
    "seaborn": "import seaborn as sns, numpy as np\nsns.heatmap(np.random.rand(4, 4), annot=True)",
    "three dimensions": PLT + "plt.figure().add_subplot(projection='3d').bar3d([0], [0], [0], 1, 1, 2)",
}  # fmt: skip


@pytest.mark.parametrize("code", PICTURES.values(), ids=PICTURES)
def test_the_same_script_gives_the_same_bytes(charts, code):
    """30 times, over two zygotes at once."""
    repeats = 30 if code is PICTURES["a line"] else 6
    with ThreadPoolExecutor(2) as threads:
        drawn = list(threads.map(charts.run, [code] * repeats))
    assert all(chart.ok for chart in drawn)
    assert len({chart.png for chart in drawn}) == 1
    assert len({chart.artists.model_dump_json() for chart in drawn}) == 1


FRESH = """
import random, sys
import numpy as np
import numpy.random.bit_generator
random.seed(0)
np.random.seed(0)
numpy.random.bit_generator.randbits = random.Random(0).getrandbits
exec(compile(sys.stdin.read(), "chart.py", "exec"))
import matplotlib.pyplot
matplotlib.pyplot.gcf().savefig("fresh.png")
"""


@pytest.mark.parametrize("name", ["a line", "a set's order", "three dimensions"])
def test_the_zygote_draws_what_a_fresh_interpreter_draws(best, environment, tmp_path, name):
    shutil.copytree(environment.font_cache, tmp_path / "fonts")
    variables = {
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(tmp_path / "fonts"),
        "PYTHONHASHSEED": "0",
        "LC_ALL": "C.UTF-8",
    }
    subprocess.run(
        [environment.python, "-s", "-B", "-c", FRESH],
        input=PICTURES[name].encode(), cwd=tmp_path, env=variables, check=True, timeout=120,
    )  # fmt: skip
    ours, theirs = (PIL.Image.open(file) for file in (io.BytesIO(best.run(PICTURES[name]).png), tmp_path / "fresh.png"))
    assert (ours.mode, ours.size) == (theirs.mode, theirs.size)
    assert ours.tobytes() == theirs.tobytes()
