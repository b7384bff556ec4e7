"""The tasks: a folder of pages and screenshots as published, a table as on the hub, or the bundled pages."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.sample import Image, Rejection, Sample, Source
from viscodex.eval.benchmark import Suite
from viscodex.eval.design2code.answer import fenced
from viscodex.model.prompts import Prompt

FULL, HARD = 484, 80
PAPERS = {FULL: "https://arxiv.org/abs/2403.03163", HARD: "https://arxiv.org/abs/2403.03163 (hard)"}
TABLES = (".parquet", ".jsonl")
LAYOUT = "a folder with 1.html, 1.png, …, or a parquet or JSONL file with the columns image and text"

Task = Sample | Rejection
Row = Mapping[str, Any]


def load(path: Path | None = None) -> Suite:
    """The bundled pages, or those of a folder or a table; what cannot be used is among the rejected, with a reason."""
    if path is None:
        tasks = tuple(bundled())
        return _suite(tasks, "bundled", len(tasks))
    if not path.exists():
        raise UsageError("no such file or folder", where=str(path), hint=LAYOUT)
    tasks = tuple(_tasks(path))
    if not tasks:
        raise UsageError("no Design2Code pages here", where=str(path), hint=LAYOUT)
    return _suite(tasks, str(path), HARD if "hard" in path.resolve().name.lower() else FULL)


def bundled() -> Iterator[Task]:
    """Pages of our own, with the licence of viscodex."""
    folder = Path(str(files("viscodex.eval.design2code") / "bundled"))
    source = Source(url="viscodex", licence="Apache-2.0", author="the viscodex authors")
    yield from _folder(folder, source)


@cache
def prompt() -> Prompt:
    """What a model is asked; its version goes into every sample."""
    text = (files("viscodex.eval.design2code") / "templates" / "prompt.txt").read_text(encoding="utf-8")
    first, _, rest = text.partition("\n")
    return Prompt(first.removeprefix("version:").strip(), rest.strip())


def _suite(tasks: tuple[Task, ...], source: str, full_size: int) -> Suite:
    samples = tuple(task for task in tasks if isinstance(task, Sample))
    rejected = tuple(task for task in tasks if isinstance(task, Rejection))
    return Suite(samples, rejected, source, full_size)


def _tasks(path: Path) -> Iterator[Task]:
    if path.is_file():
        yield from _table(path)
    elif any(path.glob("*.html")):
        yield from _folder(path, Source(url=PAPERS[FULL]))
    else:
        for table in sorted(found for found in path.rglob("*") if found.suffix in TABLES):
            yield from _table(table)


def _folder(folder: Path, source: Source) -> Iterator[Task]:
    """N.html beside N.png. Pictures stay where they are."""
    names = {page.stem for page in folder.iterdir() if page.suffix in (".html", ".png")}
    for name in sorted(names, key=_by_number):
        page, picture = folder / f"{name}.html", folder / f"{name}.png"
        if not page.is_file():
            yield _rejection(name, "no_html", str(page))
        elif not picture.is_file():
            yield _rejection(name, "no_screenshot", str(picture))
        else:
            html = page.read_bytes().decode("utf-8", errors="replace")
            yield _task(name, html, Image(path=str(picture)), source)


def _table(path: Path) -> Iterator[Task]:
    """Rows with an image and the page's text; numbered where they have no id."""
    rows = {".parquet": _parquet_rows, ".jsonl": _json_rows}.get(path.suffix)
    if rows is None:
        raise UsageError("neither parquet nor JSONL", where=str(path), hint=LAYOUT)
    for number, row in enumerate(rows(path)):
        name = str(row.get("id") or number)
        html = row.get("text") or row.get("html")
        if not isinstance(html, str):
            yield _rejection(name, "no_html", f"row {number} of {path}")
            continue
        try:
            picture = _picture(row.get("image"), path.parent)
        except (ValueError, TypeError, KeyError) as error:
            yield _rejection(name, "no_screenshot", f"row {number} of {path}: {error}")
            continue
        yield _task(name, html, picture, Source(url=PAPERS[FULL]))


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=16):
            yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise VisCodexError(f"not a readable parquet file: {error}", where=str(path)) from error


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise VisCodexError(f"line {number} is not valid JSON: {error}", where=str(path)) from error
            yield row if isinstance(row, dict) else {}


def _picture(value: Any, folder: Path) -> Image:
    """As the hub's data sets have it, {"bytes", "path"}; or a path beside the table; or base64, bare or as data URL."""
    if isinstance(value, dict):
        if value.get("bytes"):
            content = value["bytes"]
            return Image(data=content if isinstance(content, bytes) else base64.b64decode(content, validate=True))
        value = value["path"]
    if isinstance(value, bytes):
        return Image(data=value)
    if not isinstance(value, str) or not value:
        raise ValueError("no image")
    if len(value) < 1024 and (folder / value).is_file():
        return Image(path=str(folder / value))
    return Image(data=base64.b64decode(value.rpartition("base64,")[2], validate=True))


def _task(name: str, html: str, picture: Image, source: Source) -> Task:
    if not html.strip():
        return _rejection(name, "empty_html", "")
    try:
        width, height = picture.load().size
    except VisCodexError as error:
        return _rejection(name, "bad_screenshot", error.problem)
    asked = prompt()
    checks = {"prompt": asked.version, "screenshot": [width, height]}
    return Sample(
        id=name, kind="html", prompt=(picture, asked.text), response=fenced(html), checks=checks, source=source
    )


def _rejection(name: str, reason: str, detail: str) -> Rejection:
    return Rejection(id=name, stage="load", reason=reason, detail=detail)


_by_number: Callable[[str], tuple[int, str]] = lambda name: (int(name) if name.isdecimal() else -1, name)  # noqa: E731
