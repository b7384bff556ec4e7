"""What a chart costs: run by the zygote, by a fresh interpreter, and all of matplotlib's own gallery.

The gallery comes with the source of the pinned matplotlib, which pip brings once into the user's cache folder.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import result
from viscodex.core.rundir import cache_folder
from viscodex.sandbox import chart_environment
from viscodex.sandbox.chart import Chart, Charts
from viscodex.sandbox.chart_environment import ChartEnvironment

RUNS, FRESH_RUNS, WORKERS = 40, 7, 2
SCRIPT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.title('Title')\n"
SAVE = "plt.savefig('chart.png')\n"
OTHERS = "import seaborn, pandas, scipy.stats, networkx, squarify, matplotlib_venn\n"
COUNT_FONTS = """
from matplotlib import cbook, font_manager as fonts
kinds = ("ttf", "afm")
folders = [str(cbook._get_data_path("fonts", name)) for name in ("ttf", "afm", "pdfcorefonts")]
own = {path for kind in kinds for path in fonts.findSystemFonts(folders, kind)}
print(len(own), len({path for kind in kinds for path in fonts.findSystemFonts(None, kind)} - own))
"""
DESKTOP = (
    *("crosextra-caladea", "crosextra-carlito", "dejavu-core", "dejavu-extra", "liberation", "linuxlibertine"),
    *("noto-core", "noto-extra", "noto-mono", "noto-ui-core", "opensymbol", "sil-gentium-basic"),
)
"""Packages of fonts that a Debian desktop has: those that LibreOffice recommends."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ORDER = ("ok", "no_figure", "error", "exit", "died", "timeout", "memory", "output_limit", "unavailable")

Cost = tuple[float, float]
"""CPU and wall milliseconds."""


def processor_s() -> float:
    """CPU seconds so far of this process and of everything below it, children that have been waited for included."""
    used, parents = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
        used[int(folder.name)] = sum(map(int, fields[11:15]))
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below and pid not in below}:
        below |= more
    own = time.process_time()  # finer than ticks
    return own + sum(used[pid] for pid in below - {os.getpid()}) / TICKS_PER_S


def by_zygote(charts: Charts) -> Cost:
    """One chart's share of `RUNS`: the script's processes, the zygote, and the sandbox outside."""
    began, used = time.perf_counter(), processor_s()
    for _ in range(RUNS):
        assert charts.run(SCRIPT).ok
    return (processor_s() - used) / RUNS * 1000, (time.perf_counter() - began) / RUNS * 1000


def by_fresh_interpreter(
    environment: ChartEnvironment, code: str, *, knows_fonts: bool, more_fonts: Path | None = None
) -> Cost:
    """A new process of the same Python that runs the script, saves the picture, and does nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        if knows_fonts:
            shutil.copytree(environment.font_cache, Path(folder, "fonts"))
        variables = {"MPLBACKEND": "Agg", "MPLCONFIGDIR": f"{folder}/fonts", "PATH": "/usr/bin:/bin", "HOME": folder}
        variables |= {"XDG_DATA_HOME": str(more_fonts)} if more_fonts else {}
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [environment.python, "-s", "-c", code + SAVE]
        subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu * 1000, wall * 1000


def fonts_read(environment: ChartEnvironment) -> tuple[int, int]:
    """How many font files matplotlib reads when it has no list of them: its own, and those of the machine."""
    command = [environment.python, "-s", "-c", COUNT_FONTS]
    variables = {"MPLCONFIGDIR": str(environment.font_cache), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
    own, system = map(int, done.stdout.split())
    return own, system


def desktop_fonts() -> Path | None:
    """A data folder (XDG) with the fonts of a Debian desktop; None where there is no apt to bring them."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return None
    folder = cache_folder() / "desktop-fonts"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_folder()) as made:
            Path(made).chmod(0o755)
            packages = [f"fonts-{name}" for name in DESKTOP]
            subprocess.run(["apt-get", "download", *packages], cwd=made, check=True, capture_output=True)
            for package in Path(made).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", package, f"{made}/unpacked"], check=True)
            shutil.move(f"{made}/unpacked/usr/share", folder)
    return folder


def count_fonts(folder: Path) -> int:
    return sum(path.suffix in (".ttf", ".otf") for path in folder.rglob("*"))


def gallery(environment: ChartEnvironment) -> list[Path]:
    """Every script of the gallery of the pinned matplotlib."""
    version = environment.packages["matplotlib"]
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    archive, folder = cache / f"matplotlib-{version}.tar.gz", cache / f"matplotlib-{version}" / "galleries" / "examples"
    if not archive.exists():
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "matplotlib"]
        subprocess.run([*download, "--dest", str(cache), f"matplotlib=={version}"], check=True)
    if not folder.exists():
        with tarfile.open(archive) as tar:
            wanted = [member for member in tar.getmembers() if "/galleries/examples/" in member.name]
            tar.extractall(cache, members=wanted, filter="data")
    return sorted(folder.rglob("*.py"))


def gallery_rows(environment: ChartEnvironment) -> Iterator[dict[str, object]]:
    """Counts and costs per status."""
    scripts = gallery(environment)
    began = time.perf_counter()
    with Charts(WORKERS) as charts, ThreadPoolExecutor(WORKERS) as threads:
        drawn = list(threads.map(lambda path: charts.run(path.read_text(encoding="utf-8")), scripts))
    wall_s = time.perf_counter() - began
    for status in ORDER:
        if some := [chart for chart in drawn if chart.status == status]:
            yield _gallery_row(f"gallery: {status}", some, None)
    yield _gallery_row(f"gallery: all, {WORKERS} at a time", drawn, wall_s)
    for path, chart in zip(scripts, drawn, strict=True):
        if not chart.ok:
            print(f"{path.parent.name}/{path.name}: {chart.status}: {chart.reason}", file=sys.stderr)


def _gallery_row(what: str, drawn: list[Chart], wall_s: float | None) -> dict[str, object]:
    cpu = [chart.cpu_s for chart in drawn]
    row = {"what": what, "scripts": len(drawn), "CPU, median (ms)": round(1000 * statistics.median(cpu))}
    return row | {"CPU, all (s)": round(sum(cpu), 1), "wall, all (s)": round(wall_s) if wall_s else None}


def main() -> None:
    environment = chart_environment.require()
    desktop = desktop_fonts()
    with Charts() as charts:
        by_zygote(charts)  # starts it
        ways: dict[str, Callable[[], Cost]] = {
            "one line, by the zygote": lambda: by_zygote(charts),
            "one line, by a fresh interpreter": lambda: by_fresh_interpreter(environment, SCRIPT, knows_fonts=True),
            "the same, without a font cache": lambda: by_fresh_interpreter(environment, SCRIPT, knows_fonts=False),
            "one that imports what the zygote has": lambda: by_fresh_interpreter(
                environment, OTHERS + SCRIPT, knows_fonts=True
            ),
            "the same, without a font cache either": lambda: by_fresh_interpreter(
                environment, OTHERS + SCRIPT, knows_fonts=False
            ),
        }
        if desktop:
            ways["without a font cache, with a desktop's fonts"] = lambda: by_fresh_interpreter(
                environment, SCRIPT, knows_fonts=False, more_fonts=desktop
            )
        costs: dict[str, list[Cost]] = {what: [] for what in ways}
        for _ in range(FRESH_RUNS):  # in turns, so that a slow moment of the machine falls on all
            for what, way in ways.items():
                costs[what].append(way())
    medians = {what: [statistics.median(side) for side in zip(*some, strict=True)] for what, some in costs.items()}
    unit = next(iter(medians.values()))[0]
    own, system = fonts_read(environment)
    times = {what: cpu for what, (cpu, _) in medians.items()}
    per_font = (times["the same, without a font cache"] - times["one line, by a fresh interpreter"]) / (own + system)
    rows: list[dict[str, object]] = [
        {
            "what": what,
            "scripts": RUNS * FRESH_RUNS if what.endswith("by the zygote") else FRESH_RUNS,
            "CPU, median (ms)": round(cpu),
            "× the zygote's CPU": round(cpu / unit, 1),
            "wall, median (ms)": round(wall),
        }
        for what, (cpu, wall) in medians.items()
    ]
    rows += gallery_rows(environment)
    notes = (
        f"The zygote's CPU is all of it: the fork, the script, the picture, the artists for the metrics, the burial, "
        f"the zygote and the sandbox outside. A fresh interpreter saves the same picture and collects nothing, "
        f"unconfined. Without a font cache it reads every font: matplotlib's own {own} and this machine's {system}, "
        f"{per_font:.1f} ms each. "
        f"A desktop's: {count_fonts(desktop) if desktop else 'several hundred'} more, of the packages that LibreOffice "
        f"recommends on Debian ({', '.join(DESKTOP)}). Gallery: the examples of matplotlib "
        f"{environment.packages['matplotlib']}; what fails there wants LaTeX, a window toolkit, a package that is not "
        f"pinned, a file beside it, or never ends."
    )
    print(result.write("chart", "Charts", rows, notes))


if __name__ == "__main__":
    main()
