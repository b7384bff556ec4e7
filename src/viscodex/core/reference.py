"""What a recipe may hold, in words: for `viscodex recipes keys` and docs/recipes.md."""

from __future__ import annotations

import json
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class Key(NamedTuple):
    """One key of a recipe as it is written in a file."""

    key: str
    type: str
    default: str
    meaning: str


def keys_of(recipe: type[BaseModel], table: str = "") -> list[Key]:
    """Every key of a recipe, in the order of its fields; those of a table as `table.key`."""
    keys = []
    for name, field in recipe.model_fields.items():
        key, shape = table + (field.alias or name), field.annotation
        if isinstance(shape, type) and issubclass(shape, BaseModel):
            keys += keys_of(shape, f"{key}.")
        elif optional := _optional_table(shape):
            keys.append(Key(key, "table", _default(field), field.description or ""))
            keys += keys_of(optional, f"{key}.")
        else:
            keys.append(Key(key, type_in_words(shape), _default(field), field.description or ""))
    return keys


def _optional_table(annotation: Any) -> type[BaseModel] | None:
    """The table of `Table | None`."""
    members = [member for member in get_args(annotation) if member is not NoneType]
    is_table = len(members) == 1 and isinstance(members[0], type) and issubclass(members[0], BaseModel)
    return members[0] if is_table and get_origin(annotation) in (Union, UnionType) else None


def type_in_words(annotation: Any) -> str:
    """`float | None` → "number"; `Literal["a", "b"]` → `"a" or "b"`; `dict[str, float]` → "table of numbers"."""
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_in_words(members[0])
    if origin is Literal:
        return " or ".join(json.dumps(member) for member in members)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(type_in_words(member) for member in members if member is not NoneType))
    if origin in (list, tuple, set, frozenset):
        return f"list of {_plural(members[0])}"
    if origin is dict:
        return f"table of {_plural(members[1])}"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


_WORDS: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any value"}


def _plural(annotation: Any) -> str:
    words = type_in_words(annotation)
    if " or " in words:
        return f"({words})"
    return words if words == "text" else f"{words}s"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "not set"
    return json.dumps(value, ensure_ascii=False, default=str)
