"""What the builder of InfiBench-V may be told."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from viscodex.core.infibench_v import FULL_SIZE, SHARES, Category
from viscodex.core.recipe import Recipe
from viscodex.data.decontaminate import Settings as DecontaminationSettings
from viscodex.data.qa.settings import PictureSettings
from viscodex.data.qa.settings import Settings as QaSettings
from viscodex.data.recipe import DataRecipe, Model

ANY_SCORE = -1_000_000
LANGUAGES = (
    *("javascript", "typescript", "html/css", "python", "r", "java", "csharp", "c++", "go", "php", "ruby", "bash"),
    *("sql", "dart"),
)
"""The thirteen of the benchmark; the last two count as one."""


class BuilderRecipe(Recipe):
    """Everything `viscodex data infibench-v build` needs to know. Every key can be given by `--set key=value`."""

    job: ClassVar[str] = "infibench-v"

    dump: str = Field(description="Posts.xml: plain, .gz, .bz2, or the .7z that holds it.")
    site: str = Field(default="stackoverflow.com", description="The site that the dump is of: for links, attribution.")
    retrieved: str = Field(default="", description="The day of the dump.")
    pictures: PictureSettings = Field(
        default_factory=lambda: PictureSettings(), description="Where pictures come from, and what they must be."
    )
    least_score: int = Field(default=3, description="Stage 2: the least score of a question.")
    least_answer_score: int = Field(default=2, description="Stage 2: the least score of its accepted answer.")
    least_views: int = Field(default=1000, ge=0, description="Stage 2: how often it must have been seen.")
    most_pictures: int = Field(default=4, ge=1, description="Questions with more pictures are rejected.")
    languages: tuple[str, ...] = Field(default=LANGUAGES, description="What a question may be about.")
    similarity: float = Field(
        default=0.6, gt=0, le=1, description="Questions whose words are so alike are one (MinHash of runs of 4 words)."
    )
    distance: int = Field(default=4, ge=0, le=16, description="Bits that the hashes of two alike pictures differ.")
    decontaminate: DecontaminationSettings = Field(
        default_factory=lambda: DecontaminationSettings(),
        description="What candidates are held against: benchmarks, and training data by name = path.",
    )
    paraphrase: bool = Field(default=True, description="Have the model propose other words for every candidate.")
    size: int = Field(default=FULL_SIZE, ge=1, description="Questions that the suite is to have.")
    shares: dict[Category, float] = Field(default_factory=lambda: dict(SHARES), description="Of each category.")
    queue: float = Field(default=3.0, ge=1, description="Candidates that people get to see for every one wanted.")
    llm: Model = Model()
    rules_only: bool = Field(default=False, description="Ask no model: a rule stands in, paraphrases are left out.")
    limit: int = Field(default=0, ge=0, description="Only the first so many questions with a picture; 0 is all.")
    workers: int = Field(default=0, ge=0, le=256, description="Worker processes; 0 is one per core.")
    row_s: float = Field(default=300.0, gt=0, description="Seconds that a stage may take for one row.")
    tries: int = Field(default=3, ge=1, description="For a row whose worker dies, hangs or raises.")

    def posts(self) -> QaSettings:
        """How posts become drafts: popularity is a stage of its own here, and says what it rejects."""
        return QaSettings(
            dump=self.dump,
            site=self.site,
            retrieved=self.retrieved,
            least_score=ANY_SCORE,
            most_pictures=self.most_pictures,
            languages=(),
            pictures=self.pictures,
        )

    def means(self) -> DataRecipe:
        """What of it every build of data needs."""
        shared = ("name", "llm", "rules_only", "limit", "workers", "row_s", "tries")
        return DataRecipe.model_validate({name: getattr(self, name) for name in shared})
