"""Tiny real checkpoints to try everything on: a VLM, a code LLM, and the base both come from.

The weights are random, and related as real ones are: the backbones of the VLM and the code LLM are the base plus small
differences, so that task vectors exist. Names, shards, configurations, tokenizer and processor are those of the family.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers

from viscodex.core import rundir
from viscodex.core.errors import UsageError, did_you_mean
from viscodex.model import tiny_tokenizer
from viscodex.model.hub_files import Layout, on_disk, write_config, write_text, write_weights
from viscodex.model.tiny_families import FAMILIES, HEAD_DIM, Family, Size
from viscodex.model.tiny_tokenizer import PAD, STOP

TUNED = 0.1  # how far tuning moved the weights, in units of their own spread


class Trio(NamedTuple):
    """The three folders."""

    vlm: Path
    code: Path
    base: Path


def write_trio(
    folder: Path | str,
    family: str = "qwen2_5_vl",
    layout: Layout = "hub",
    tied: bool = False,
    shards: int = 2,
    seed: int = 0,
    *,
    layers: int = 2,
    hidden: int = 64,
    vocab_size: int = 512,
    code_vocab_size: int | None = None,
) -> Trio:
    """Write `folder/{vlm,code,base}` in bfloat16 and return the three paths; the same arguments give the same bytes.

    `hidden` is a multiple of 32; `vocab_size` counts embedding rows (the tokenizer has about 400 tokens, the rest is
    padding, as in Qwen2.5); `code_vocab_size` gives the code LLM and the base another number of rows.
    """
    size = Size(layers, hidden, vocab_size, tied)
    code_size = Size(layers, hidden, code_vocab_size or vocab_size, tied)
    kind = _checked(family, layout, size, code_size, shards)
    folder = Path(folder)
    rundir.require_free(folder)
    partial = rundir.partial_path(folder)
    rundir.remove_tree(partial)
    for role in ("base", "code"):
        out = partial / role
        out.mkdir(parents=True)
        config, shapes = code_model(family, code_size)
        write_weights(out, dict(_draw(shapes, "model.", role, seed)), shards)
        write_config(out, config, layout, flat=False, stop=STOP, pad=PAD)
        _write_text_files(out, kind, picture="")
    out = partial / "vlm"
    out.mkdir()
    config, shapes = vlm_model(family, size)
    names = kind.hub_names if layout == "hub" else ()
    write_weights(out, {on_disk(n, names): t for n, t in _draw(shapes, kind.backbone, "vlm", seed)}, shards)
    write_config(out, config, layout, flat=kind.flat_config, stop=STOP, pad=PAD)
    _write_text_files(out, kind, picture=kind.picture, processor_class=kind.processor["processor_class"])
    _write_processor_files(out, kind)
    rundir.publish(partial, folder)
    return Trio(folder / "vlm", folder / "code", folder / "base")


def _checked(family: str, layout: str, size: Size, code_size: Size, shards: int) -> Family:
    if family not in FAMILIES:
        raise UsageError(f'no tiny family "{family}"', hint=did_you_mean(family, FAMILIES))
    if layout not in ("hub", "memory"):
        raise UsageError(f'no layout "{layout}"', hint=did_you_mean(layout, ("hub", "memory")))
    if size.hidden % (2 * HEAD_DIM):
        raise UsageError(f"hidden = {size.hidden} is not a multiple of {2 * HEAD_DIM}", hint="64")
    tokens = tiny_tokenizer.build(FAMILIES[family].special).get_vocab_size()
    if min(size.vocab_size, code_size.vocab_size) < tokens:
        raise UsageError(f"a vocabulary has at least {tokens} rows, the tokens of the tokenizer")
    tensors = len(code_model(family, code_size)[1])
    if not 1 <= shards <= tensors:
        raise UsageError(f"{tensors} tensors do not fill {shards} shards", hint="--shards 2")
    return FAMILIES[family]


# ---- shapes: from the model classes themselves, on the meta device


@lru_cache(maxsize=64)
def vlm_model(family: str, size: Size) -> tuple[Any, dict[str, tuple[int, ...]]]:
    """The VLM's configuration and the shape of every saved tensor, by its name in memory."""
    kind = FAMILIES[family]
    vocabulary = tiny_tokenizer.build(kind.special).get_vocab()
    ids = {token: vocabulary[token] for token in kind.special}
    values = kind.vlm(size, ids) | {"tie_word_embeddings": size.tied}
    config = transformers.AutoConfig.for_model(family, **values)
    return config, _shapes(transformers.AutoModelForImageTextToText, config, size.tied)


@lru_cache(maxsize=64)
def code_model(family: str, size: Size) -> tuple[Any, dict[str, tuple[int, ...]]]:
    """The same for the text-only model that fits the backbone."""
    kind = FAMILIES[family]
    config = transformers.AutoConfig.for_model(kind.code_type, **kind.code(size))
    return config, _shapes(transformers.AutoModelForCausalLM, config, size.tied)


def _shapes(auto_class: Any, config: Any, tied: bool) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        model = auto_class.from_config(config)
    config.architectures = [type(model).__name__]
    config.dtype = "bfloat16"
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if tied:
        del shapes["lm_head.weight"]
    return shapes


# ---- weights


def _draw(
    shapes: dict[str, tuple[int, ...]], backbone: str, role: str, seed: int
) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of a model: backbone tensors around those of the base, the rest by themselves."""
    for name, shape in shapes.items():
        shared = name.startswith((backbone, "lm_head."))
        key = "model." + name.removeprefix(backbone) if name.startswith(backbone) else name
        middle, spread = _scale(key, shape)
        weight = (middle + spread * _normal(key, shape, "base" if shared else role, seed)).bfloat16()
        if shared and role != "base":
            weight = (weight.float() + TUNED * spread * _normal(key, shape, role, seed)).bfloat16()
        yield name, weight


def _normal(key: str, shape: tuple[int, ...], role: str, seed: int) -> torch.Tensor:
    """Standard normal values that depend on the tensor's name only, not on which others were drawn before."""
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{role}/{key}".encode()))
    return torch.randn(shape, generator=generator)


def _scale(key: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Mean and spread that keep activations near 1: matrices by fan-in, norms around 1, biases around 0."""
    if len(shape) >= 2:
        return 0.0, 1.0 / math.sqrt(math.prod(shape[1:]))
    return (1.0, 0.1) if "norm" in key and key.endswith("weight") else (0.0, 0.1)


# ---- the files beside the weights


def _write_text_files(out: Path, kind: Family, picture: str, processor_class: str = "") -> None:
    files = tiny_tokenizer.tokenizer_files(
        tiny_tokenizer.build(kind.special),
        kind.special,
        named=kind.named,
        template=tiny_tokenizer.chat_template(picture),
        tokenizer_class=kind.tokenizer_class,
        processor_class=processor_class,
    )
    for name, content in files.items():
        write_text(out / name, content)


def _write_processor_files(out: Path, kind: Family) -> None:
    owner = {"processor_class": kind.processor["processor_class"]}
    write_text(out / "preprocessor_config.json", kind.preprocessor | owner)
    write_text(out / "processor_config.json", kind.processor)
    write_text(out / "chat_template.json", {"chat_template": tiny_tokenizer.chat_template(kind.picture)})
