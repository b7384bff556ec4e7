"""What the qa pipeline may be told."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PictureSettings(BaseModel):
    """Where pictures come from, and what they must be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: str = Field(default="", description="A folder that has them, by name or as HOST/PATH; looked at first.")
    online: bool = Field(default=False, description="Fetch what the folder lacks; else nothing leaves this machine.")
    hosts: tuple[str, ...] = Field(
        default=("i.stack.imgur.com", "i.sstatic.net"),
        description="The only hosts that pictures may come from (host, or host:port).",
    )
    cache: str = Field(default="", description="A folder for what was fetched; empty is viscodex's cache folder.")
    per_second: float = Field(default=2.0, gt=0, description="Requests a second, all worker processes together.")
    timeout_s: float = Field(default=20.0, gt=0, description="For one picture, redirects included.")
    largest_bytes: int = Field(default=10_000_000, ge=1, description="Larger files are not read to their end.")
    largest_pixels: int = Field(default=40_000_000, ge=1, description="Larger pictures are not decoded.")
    smallest_side: int = Field(default=32, ge=1, description="Pixels that each side must have: less is an icon.")


class Settings(BaseModel):
    """Questions with pictures and their accepted answers, from a dump of a Stack Exchange site."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dump: str = Field(description="Posts.xml: plain, .gz, .bz2, or the .7z that holds it.")
    site: str = Field(
        default="stackoverflow.com", description="The site that the dump is of: for links and attribution."
    )
    retrieved: str = Field(default="", description="The day of the dump, for the rows' source.")
    least_score: int = Field(default=1, description="The least score of a question and of its answer.")
    least_views: int = Field(default=0, ge=0, description="How often a question must have been seen at least.")
    most_pictures: int = Field(default=8, ge=1, description="Questions with more are rejected.")
    languages: tuple[str, ...] = Field(
        default=("python", "html"), description="The answer has a code block in one of these; empty takes any."
    )
    link_only_below: int = Field(
        default=80, ge=0, description="Characters of prose, links apart, that an answer with hardly any code needs."
    )
    refine: Literal["model", "rules", "none"] = Field(
        default="model", description="Who cleans the answer: the model (rules without an endpoint), rules, or nobody."
    )
    run_code: bool = Field(default=True, description="Run Python before and after refining: what ran must still run.")
    run_s: float = Field(default=5.0, gt=0, description="CPU seconds for such a run.")
    limit: int = Field(default=0, ge=0, description="Stop after so many pairs of posts; 0 reads the whole dump.")
    pictures: PictureSettings = Field(
        default_factory=lambda: PictureSettings(), description="Where pictures come from, and what they must be."
    )
