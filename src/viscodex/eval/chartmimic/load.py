"""Reads the tasks: our own, which are part of the package, or the published ones in any form they come in.

A folder    `direct_600/` (or `customized_600/`, or any folder with scripts): `NAME.py` beside `NAME.png` or `NAME.pdf`
JSON lines  or parquet, a task a row: `ExampleID`, `GroundTruthFigureCode` (the code, or its path beside the file),
            `GroundTruthFigurePreview` or `GroundTruthFigure`, `InputFigurePreview` or `InputFigure`, `Instruction`

Where both tasks are there, the direct one is read, which the paper's columns are of; read the other by its own folder
or file. What cannot be read is listed with a reason, never dropped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.sample import Image, Rejection, Sample, Source
from viscodex.eval.benchmark import Suite
from viscodex.eval.chartmimic.answer import data_part, parsed
from viscodex.eval.chartmimic.tasks import Task, sample

FULL_SIZE = 600
OWN = Source(url="https://github.com/viscodex/viscodex", licence="Apache-2.0", author="viscodex")
LONGEST_NAME = 255
ROWS = (".jsonl", ".json", ".parquet")


@dataclass
class Shelf:
    """Samples and rejections as they come."""

    samples: dict[str, Sample] = field(default_factory=dict)
    rejected: list[Rejection] = field(default_factory=list)

    def reject(self, name: str, reason: str, detail: str = "") -> None:
        self.rejected.append(Rejection(id=name, stage="load", reason=reason, detail=detail))

    def take(self, name: str, code: str, picture: Image | None, task: Task, instruction: str = "") -> None:
        """Keep a task, or say why not."""
        if name in self.samples:
            self.reject(name, "duplicate")
        elif not code.strip():
            self.reject(name, "no_code")
        elif parsed(code) is None:
            self.reject(name, "not_python")
        elif task == "customized" and not data_part(code):
            self.reject(name, "no_data_part", "the reference does not mark where its data are")
        elif picture is None:
            self.reject(name, "no_picture", "a PNG or JPEG is wanted; of PDFs, make one: pdftoppm -r 120 -png")
        elif problem := _unreadable(picture):
            self.reject(name, "bad_picture", problem)
        else:
            self.samples[name] = sample(name, code, picture, task=task, instruction=instruction)


def load(path: Path | None) -> Suite:
    """Our own charts, or the published tasks in a folder or file."""
    if path is None:
        return bundled()
    if not path.exists():
        raise UsageError("there are no tasks at this path", str(path), "a folder such as direct_600, or test.jsonl")
    shelf = Shelf()
    if path.is_file():
        _read_rows(path, shelf)
    elif direct := _folder_of(path, "direct"):
        _read_folder(direct, "direct", path, shelf)
    elif any(path.glob("*.py")):
        _read_folder(path, "customized" if "custom" in path.name else "direct", path.parent, shelf)
    elif files := [file for file in sorted(path.iterdir()) if file.suffix in ROWS]:
        for file in files:
            _read_rows(file, shelf)
    else:
        raise UsageError("no tasks of ChartMimic in this folder", str(path), "it has NAME.py beside NAME.png")
    return Suite(tuple(shelf.samples.values()), tuple(shelf.rejected), str(path), FULL_SIZE)


def bundled() -> Suite:
    """Charts of our own, one of each kind."""
    folder = resources.files("viscodex.eval.chartmimic") / "charts"
    scripts = sorted((file for file in folder.iterdir() if file.name.endswith(".py.txt")), key=lambda file: file.name)
    samples = []
    for file in scripts:
        name = file.name.removesuffix(".py.txt")
        picture = Image(data=(folder / f"{name}.png").read_bytes())
        samples.append(sample(name, file.read_text(encoding="utf-8"), picture, source=OWN))
    return Suite(tuple(samples), full_size=FULL_SIZE)


def _folder_of(path: Path, task: str) -> Path | None:
    names = {"direct": ("direct", "ori_"), "customized": ("custom",)}[task]
    found = [folder for folder in sorted(path.iterdir()) if folder.is_dir() and folder.name.startswith(names)]
    return found[-1] if found else None


def _read_folder(folder: Path, task: Task, root: Path, shelf: Shelf) -> None:
    """Scripts beside their pictures. A customized task shows the picture of the direct one with the same name."""
    pictures = folder if task == "direct" else _folder_of(root, "direct") or folder
    for script in sorted(folder.glob("*.py"), key=_natural):
        try:
            code = script.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            shelf.reject(script.stem, "unreadable", str(error))
            continue
        shelf.take(script.stem, code, _beside(pictures / script.name), task)
    for picture in sorted(folder.glob("*.png")):
        if not picture.with_suffix(".py").exists():
            shelf.reject(picture.stem, "no_code", "a picture without its script")


def _beside(path: Path) -> Image | None:
    found = [file for suffix in (".png", ".jpg", ".jpeg") if (file := path.with_suffix(suffix)).is_file()]
    return Image(path=str(found[0])) if found else None


def _natural(path: Path) -> tuple[str, int, str]:
    head, _, number = path.stem.rpartition("_")
    return (head, int(number), path.stem) if number.isdecimal() else (path.stem, 0, path.stem)


def _read_rows(path: Path, shelf: Shelf) -> None:
    rows = list(_rows(path, shelf))
    tasks: list[Task] = ["customized" if "custom" in str(row.get("Task", "")).lower() else "direct" for row in rows]
    wanted = "direct" if "direct" in tasks else "customized"
    for number, (row, task) in enumerate(zip(rows, tasks, strict=True), start=1):
        name = str(row.get("ExampleID") or _stem(row) or f"row {number}")
        if task != wanted:
            shelf.reject(name, "other_task", task)
            continue
        preview, figure = ("InputFigurePreview", "InputFigure")
        if task == "direct" and not row.get(preview) and not row.get(figure):
            preview, figure = "GroundTruthFigurePreview", "GroundTruthFigure"
        picture = _picture(row.get(preview), path) or _picture(row.get(figure), path)
        code = _code(str(row.get("GroundTruthFigureCode") or ""), path)
        shelf.take(name, code, picture, task, str(row.get("Instruction") or ""))


def _rows(path: Path, shelf: Shelf) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet

        try:
            yield from pyarrow.parquet.read_table(path).to_pylist()
        except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
            raise VisCodexError(f"not a parquet file that can be read: {error}", str(path)) from error
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    yield from _objects(text.splitlines() if not text.lstrip().startswith("[") else [text], shelf)


def _objects(texts: Iterable[str], shelf: Shelf) -> Iterator[Mapping[str, Any]]:
    """Objects, one a line, or a list of them."""
    for number, text in enumerate(texts, start=1):
        try:
            value = json.loads(text) if text.strip() else []
        except (ValueError, RecursionError) as error:
            shelf.reject(f"line {number}", "not_json", str(error))
            continue
        for row in value if isinstance(value, list) else [value]:
            if isinstance(row, dict):
                yield row
            else:
                shelf.reject(f"line {number}", "not_a_task", type(row).__name__)


def _stem(row: Mapping[str, Any]) -> str:
    figure = row.get("GroundTruthFigure") or row.get("file")
    return Path(figure).stem if isinstance(figure, str) else ""


def _code(value: str, path: Path) -> str:
    """The code itself, or what the file of that name holds."""
    if "\n" in value or not value.endswith(".py"):
        return value
    file = path.parent / value
    try:
        return file.read_text(encoding="utf-8") if _is_below(file, path.parent) else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _picture(value: Any, path: Path) -> Image | None:
    """Of bytes, base64, a cell with `bytes` or `path`, or the name of a file beside the rows (of a PDF, its PNG)."""
    if isinstance(value, dict):
        return _picture(value.get("bytes") or value.get("path"), path)
    if isinstance(value, bytes):
        return Image(data=value)
    if isinstance(value, str) and len(value) > LONGEST_NAME:
        return _from_base64(value)
    if isinstance(value, str) and value:
        file = path.parent / value
        return _beside(file) if _is_below(file, path.parent) else None
    return None


def _from_base64(value: str) -> Image | None:
    try:
        return Image(data=base64.b64decode(value, validate=True))
    except ValueError:
        return None


def _is_below(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve())


def _unreadable(picture: Image) -> str:
    try:
        picture.load()
    except VisCodexError as error:
        return error.problem
    return ""
