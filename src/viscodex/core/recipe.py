"""Recipes: TOML files, found by packaged name or path, read into typed fields; unknown keys are refused."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from viscodex.core.errors import UsageError, did_you_mean

PACKAGED = Path(__file__).parent.parent / "recipes"


class Recipe(BaseModel):
    """Settings of one job. A subclass names its `job` (the folder of its packaged recipes) and adds typed fields."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)
    job: ClassVar[str] = ""

    name: str = ""
    seed: int = 0

    @classmethod
    def load(cls, name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read a recipe by packaged name or path, apply `--set` overrides, and check every key and value."""
        path = find(cls.job, name_or_path)
        values = {"name": path.stem} | read_toml(path)
        for key, value in (overrides or {}).items():
            assign(values, key, value)
        return cls.parse(values, where=str(name_or_path))

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Self:
        """Validate plain values; every problem is listed in one UsageError."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UsageError(
                f"the {cls.job} recipe has {_count(error.error_count(), 'problem')}: {cls._explain(error)}",
                where=where,
                hint=f"viscodex recipes show {cls.job}/NAME lists the keys",
            ) from None

    @classmethod
    def keys(cls) -> list[str]:
        """The keys as they are written in a file (aliases)."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        lines = []
        for item in error.errors():
            key = ".".join(
                str(part) for part in item["loc"] if not str(part).startswith(("function-", "lax-or-strict"))
            )
            if item["type"] == "extra_forbidden":
                lines.append(f'unknown key "{key}", {did_you_mean(key.split(".")[-1], cls.keys())}')
            else:
                lines.append(f"{key + ': ' if key else ''}{item['msg'].removeprefix('Value error, ')}")
        return "; ".join(lines)

    def resolved(self) -> dict[str, Any]:
        """Every setting as plain JSON-able values, defaults included; what is written beside each result."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the resolved settings: equal for equal recipes, whatever file or flag they came from."""
        return hashlib.sha256(json.dumps(self.resolved(), sort_keys=True).encode()).hexdigest()


def packaged(job: str = "") -> Iterator[Path]:
    """Every packaged recipe (of one job), sorted."""
    yield from sorted((PACKAGED / job).rglob("*.toml"))


def recipe_name(path: Path) -> str:
    """`merge/viscodex-8b` for a packaged file."""
    return path.relative_to(PACKAGED).with_suffix("").as_posix()


def header(path: Path) -> str:
    """The comment block a recipe file begins with, without its marks."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return "\n".join(lines)


def find(job: str, name_or_path: str) -> Path:
    """The recipe file of a packaged name (`viscodex-8b`, `merge/viscodex-8b`) or of a path."""
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        if path.is_file():
            return path
        raise UsageError("no such recipe file", where=name_or_path, hint="viscodex recipes lists the packaged ones")
    names = {recipe_name(p).removeprefix(f"{job}/"): p for p in packaged(job)}
    wanted = name_or_path.removeprefix(f"{job}/")
    if wanted not in names:
        raise UsageError(f'no {job} recipe "{name_or_path}"', hint=did_you_mean(wanted, names))
    return names[wanted]


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file, or say where it is malformed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not valid TOML: {error}", where=str(path)) from error
    except OSError as error:
        raise UsageError(f"cannot read the recipe: {error.strerror}", where=str(path)) from error


def parse_set(assignments: Sequence[str]) -> dict[str, Any]:
    """`["vlm=a/b", "lambda=0.7"]` → values. The right side is TOML; what is not TOML is taken as a string."""
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UsageError(f'--set takes key=value, not "{assignment}"', hint="--set lambda=0.7")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text
    return values


def assign(values: dict[str, Any], dotted: str, value: Any) -> None:
    """Set `a.b` inside nested tables; the longest existing path wins, so that pattern keys may hold dots."""
    head, _, rest = dotted.partition(".")
    if rest and isinstance(values.get(head), dict):
        assign(values[head], rest, value)
    elif rest and head not in values:
        assign(values.setdefault(head, {}), rest, value)
    else:
        values[dotted if rest else head] = value


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
