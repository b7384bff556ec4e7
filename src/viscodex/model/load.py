"""Load a checkpoint strictly: every parameter filled, none left over, none random. Or say which, by part."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from transformers.utils import logging as transformers_logging

from viscodex.checkpoint.layout import PARTS, Part, part_of
from viscodex.core import rundir
from viscodex.core.errors import VisCodexError
from viscodex.model.faults import Faults, faults_on_meta

__all__ = ["PARTS", "Part", "check_loadable", "is_multimodal", "load_model", "part_of", "parts_of", "read_config"]


def parts_of(model: torch.nn.Module) -> dict[Part, list[str]]:
    """Parameter names by part; a text-only model has a backbone alone."""
    found: dict[Part, list[str]] = {}
    for name, _ in model.named_parameters():
        found.setdefault(part_of(name), []).append(name)
    return found


def load_model(
    folder: Path | str,
    dtype: torch.dtype | str = "auto",
    device: torch.device | str = "cpu",
    parts: Collection[Part] | None = None,
) -> Any:
    """A model in evaluation mode, exactly as on disk; a fault lists the tensors by part.

    `dtype` "auto" is the checkpoint's own. `parts` are those the model must have: `PARTS` refuses a text-only model.
    """
    folder = Path(folder)
    check_loadable(folder, parts)  # refuse before the first byte of weights
    with quiet():
        try:
            model, info = _model_class(read_config(folder)).from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # listed below with the rest instead of raised alone
            )
        except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:  # ImportError: a quantiser's
            raise VisCodexError(f"transformers cannot load the checkpoint: {error}", where=str(folder)) from error
    Faults.of(info).refuse(folder)
    _refuse_untied(folder, model)
    return model.to(device).eval()


def check_loadable(folder: Path | str, parts: Collection[Part] | None = None) -> None:
    """Whether `load_model` would succeed, from headers alone: transformers' own loading, run without any values."""
    folder = Path(folder)
    config = read_config(folder)
    shapes = _headers(folder)
    with quiet():
        with torch.device("meta"):
            model = _model_class(config)._from_config(config)
        faults = faults_on_meta(model, shapes)
    faults.refuse(folder)
    _require(folder, parts_of(model), parts)


def read_config(folder: Path) -> Any:
    """The configuration of a checkpoint folder, as its transformers class."""
    if not (folder / "config.json").is_file():
        raise VisCodexError("no checkpoint here: config.json is missing", where=str(folder))
    rundir.read_json(folder / "config.json")  # names the line where the JSON is broken
    try:
        return transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    except StrictDataclassError as error:
        raise VisCodexError(f"transformers does not accept config.json: {error}", where=str(folder)) from error
    except (OSError, ValueError, TypeError) as error:
        raise VisCodexError(f"transformers does not know this model: {_sentence(error)}", where=str(folder)) from error


def is_multimodal(config: Any) -> bool:
    """Whether the model takes pictures."""
    return type(config) in transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING


def _model_class(config: Any) -> Any:
    mapping = (
        transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
        if is_multimodal(config)
        else transformers.MODEL_FOR_CAUSAL_LM_MAPPING
    )
    if type(config) not in mapping:
        raise VisCodexError(f"{config.model_type} is neither a vision-language model nor a causal language model")
    return mapping[type(config)]


def _headers(folder: Path) -> dict[str, list[int]]:
    """Name → shape of every tensor, from the safetensors headers; missing and broken files are errors."""
    shapes: dict[str, list[int]] = {}
    files = _weight_files(folder)
    if absent := [file for file in files if not (folder / file).is_file()]:
        raise VisCodexError(f"weights are missing: {', '.join(absent)}", str(folder), hint="copy the whole folder")
    for file in files:
        try:
            with safe_open(folder / file, "pt") as reader:
                shapes |= {name: reader.get_slice(name).get_shape() for name in reader.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise VisCodexError(f"not a whole safetensors file: {error}", where=str(folder / file)) from error
    return shapes


def _weight_files(folder: Path) -> list[str]:
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return ["model.safetensors"]
    content = rundir.read_json(index)
    if not isinstance(content, dict) or not isinstance(content.get("weight_map"), dict):
        raise VisCodexError("the index has no weight_map", where=str(index))
    files = sorted({str(file) for file in content["weight_map"].values()})
    if outside := [file for file in files if Path(file).name != file]:
        raise VisCodexError(f"the index names files outside its folder: {outside[0]}", where=str(index))
    return files


def _refuse_untied(folder: Path, model: Any) -> None:
    """transformers only warns when a model that ties its head comes with another head, and then does not tie it."""
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if model.config.tie_word_embeddings and head is not None and head.weight is not embedding.weight:
        raise VisCodexError(
            "config.json says tie_word_embeddings, but lm_head.weight differs from the embedding",
            where=str(folder),
            hint='set "tie_word_embeddings": false in config.json, or remove the tensor',
        )


def _require(folder: Path, found: Mapping[Part, Any], parts: Collection[Part] | None) -> None:
    absent = [part for part in parts or () if part not in found]
    if absent:
        raise VisCodexError(
            f"the model has no {' and no '.join(absent)}", where=str(folder), hint="name a vision-language model"
        )


def _sentence(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bar and no loading report from transformers: faults are told by us, in one place."""
    level, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
