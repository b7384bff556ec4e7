"""`viscodex data import` of a file as large as the published MCD: memory and speed, beside parsing and json.load."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import measure
import result
from importing.published import BYTES, RECORDS

MOST_MEMORY = 500e6
FLOOR = """import sys
from viscodex.core.json_stream import read_values
for _ in read_values(open(sys.argv[1], 'rb')): pass"""
IJSON = "import sys, ijson\nfor _ in ijson.items(open(sys.argv[1], 'rb'), 'item', use_float=True): pass"
WHOLE = "import sys, json\njson.load(open(sys.argv[1], 'rb'))"


def make_files(folder: Path, records: int, size: int) -> dict[str, int]:
    """In a process of its own: what a measured child is charged for begins with the memory of this one."""
    argv = [sys.executable, Path(__file__).parent / "importing" / "published.py", folder, records, size]
    made = subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True)
    planted: dict[str, int] = json.loads(made.stdout)
    return planted


def ended(path: Path) -> Path:
    """The same file with its end mended, for readers that refuse a broken one."""
    whole = path.with_name("whole.json")
    shutil.copyfile(path, whole)
    with whole.open("r+b") as file:
        file.seek(-200, 2)
        place = file.tell() + file.read().rfind(b",\n")
        file.truncate(place)
        file.seek(place)
        file.write(b"]")
    return whole


def import_once(folder: Path, records: Path, log: Path) -> tuple[measure.Usage, dict[str, Any]]:
    """One import; its report is that of the folder it wrote, which is removed."""
    out, images = folder / "out", folder / "mcd_images.zip"
    viscodex = [sys.executable, "-m", "viscodex", "--quiet", "data", "import"]
    usage = measure.run([*viscodex, records, "--images", images, "--out", out, "--json"], log)
    report: dict[str, Any] = json.loads((out / "import.json").read_text())
    shutil.rmtree(out)
    return usage, report


def check(report: dict[str, Any], planted: dict[str, int]) -> None:
    """Every oddity that was planted is told of, in its number."""
    told = {**report["rejected"], **report["oddities"]}
    wrong = {name: (n, told.get(name)) for name, n in planted.items() if told.get(name) != n}
    assert not wrong, f"planted, told: {wrong}"
    assert report["seen"] == sum(report["kept"].values()) + sum(report["rejected"].values())


def row(what: str, usage: measure.Usage, size: int) -> dict[str, Any]:
    return {
        "1.7 GB of records": what,
        "wall (s)": round(usage.wall, 1),
        "CPU (s)": round(usage.cpu, 1),
        "MB/s": round(size / usage.wall / 1e6, 1),
        "MB/s of CPU": round(size / usage.cpu / 1e6, 1),
        "peak memory (MB)": round(usage.peak_rss / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the size, nothing written")
    parser.add_argument("--folder", type=Path, help="where the files are made (4 GB)")
    arguments = parser.parse_args()
    records, size = (RECORDS, BYTES)
    if arguments.quick:
        records, size = records // 100, size // 100
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        planted = make_files(folder, records, size)
        broken, log = folder / "mcd_598k.json", folder / "log"
        whole = ended(broken)
        broken.unlink()
        planted.pop("broken JSON")
        length = whole.stat().st_size
        measure.read_files(folder)
        floor = measure.run([sys.executable, "-c", FLOOR, whole], log)
        yajl = measure.run([sys.executable, "-c", IJSON, whole], log) if find_spec("ijson") else None
        usage, report = import_once(folder, whole, log)
        check(report, planted)
        loaded = measure.run([sys.executable, "-c", WHOLE, whole], log)
        rows = [
            row("parsing alone (the floor)", floor, length),
            *([row("parsing alone by ijson (yajl2_c)", yajl, length)] if yajl else []),
            row("viscodex data import", usage, length),
            row("json.load, which then has done nothing yet", loaded, length),
        ]
    print(*rows, sep="\n")
    if arguments.quick:
        return
    notes = (
        f"{records:,} records in {length / 1e9:.2f} GB, {report['pictures']:,} pictures in a zip, each looked at "
        f"to its last pixel (small ones, of which 300 differ); parquet, rejected rows and "
        f"card written. Target: at most {MOST_MEMORY / 1e6:.0f} MB. "
        "The oddities were planted, and each is told of in its number. Where the machine was busy (its load stands "
        "below), go by CPU time."
    )
    usages = {"parsing": floor.record(), "import": usage.record(), "json.load": loaded.record()}
    print(result.write("mcd_import", "Importing the published MCD", rows, notes, report=report, usage=usages))
    assert usage.peak_rss <= MOST_MEMORY, f"{usage.peak_rss / 1e6:.0f} MB"


if __name__ == "__main__":
    main()
