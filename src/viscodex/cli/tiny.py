"""`viscodex tiny`: a tiny VLM, code LLM and base to try everything on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from viscodex.core import console

FAMILY = "qwen2_vl, qwen2_5_vl, qwen3_vl, llava_onevision, internvl, idefics3, smolvlm, gemma3 or mistral3."


def register(app: typer.Typer) -> None:
    app.command()(tiny)


def tiny(
    folder: Path = typer.Argument(metavar="DIR", help="Where vlm/, code/ and base/ are written."),
    family: str = typer.Option("qwen2_5_vl", help=FAMILY),
    layout: str = typer.Option("hub", help="Tensor names: hub (as downloaded) or memory (as newer savers write)."),
    tied: bool = typer.Option(False, "--tied", help="The output head shares the embedding."),
    shards: int = typer.Option(2, min=1, help="Files per checkpoint."),
    seed: int = typer.Option(0, help="Another seed, other weights."),
    json: bool = typer.Option(False, "--json", help="As JSON."),
) -> None:
    """Write a tiny but real trio of checkpoints: a VLM, a code LLM of the same backbone, and their base."""
    from viscodex.model.tiny import write_trio

    chosen: dict[str, Any] = {"family": family, "layout": layout, "tied": tied, "shards": shards, "seed": seed}
    trio = write_trio(folder, **chosen)
    if json:
        console.result_json({role: str(path) for role, path in trio._asdict().items()})
    else:
        for path in trio:
            console.result(str(path))
