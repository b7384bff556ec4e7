"""The command line that serves a checkpoint with vLLM as `Local` would run it. Text only: it starts nothing.

vLLM lives in an environment of its own, and is reached by its URL; `runner.server` starts it where a recipe asks so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_API_KEY": ""}
"""What vLLM finds in its environment: it sends nothing home, and asks for no key."""


class Serving(BaseModel):
    """How vLLM serves a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    program: str = Field(default="vllm", description="The command, with its path where PATH has none.")
    start_s: float = Field(default=1800.0, gt=0, description="Seconds until it must be ready, where we start it.")
    host: str = Field(default="127.0.0.1", description="Where it listens; other addresses are open to others.")
    port: int = Field(default=8000, ge=1, le=65535, description="Where we start it ourselves, another that is free.")
    max_model_len: int = Field(default=16384, ge=1, description="Tokens of prompt, pictures and answer together.")
    images: int = Field(default=4, ge=0, description="Pictures in a prompt; memory is set aside for so many.")
    min_pixels: int = Field(default=0, ge=0, description="Pictures are made no smaller; 0: the checkpoint's own.")
    max_pixels: int = Field(default=0, ge=0, description="Pictures are made no larger; 0: the checkpoint's own.")
    gpus: int = Field(default=1, ge=1, description="GPUs that share each layer (tensor parallel).")
    memory: float = Field(default=0.9, gt=0, le=1, description="Share of the GPU's memory.")
    max_sequences: int = Field(default=0, ge=0, description="Answers written at the same time; 0: vLLM's own number.")
    dtype: str = Field(default="auto", description="auto is the checkpoint's own.")


def command(model: Path | str, serving: Serving = Serving(), *, name: str = "") -> list[str]:
    """`vllm serve MODEL …`, one argument an item. `name`: what requests call the model; its folder's name if empty.

    `--generation-config vllm` keeps the checkpoint's repetition penalty and temperature out, as `Local` does; the
    video limit is 0, since vLLM would set memory aside for the longest video (Qwen2.5-VL: 16,384 tokens).
    """
    arguments = [serving.program, "serve", str(model), "--served-model-name", name or Path(model).name]
    arguments += ["--host", serving.host, "--port", str(serving.port)]
    arguments += ["--dtype", serving.dtype, "--seed", "0", "--generation-config", "vllm"]
    arguments += ["--max-model-len", str(serving.max_model_len)]
    arguments += ["--limit-mm-per-prompt", _json({"image": serving.images, "video": 0})]
    pixels = {"min_pixels": serving.min_pixels, "max_pixels": serving.max_pixels}
    if bounds := {name: value for name, value in pixels.items() if value}:
        arguments += ["--mm-processor-kwargs", _json(bounds)]
    arguments += ["--tensor-parallel-size", str(serving.gpus), "--gpu-memory-utilization", str(serving.memory)]
    if serving.max_sequences:
        arguments += ["--max-num-seqs", str(serving.max_sequences)]
    return arguments


def url(serving: Serving = Serving()) -> str:
    """Where it answers."""
    return f"http://{serving.host}:{serving.port}/v1"


def health(serving: Serving = Serving()) -> str:
    """Where it says that it is ready."""
    return f"http://{serving.host}:{serving.port}/health"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
