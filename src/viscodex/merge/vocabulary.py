"""Which row of another model's embedding belongs to each row of the VLM's: by number, or by token string."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from viscodex.checkpoint.reader import Checkpoint
from viscodex.core.errors import VisCodexError
from viscodex.core.problems import Problem
from viscodex.core.rundir import read_json

LEAST_SHARED = 0.5  # below this share of the VLM's tokens two vocabularies are taken for unrelated

_VISION_IDS = re.compile(r"^(image|video|vision|boi|eoi).*_(token_id|token_index)$|^(image|video)_token$")
_VISION_TOKENS = re.compile(
    r"<\|?/?(vision_(start|end|pad)|image_pad|video_pad|image|video|img|IMG_CONTEXT|(quad|box|object_ref)_(start|end)"
    r"|quad|box|ref|row_\d+_col_\d+|global-img|fake_token_around_image|start_of_image|end_of_image|image_soft_token)\|?>|\[IMG(_BREAK|_END)?\]"
)


@dataclass(frozen=True)
class RowMap:
    """For each row of the VLM's embedding, the row of the other model's; −1 where only the VLM has it."""

    rows: NDArray[np.int64]

    @property
    def digest(self) -> str:
        """A hash of the rows."""
        return xxhash.xxh3_128_hexdigest(self.rows.tobytes())


def read_tokens(folder: Path) -> dict[str, int] | None:
    """Token string → id from tokenizer.json, or else vocab.json and what was added; None when the folder has neither.

    A slow tokenizer's added tokens stand in added_tokens.json, or in tokenizer_config.json, or in both.
    """
    tokens: dict[str, int] = {}
    if (folder / "tokenizer.json").is_file():
        tokens = _checked(folder / "tokenizer.json", _tokens_of)
    elif (folder / "vocab.json").is_file():
        tokens = _checked(folder / "vocab.json", lambda content: content)
        if (folder / "added_tokens.json").is_file():
            tokens |= _checked(folder / "added_tokens.json", lambda content: content)
        if (folder / "tokenizer_config.json").is_file():
            tokens |= _checked(folder / "tokenizer_config.json", _added_of)
    return tokens or None


def _tokens_of(content: Any) -> dict[Any, Any]:
    """The tokens of a tokenizer.json: a table, or a list of (token, score) in the order of their ids."""
    vocabulary = content["model"].get("vocab") or {}
    if isinstance(vocabulary, list):
        vocabulary = {entry[0]: number for number, entry in enumerate(vocabulary)}
    return {**vocabulary, **{token["content"]: token["id"] for token in content.get("added_tokens") or []}}


def _added_of(content: Any) -> dict[Any, Any]:
    """The added tokens of a tokenizer_config.json: id, as a string → description."""
    return {token["content"]: int(number) for number, token in (content.get("added_tokens_decoder") or {}).items()}


def _checked(path: Path, tokens_of: Callable[[Any], Any]) -> dict[str, int]:
    """Tokens of a file, every id a whole number ≥ 0."""
    content = read_json(path)
    try:
        tokens = dict(tokens_of(content))
        sound = all(isinstance(token, str) and type(number) is int and number >= 0 for token, number in tokens.items())
    except (AttributeError, TypeError, ValueError, KeyError, IndexError):
        sound = False
    if not sound:
        raise VisCodexError(f"{path.name} holds no table of tokens and their ids", where=str(path))
    return tokens


def vision_rows(config: Mapping[str, Any], tokens: Mapping[str, int] | None) -> set[int]:
    """Ids of the VLM's vision special tokens, from its config and its tokenizer."""
    ids = {v for k, v in config.items() if _VISION_IDS.match(k) and isinstance(v, int) and not isinstance(v, bool)}
    return ids | {number for token, number in (tokens or {}).items() if _VISION_TOKENS.fullmatch(token)}


def match_rows(
    vlm: Checkpoint, other: Checkpoint, role: str, vlm_rows: int, other_rows: int, problems: list[Problem]
) -> RowMap:
    """Match the rows of two embeddings.

    Equal sizes: by number, except rows to which the tokenizers give different strings, and strings to which they give
    different rows; these go by string.
    Different sizes: by token string only. Too few shared tokens, or no tokenizer to tell, is a problem.
    """
    rows = np.arange(vlm_rows, dtype=np.int64)
    same = _same_tokenizer(vlm.path, other.path)
    if same and vlm_rows == other_rows and not vlm.family.is_multimodal:
        return RowMap(rows)
    ours = read_tokens(vlm.path)
    theirs = ours if same else read_tokens(other.path)
    if ours is None or theirs is None:
        if vlm_rows == other_rows:
            return RowMap(_without_vision(rows, vlm, ours))
        lacking = " and ".join(name for name, tokens in ((vlm.role, ours), (role, theirs)) if tokens is None)
        what = "embedding sizes differ and there is no tokenizer to match rows by"
        problems.append(Problem(what, f"{vlm.role} {vlm_rows}, {role} {other_rows} rows; no tokenizer.json: {lacking}"))
        return RowMap(rows)
    if ours is theirs and vlm_rows == other_rows:
        return RowMap(_without_vision(rows, vlm, ours))
    shared = sum(token in theirs for token in ours) / len(ours)
    if shared < LEAST_SHARED:
        where = f"{role} shares {shared:.0%} of the {vlm.role}'s {len(ours)} tokens"
        problems.append(Problem("other vocabulary", where, "choose models with the same tokenizer"))
    if vlm_rows == other_rows:
        names = {number: token for token, number in theirs.items()}
        differs = {n for t, n in ours.items() if names.get(n, t) != t or theirs.get(t, n) != n}
        moved = {n: theirs.get(t, -1) for t, n in ours.items() if n < vlm_rows and n in differs}
    else:
        rows[:] = -1
        moved = {n: theirs.get(t, -1) for t, n in ours.items() if n < vlm_rows}
    for number, row in moved.items():
        rows[number] = row if row < other_rows else -1
    return RowMap(_without_vision(rows, vlm, ours))


def _same_tokenizer(ours: Path, theirs: Path) -> bool:
    """Whether two folders hold the same tokenizer.json, as most models of a family do: to parse 7 MB takes 0.2 s."""
    files = (ours / "tokenizer.json", theirs / "tokenizer.json")
    return all(file.is_file() for file in files) and filecmp.cmp(*files, shallow=False)


def _without_vision(rows: NDArray[np.int64], vlm: Checkpoint, tokens: Mapping[str, int] | None) -> NDArray[np.int64]:
    if vlm.family.is_multimodal:
        ids = [i for i in vision_rows(vlm.config, tokens) if 0 <= i < len(rows)]
        rows[ids] = -1
    return rows
