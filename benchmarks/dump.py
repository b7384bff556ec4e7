"""Reading a Stack Exchange dump of 2 GB: questions with pictures and their answers, XML iterators, a floor."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import measure
import result

sys.path.insert(0, str(Path(__file__).parents[1]))

SIZE, QUICK_SIZE, ITERATED = 2_000_000_000, 100_000_000, 200_000_000
"""Bytes of the dump; of the dump that the XML iterators read, which are ten times slower."""
TARGET_SPEED, TARGET_MEMORY = 300e6, 300e6
WAYS = {
    "viscodex: pairs of posts": "ours",
    "every line read, nothing done (floor)": "lines",
    "lxml.etree.iterparse, every row": "lxml",
    "xml.etree.ElementTree.iterparse, every row": "etree",
}


def ours(path: Path) -> int:
    from viscodex.data.qa.dump import Dump, Pair

    return sum(isinstance(found, Pair) for found in Dump(path).pairs())


def lines(path: Path) -> int:
    with path.open("rb", buffering=1 << 20) as file:
        return sum(1 for _ in file)


def iterated(path: Path, iterparse: object) -> int:
    """The usual way: each row in turn, forgotten afterwards."""
    pairs = 0
    root = None
    for event, element in iterparse(str(path), events=("start", "end")):  # type: ignore[operator]
        root = element if root is None else root
        if event == "end" and element.tag == "row":
            wanted = element.get("PostTypeId") == "1" and "<img" in element.get("Body", "")
            pairs += bool(wanted and element.get("AcceptedAnswerId"))
            root.clear()
    return pairs


def child(way: str, path: Path, size: int = 0) -> None:
    match way:
        case "make" | "whole":
            make(path, size, way == "whole")
        case "ours":
            print(ours(path))
        case "lines":
            print(lines(path))
        case "lxml":
            from lxml import etree

            print(iterated(path, lambda *a, **k: etree.iterparse(*a, recover=True, huge_tree=True, **k)))
        case "etree":
            from xml.etree import ElementTree

            print(iterated(path, ElementTree.iterparse))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 MB only")
    parser.add_argument("--work", type=Path, default=Path("/tmp/viscodex-dump"), help="where the dumps are made")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        way, path, *size = arguments.child
        child(way, Path(path), *map(int, size))
        return
    arguments.work.mkdir(parents=True, exist_ok=True)
    size = QUICK_SIZE if arguments.quick else SIZE
    large, small = dump(arguments.work, size), dump(arguments.work, min(size, ITERATED), whole=True)
    files = {way: large if way in ("ours", "lines") else small for way in WAYS.values()}
    rows = [row(what, way, files[way], arguments.work) for what, way in WAYS.items()]
    speed, memory = rows[0]["MB/s (CPU)"] * 1e6, rows[0]["peak memory (MB)"] * 1e6
    notes = (
        f"Target: {TARGET_SPEED / 1e6:.0f} MB/s of CPU time in {TARGET_MEMORY / 1e6:.0f} MB: "
        f"{'met' if speed >= TARGET_SPEED and memory <= TARGET_MEMORY else 'missed'}. Twelve questions of a hundred "
        "have pictures, a few answers stand before their question, so the file is read twice."
    )
    if not arguments.quick:
        result.write("dump", "Reading a dump", rows, notes)
    print(rows, notes)


def dump(folder: Path, size: int, whole: bool = False) -> Path:
    """A generated dump, made in a process of its own: what this one has used counts for those that it starts."""
    path = folder / f"Posts-{size}{'-whole' if whole else ''}.xml"
    if not path.exists():
        measure.run(
            [sys.executable, __file__, "--child", "whole" if whole else "make", path, str(size)], folder / "log"
        )
    return path


def make(path: Path, size: int, whole: bool) -> None:
    """A `whole` dump lacks its damaged lines, at which XML iterators give up."""
    from tests.data.stackexchange import write_dump

    partial = path.with_suffix(".partial")
    write_dump(partial, size=size)
    if whole:
        with partial.open("rb") as lines_, path.open("wb") as file:
            file.writelines(filter(is_good, lines_))
        partial.unlink()
    else:
        partial.rename(path)


def is_good(line: bytes) -> bool:
    if not line.startswith(b"  <row "):
        return line.startswith((b"\xef\xbb\xbf<?xml", b"<posts", b"</posts"))
    return line.endswith(b"/>\n") and b"&#x0;" not in line and b"\xff\xfe" not in line


def row(what: str, way: str, path: Path, work: Path) -> dict[str, object]:
    """Read it once, measured from outside."""
    measure.read_files(work) if path.stat().st_size < 1e9 else None
    usage = measure.run([sys.executable, __file__, "--child", way, path], work / "log")
    size = path.stat().st_size
    return {
        "what": what,
        "MB": round(size / 1e6),
        "CPU (s)": round(usage.cpu, 1),
        "MB/s (CPU)": round(size / usage.cpu / 1e6),
        "wall (s)": round(usage.wall, 1),
        "peak memory (MB)": round(usage.peak_rss / 1e6),
        "found": int((work / "log").read_text().split()[-1]),
    }


if __name__ == "__main__":
    main()
