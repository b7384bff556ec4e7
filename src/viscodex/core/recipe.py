"""Recipes: TOML files, found by packaged name or path, read into typed fields; unknown keys are refused."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from functools import reduce
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from viscodex.core.errors import UsageError, did_you_mean

PACKAGED = Path(__file__).parent.parent / "recipes"


class Recipe(BaseModel):
    """Settings of one job. A subclass names its `job` (the folder of its packaged recipes) and adds typed fields."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)
    job: ClassVar[str] = ""

    name: str = Field(default="", description="What the result is called; a file's own name unless given.")
    seed: int = Field(default=0, description="Where every random choice starts.")

    @classmethod
    def load(cls, name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read a recipe by packaged name or path, apply `--set` overrides, and check every key and value."""
        path = find(cls.job, name_or_path)
        values = {"name": path.stem} | read_toml(path)
        for key, value in (overrides or {}).items():
            assign(values, key_path(cls, key), value)
        return cls.parse(values, where=str(name_or_path))

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Self:
        """Validate plain values; every problem is listed in one UsageError."""
        try:
            return cls.model_validate(values, by_alias=True, by_name=False)
        except ValidationError as error:
            raise UsageError(
                f"the {cls.job} recipe has {_count(error.error_count(), 'problem')}: {cls._explain(error)}",
                where=where,
                hint=f"viscodex recipes keys {cls.job}",
            ) from None

    @classmethod
    def keys(cls) -> list[str]:
        """The keys as they are written in a file (aliases)."""
        return list(_annotations(cls))

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        lines = []
        for item in error.errors():
            key = ".".join(
                str(part) for part in item["loc"] if not str(part).startswith(("function-", "lax-or-strict"))
            )
            if item["type"] == "extra_forbidden":
                known = _annotations(reduce(_child, item["loc"][:-1], cls))
                lines.append(f'unknown key "{key}", {did_you_mean(str(item["loc"][-1]), known)}')
            else:
                lines.append(f"{key + ': ' if key else ''}{item['msg'].removeprefix('Value error, ')}")
        return "; ".join(lines)

    def resolved(self) -> dict[str, Any]:
        """Every setting as plain JSON-able values, defaults included; what is written beside each result."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the resolved settings but the name: the same whatever file or flag they came from."""
        settings = {key: value for key, value in self.resolved().items() if key != "name"}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


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
    try:
        path = Path(name_or_path).expanduser()
        is_file = path.is_file()
    except (OSError, RuntimeError):  # a name too long, a home folder of nobody
        path, is_file = Path(), False
    if path.suffix == ".toml" or is_file:
        if is_file:
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
    except (ValueError, RecursionError) as error:  # also bytes that are no UTF-8, 5,000 digits, 50,000 brackets
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
        values[key.strip()] = _toml_value(text)
    return values


def key_path(recipe: type[BaseModel], dotted: str) -> list[str]:
    """Split `table.key` along the recipe's tables; below a plain mapping the rest is one key.

    `weights.layers.*.mlp.*` sets the pattern `layers.*.mlp.*` in the mapping `weights`, dots and all.
    """
    parts = dotted.split(".")
    shape: Any = recipe
    for depth, part in enumerate(parts):
        if not _has_tables(shape):
            return [*parts[:depth], ".".join(parts[depth:]).strip("\"'")]
        shape = _child(shape, part)
    return parts


def assign(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set a value inside nested tables; what stood in the way of a table gives way to it."""
    *tables, last = path
    for key in tables:
        if not isinstance(values.get(key), dict):
            values[key] = {}
        values = values[key]
    values[last] = value


def _toml_value(text: str) -> Any:
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value = document.pop("value")
    if document or isinstance(value, date | time):  # several lines, or a path that looks like a date
        return text
    return value


def _annotations(shape: Any) -> dict[str, Any]:
    """Key → annotation of a table (a pydantic class) or of the tables in a union; nothing for anything else."""
    tables = (member for member in _members(shape) if isinstance(member, type) and issubclass(member, BaseModel))
    return {field.alias or name: field.annotation for table in tables for name, field in table.model_fields.items()}


def _child(shape: Any, key: Any) -> Any:
    """The annotation below `key`: a table's field, or the `Table` of a `dict[str, Table]`."""
    named = (get_args(member)[1] for member in _members(shape) if get_origin(member) is dict)
    return _annotations(shape).get(str(key)) or next((table for table in named if _annotations(table)), None)


def _has_tables(shape: Any) -> bool:
    return bool(_annotations(shape)) or _child(shape, None) is not None


def _members(shape: Any) -> tuple[Any, ...]:
    """The alternatives of a union, or the annotation alone."""
    if get_origin(shape) in (Union, UnionType):
        return tuple(member for part in get_args(shape) for member in _members(part))
    return _members(get_args(shape)[0]) if get_origin(shape) is Annotated else (shape,)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
