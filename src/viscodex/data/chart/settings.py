"""What the chart pipeline can be told."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from viscodex.data.inputs import Input, all_named


class Settings(BaseModel):
    """Inputs, what a model does with them, and what is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpora: tuple[Input, ...] = Field(
        (), description="Collections of chart scripts: folders of .py, or JSONL or parquet files with a column of code."
    )
    repositories: tuple[Input, ...] = Field(
        (), description="Folders of other people's repositories, each in a folder of its own, to be mined."
    )
    licences: tuple[str, ...] = Field(
        (), description="Mine only repositories under these (SPDX names, read from their licence files); empty: all."
    )
    seed: int = Field(0, description="Where every draw (topic, instruction) starts.")
    rewrite: bool = Field(True, description="Let a model rewrite every script to a clean one with its data inline.")
    repairs: int = Field(3, ge=0, le=5, description="How often a model may mend a script that fails, from its error.")
    topics: tuple[str, ...] = Field((), description="What rewritten charts may be about; empty: the packaged list.")
    temperature: float = Field(0.7, ge=0, description="Of the rewriting; repairs are asked for at 0.2.")
    max_tokens: int = Field(4096, ge=256, description="Where a script is cut, and then rejected.")
    min_lines: int = Field(8, ge=1, description="Lines that are not empty; shorter scripts are rejected.")
    max_lines: int = Field(300, ge=1, description="Lines that are not empty; longer scripts are rejected.")
    legibility: bool = Field(
        True, description="Reject charts whose texts overlap, are cut off, or whose axes are empty."
    )
    phash_distance: int = Field(
        16, ge=0, le=64, description="Pictures with at most so many of 256 bits apart are duplicates."
    )
    aesthetics: bool = Field(True, description="Let a vision model mark every chart from 1 to 5.")
    min_aesthetic: int = Field(4, ge=1, le=5, description="Marks from which a chart is kept.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        all_named((*self.corpora, *self.repositories))
        if self.min_lines > self.max_lines:
            raise ValueError("min_lines is more than max_lines")
        return self
