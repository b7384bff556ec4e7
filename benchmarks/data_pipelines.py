"""What the html and chart pipelines make of real inputs without any model: every row's way, by stage and reason.

Charts: matplotlib's own gallery. Mined: the source of networkx, as a folder of repositories. Pages: documentation from
Debian packages and templates from npm, as style seeds that are their own responses. All are fetched once into the
user's cache folder (see chart.py, rendering/real_pages.py).

    python benchmarks/data_pipelines.py [--keep FOLDER]     what stands in FOLDER already is not done again
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chart as chart_benchmark
import result
from rendering import real_pages
from viscodex.core.rundir import cache_folder
from viscodex.data import chart, html
from viscodex.data.build import Order, build
from viscodex.data.inputs import Input
from viscodex.data.recipe import DataRecipe
from viscodex.data.wording import draw
from viscodex.sandbox import chart_environment

PAGES_PER_PACKAGE = 100
REPOSITORY = "networkx-3.6.1"
DOCUMENTATION = {
    "python3.11-doc": ("usr/share/doc/python3.11/html", "PSF-2.0", "Python Software Foundation"),
    "sqlite3-doc": ("usr/share/doc/sqlite3", "blessing", "the authors of SQLite"),
}


def chart_settings() -> chart.Settings:
    """matplotlib's gallery."""
    scripts = chart_benchmark.gallery(chart_environment.require())
    folder = next(path for path in scripts[0].parents if path.name == "examples")
    author = "the Matplotlib development team"
    gallery = Input(path=str(folder), name="matplotlib-gallery", licence="LicenseRef-matplotlib", author=author)
    return chart.Settings(corpora=(gallery,))


def mined_settings() -> chart.Settings:
    """The source of networkx: a library with examples somewhere in it."""
    folder = cache_folder() / "repositories"
    if not (folder / REPOSITORY).exists():
        folder.mkdir(parents=True, exist_ok=True)
        name, _, version = REPOSITORY.rpartition("-")
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*download, "--dest", str(folder), f"{name}=={version}"], check=True)
        with tarfile.open(folder / f"{REPOSITORY}.tar.gz") as tar:
            tar.extractall(folder, filter="data")
    author = "the NetworkX developers"
    repository = Input(path=str(folder / REPOSITORY), licence="BSD-3-Clause", author=author, name="networkx")
    return chart.Settings(repositories=(repository,))


def html_settings() -> html.Settings:
    """Templates of npm, and a part of each documentation, chosen by hash of the page's name."""
    fetched, folder = cache_folder() / "real-pages", cache_folder() / f"some-pages-{PAGES_PER_PACKAGE}"
    real_pages.fetch(fetched)
    inputs = [
        Input(path=str(dist), name=dist.parent.parent.name, licence="MIT", author="Start Bootstrap")
        for dist in sorted(fetched.glob("npm/*/package/dist"))
    ]
    for package, (below, licence, author) in DOCUMENTATION.items():
        if not (folder / package).exists():
            shutil.copytree(fetched / "debian" / package / below, folder / package, ignore_dangling_symlinks=True)
            pages = sorted((folder / package).rglob("*.html"), key=lambda page: order(folder, page))
            for page in pages[PAGES_PER_PACKAGE:]:
                page.unlink()
        inputs.append(Input(path=str(folder / package), name=package, licence=licence, author=author))
    return html.Settings(pages=tuple(inputs), design=False)


def order(folder: Path, page: Path) -> int:
    """A page's place in an order that has nothing to do with its name."""
    return draw(range(1 << 60), 0, str(page.relative_to(folder)), "page")


def rows(name: str, found: dict[str, Any]) -> Iterator[dict[str, object]]:
    """A line for each stage that did anything."""
    for line in found["funnel"]:
        if line["kept"] != line["seen"] or line["stage"] == "drafts":
            reasons = dict(sorted(line["rejected"].items(), key=lambda item: (-item[1], item[0])))
            told = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
            yield {
                "pipeline": name,
                "stage": line["stage"],
                "seen": line["seen"],
                "kept": line["kept"],
                "failed": sum(line["failed"].values()),
                "rejected": told or "–",
            }
    whole = {"pipeline": name, "stage": "all", "seen": found["seen"], "kept": found["kept"]}
    yield whole | {"failed": found["failed"], "rejected": str(found["rejected"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="where to leave the data sets, to look at")
    options = parser.parse_args()
    table: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in (("html", html_settings()), ("chart", chart_settings()), ("mined", mined_settings())):
            pipeline = html.pipeline(settings) if isinstance(settings, html.Settings) else chart.pipeline(settings)
            wanted = Order(DataRecipe(rules_only=True, workers=1), [pipeline], [settings.model_dump_json()])
            built = build(wanted, (options.keep or Path(folder)) / name)
            table += rows(name, built["categories"][pipeline.category])
    notes = (
        "Rules only, no model asked, one worker. Charts: the gallery of the pinned matplotlib. Mined: the source of "
        f"{REPOSITORY}. Pages: every template "
        f"of {len(real_pages.NPM)} packages of npm, and {PAGES_PER_PACKAGE} pages each of "
        f"{' and '.join(DOCUMENTATION)}, made self-contained, drawn, and cut down to the styles they use. "
        "Stages that rejected nothing are not listed."
    )
    print(result.write("data_pipelines", "Data: html and chart pipelines", table, notes))


if __name__ == "__main__":
    main()
