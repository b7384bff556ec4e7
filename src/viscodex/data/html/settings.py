"""What the html pipeline can be told."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from viscodex.data.inputs import Input, all_named

Css = Literal["plain", "tailwind", "bootstrap"]


class Settings(BaseModel):
    """Inputs, how new pages are designed, and what is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    screenshots: tuple[Input, ...] = Field((), description="Style seeds, in folders, zips, parquet or JSONL files.")
    pages: tuple[Input, ...] = Field((), description="Folders of HTML pages, drawn first, then style seeds as well.")
    seed: int = Field(0, description="Where every draw (topic, language, CSS, instruction) starts.")
    design: bool = Field(
        True, description="Let a model design new pages after the seeds; else the pages themselves are the responses."
    )
    designs_per_seed: int = Field(1, ge=1, le=100, description="New pages for each seed, each with draws of its own.")
    topics: tuple[str, ...] = Field((), description="What new pages may be about; empty: the packaged list.")
    languages: tuple[str, ...] = Field((), description="Languages of their words; empty: the packaged list.")
    css: tuple[Css, ...] = Field(
        ("plain", "plain", "tailwind", "bootstrap"),
        min_length=1,
        description="How they are styled; what stands here twice is drawn twice as often.",
    )
    temperature: float = Field(0.8, ge=0, description="Of the designs.")
    max_tokens: int = Field(8192, ge=256, description="Where a design is cut, and then rejected.")
    width: int = Field(1280, ge=320, le=4096, description="Pixels of the window that pages are drawn in.")
    min_height: int = Field(200, ge=0, description="Pixels; what is shorter is rejected (too_short).")
    max_height: int = Field(8000, ge=200, description="Pixels; what is taller is rejected (too_tall).")
    min_ink: float = Field(
        0.01, ge=0, le=1, description="Share of the picture that is not background (else little_ink)."
    )
    min_text: int = Field(300, ge=0, description="Visible characters, spaces not counted (else little_text).")
    max_code: int = Field(60_000, ge=1000, description="Characters of a page; longer ones are rejected (too_long).")
    phash_distance: int = Field(
        16, ge=0, le=64, description="Pictures with at most so many of 256 bits apart are duplicates."
    )
    dom_similarity: float = Field(0.85, gt=0, le=1, description="Pages whose DOM is so much alike are duplicates.")
    judge: bool = Field(False, description="Let a vision model mark every page from 1 to 5.")
    min_quality: int = Field(4, ge=1, le=5, description="Marks from which a page is kept.")

    @model_validator(mode="after")
    def _named(self) -> Self:
        all_named((*self.screenshots, *self.pages))
        return self
