"""Importer of InfiBench: a suite's YAML, one case's YAML, or the published CSV (v2.1). Read as they are, changed never.

suite   cases: [PATH | {path: PATH, weight: 2}]
case    id, prompt_path, type, lang, full_score = 1, null_score = 0, grading: {…}
CSV     no, case_path, prompt, eval_spec (the case's YAML), dependencies (JSON: file → text)
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample, Source
from viscodex.eval.infibench import grading as gradings
from viscodex.eval.infibench import strict_yaml
from viscodex.eval.infibench.loaded import Loaded, path_inside, read_text, refused
from viscodex.eval.infibench.reading import GradingError, Oddity, Reader

FULL_SIZE = 234
LICENCE = "CC BY-SA 4.0"
CASE_KEYS = ("id", "prompt_path", "type", "lang", "full_score", "null_score", "grading")
COLUMNS = ("case_path", "prompt", "eval_spec", "dependencies")
FILE_KEYS = ("path", "prefix_path", "cleanup_path")


def read_csv(path: Path) -> Iterator[Loaded]:
    """The published table; raises for a file that is none."""
    csv.field_size_limit(1 << 24)
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path), newline="")))
    except csv.Error as error:
        raise VisCodexError(f"not a table: {error}", str(path)) from error
    if missing := [name for name in COLUMNS if not rows or name not in rows[0]]:
        raise VisCodexError(f"the table has no column {missing[0]}", str(path), hint="the CSV of InfiBench v2.1")
    for number, row in enumerate(rows, start=1):
        name = Path(row["case_path"] or f"row {number}").stem
        try:
            files = json.loads(row["dependencies"] or "{}")
            if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
                raise GradingError("dependencies: a mapping of texts is needed")
            yield case(row["eval_spec"] or "", row["prompt"] or "", files, name)
        except (ValueError, RecursionError) as error:
            yield refused(name, GradingError(f"dependencies: {error}"))
        except VisCodexError as error:
            yield refused(name, error)


def read_yaml(path: Path) -> Iterator[Loaded]:
    """A suite with its cases, or one case."""
    document = strict_yaml.load(read_text(path))
    if isinstance(document.value, Mapping) and "cases" in document.value:
        yield from _read_suite(path, document.value["cases"])
    else:
        yield _read_case(path, path.parent, 1.0)


def read_folder(folder: Path) -> Iterator[Loaded]:
    """The one suite in a folder, or, where there is none, every case below it."""
    texts = {path: read_text(path) for path in _yamls(folder.iterdir())}
    suites = [path for path, text in texts.items() if _has_key(text, "cases")]
    if len(suites) > 1:
        names = ", ".join(path.name for path in suites)
        raise VisCodexError(f"the folder holds several suites: {names}", str(folder), hint="name one of them")
    if suites:
        yield from read_yaml(suites[0])
        return
    for path in _yamls(folder.rglob("*")):
        if _has_key(read_text(path), "grading"):
            yield _read_case(path, folder, 1.0)


def _yamls(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix in (".yaml", ".yml") and path.is_file())


def _has_key(text: str, key: str) -> bool:
    return any(line.startswith(f"{key}:") for line in text.splitlines())


def _read_suite(path: Path, entries: Any) -> Iterator[Loaded]:
    reader = Reader()
    for index, entry in enumerate(reader.items(entries, "cases")):
        name = f"cases[{index}]"
        try:
            known = {"path": entry} if isinstance(entry, str) else reader.mapping(entry, name, ("path", "weight"))
            weight = reader.number(known["weight"], f"{name}.weight") if known.get("weight") is not None else 1.0
            if weight < 0:
                raise GradingError(f"a weight of {weight}", name)
            place = path_inside(path.parent, reader.text(known.get("path"), f"{name}.path"))
        except VisCodexError as error:
            yield refused(name, error)
        else:
            yield _read_case(place, path.parent, weight)


def _read_case(path: Path, root: Path, weight: float) -> Loaded:
    """`root`: the suite's folder, which no case may leave."""
    try:
        text = read_text(path)
        document = strict_yaml.load(text).value
        if not isinstance(document, Mapping):
            raise GradingError("a case is a mapping")
        here = path.parent.relative_to(root)
        prompt = read_text(path_inside(root, str(here / str(document.get("prompt_path")))))
        files = {
            name: read_text(place)
            for name in dict.fromkeys(_named_files(document.get("grading")))
            if (place := path_inside(root, str(here / name))).is_file()
        }
        return case(text, prompt, files, path.stem, weight)
    except VisCodexError as error:
        return refused(path.stem, error)


def _named_files(value: Any) -> Iterator[str]:
    """Every file that a grading names, by the keys that name files; and tests that are one short line."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in FILE_KEYS and isinstance(inner, str):
                yield inner
            elif key == "tests" and isinstance(inner, list):
                yield from (test for test in inner if isinstance(test, str) and _is_name(test))
                yield from _named_files([test for test in inner if not isinstance(test, str)])
            else:
                yield from _named_files(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named_files(inner)


def _is_name(test: str) -> bool:
    return len(test) < 200 and "\n" not in test and " " not in test and "(" not in test


def case(eval_spec: str, prompt: str, files: Mapping[str, str], name: str, weight: float = 1.0) -> Loaded:
    """One case from its YAML and the files that it names; `name` is used until its id is known."""
    try:
        document = strict_yaml.load(eval_spec)
        if not isinstance(document.value, Mapping):
            raise GradingError("a case is a mapping")
        loaded = _sample(document.value, prompt, files, name, weight)
    except VisCodexError as error:
        return refused(name, error)
    duplicates = tuple(Oddity("duplicate-key", "", line) for line in document.duplicates)
    return replace(loaded, oddities=(*duplicates, *loaded.oddities))


def _sample(raw: Mapping[str, Any], prompt: str, files: Mapping[str, str], name: str, weight: float) -> Loaded:
    reader = Reader()
    reader.mapping(raw, "case", CASE_KEYS)
    name = reader.text(raw["id"], "id") if raw.get("id") is not None else name
    if not prompt.strip():
        raise GradingError("an empty prompt", "prompt")
    language = reader.text(raw.get("lang"), "lang").strip().lower()
    scores = {
        key: reader.number(raw[key], key) if raw.get(key) is not None else default
        for key, default in (("full_score", 1.0), ("null_score", 0.0))
    }
    if scores["full_score"] <= 0:
        raise GradingError(f"full_score is {scores['full_score']}", "full_score", "no_points")
    grading, graded = gradings.read(raw.get("grading"), files, language, "published")
    checks = {
        "format": "infibench",
        "language": language,
        "type": reader.text(raw["type"], "type") if raw.get("type") is not None else "",
        "families": list(grading.families),
        "grading": raw["grading"],
        "files": dict(files),
        "weight": weight,
        **scores,
    }
    sample = Sample(id=name, kind="qa", prompt=(prompt,), checks=checks, source=Source(licence=LICENCE))
    return Loaded(name, sample, oddities=(*reader.oddities, *graded.oddities))
