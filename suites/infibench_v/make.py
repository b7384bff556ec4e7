"""Makes our suite of InfiBench-V: `python -m suites.infibench_v.make [NAME …]` writes its table and its pictures.

The questions are written by hand in `questions/LANGUAGE.yaml`; a picture has the name of its question. With names
(`cpp-002`), only those pictures are drawn; `--table` draws none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from viscodex.core.infibench_v import PostSource, Record
from viscodex.core.rundir import atomic_write

HERE = Path(__file__).parent
SUITE = HERE.parents[1] / "src" / "viscodex" / "eval" / "infibench" / "suite"
LICENCE = "CC0-1.0"
LANGUAGES = (
    *("javascript", "typescript", "html-css", "python", "r", "java", "csharp", "cpp", "go", "php", "ruby", "bash"),
    *("sql", "dart"),
)


def records() -> Iterator[Record]:
    """Every question, in the order of the languages."""
    for language in LANGUAGES:
        for raw in yaml.safe_load((HERE / "questions" / f"{language}.yaml").read_text(encoding="utf-8")):
            yield Record.model_validate(filled(raw))


def filled(raw: dict[str, Any]) -> dict[str, Any]:
    """With what is the same for all of them."""
    name = str(raw["id"]).removeprefix("ibv-")
    source = PostSource(authors=("viscodex",), license=LICENCE)
    return {"images": (f"pictures/{name}.png",), "source": source, **raw}


def table() -> str:
    """The JSON lines."""
    rows = (record.model_dump(mode="json", exclude_defaults=True) for record in records())
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main(words: list[str]) -> None:
    atomic_write(SUITE / "questions.jsonl", table())
    if "--table" not in words:
        from suites.infibench_v.draw import save

        save(SUITE / "pictures", words)


if __name__ == "__main__":
    main(sys.argv[1:])
