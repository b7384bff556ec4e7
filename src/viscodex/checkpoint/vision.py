"""What a checkpoint's vision modules must hold: every block the config asks for, each with the same tensors."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from viscodex.checkpoint.layout import Part
from viscodex.core.problems import Problem

_BLOCK = re.compile(r"(?P<stack>.+?\.(?:blocks|layers?)\.)(?P<number>0|[1-9][0-9]{0,5})\.(?P<rest>.+)", re.DOTALL)
_HINT = "download the folder again"

Blocks = dict[int, set[str]]  # number of a block → its tensors, without what all names begin with


def vision_problems(keys: Iterable[tuple[Part, str]], config: Mapping[str, Any], role: str) -> list[Problem]:
    """What a VLM lacks beside its backbone, as far as names and config tell: a part, a block, a tensor of a block."""
    held: dict[Part, list[str]] = {}
    for part, key in keys:
        held.setdefault(part, []).append(key)
    parts: tuple[Part, ...] = ("vision", "projector")
    problems = [Problem(f"the checkpoint has no {part} tensors", role, _HINT) for part in parts if part not in held]
    stacks = _stacks(held.get("vision", []))
    asked = _depth(config) if len(stacks) == 1 else None  # which of several stacks a number means is not known
    for stack, blocks in stacks.items():
        problems += _stack_problems(stack, blocks, asked, role)
    return problems


def _stacks(names: Iterable[str]) -> dict[str, Blocks]:
    """The blocks of each stack, by what its names begin with."""
    found: dict[str, Blocks] = {}
    for name in names:
        if match := _BLOCK.fullmatch(name):
            found.setdefault(match["stack"], {}).setdefault(int(match["number"]), set()).add(match["rest"])
    return found


def _stack_problems(stack: str, blocks: Blocks, asked: int | None, role: str) -> list[Problem]:
    wanted = max(blocks) + 1 if asked is None else asked
    gap = next(number for number in itertools.count() if number not in blocks)
    if gap < wanted:  # a forged number of blocks is not gone through
        return [Problem("a vision block is missing", f"{role}: {stack}{gap} of {wanted}", _HINT)]
    extra = sorted(number for number in blocks if number >= wanted)
    more = "more vision blocks on disk than the config says"
    problems = [Problem(more, f"{role}: {stack}{extra[0]} of {wanted}")] if extra else []
    everywhere = set().union(*blocks.values())
    for number, held in sorted(blocks.items()):
        problems += [
            Problem("missing vision tensor", f"{role}: {stack}{number}.{rest}", _HINT)
            for rest in sorted(everywhere - held)
        ]
    return problems


def _depth(config: Mapping[str, Any]) -> int | None:
    """How many blocks the vision encoder has; None where the config does not say."""
    vision = config.get("vision_config")
    if not isinstance(vision, dict):
        return None
    sizes = (vision.get(name) for name in ("depth", "num_hidden_layers"))
    return next((size for size in sizes if type(size) is int and size > 0), None)
