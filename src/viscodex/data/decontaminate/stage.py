"""The stage that holds every row against the benchmarks. Its reasons name the benchmark and what was found of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from viscodex.core.sample import Sample
from viscodex.data.decontaminate.fingerprints import code_prints, grams
from viscodex.data.decontaminate.index import BUNDLED, Index, Prints, build_index, looks, read_index
from viscodex.data.dedup import PictureIndex
from viscodex.data.pipeline import Pipeline, Work
from viscodex.model.extract import extract
from viscodex.model.fences import blocks
from viscodex.runner.stage import Keep, Reject, Result

NAME = "decontaminate"


class Settings(BaseModel):
    """What rows are held against."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmarks: dict[str, str] = Field(
        default_factory=lambda: dict.fromkeys(BUNDLED, ""),
        description='Benchmark → its published files, or a JSON index of it; "" takes the samples that we ship.',
    )
    grams: int = Field(default=1, ge=1, description="So many shared runs of 13 words are too many.")
    distance: int = Field(default=4, ge=0, le=16, description="Bits that perceptual hashes of a shared picture differ.")

    def index(self) -> Index:
        """All of it, read or built."""
        found: dict[str, Prints] = {}
        for name, path in self.benchmarks.items():
            is_index = path.endswith(".json") and Path(path).is_file() and _says_index(Path(path))
            benchmarks = (read_index(Path(path)) if is_index else build_index({name: path})).benchmarks
            found |= {name: benchmarks[name]} if name in benchmarks else benchmarks
        return Index(benchmarks=found)


def _says_index(path: Path) -> bool:
    with path.open("rb") as file:
        return b"viscodex-decontamination" in file.read(200)


def decontaminated(pipeline: Pipeline, settings: Settings) -> Pipeline:
    """The pipeline with this stage at its end, where rows have their pictures and their final text."""
    return replace(pipeline, stages=[*pipeline.stages, Work(NAME, compare, OpenScreen(settings))])


@dataclass(frozen=True)
class OpenScreen:
    """Makes what a worker process compares with."""

    settings: Settings

    def __call__(self) -> Screen:
        return Screen(self.settings.index(), self.settings)


class Screen:
    """The index, turned round: from a fingerprint to the benchmark that has it."""

    def __init__(self, index: Index, settings: Settings) -> None:
        self.least_grams = settings.grams
        self.codes: dict[str, str] = {}
        self.grams: dict[str, str] = {}
        self.posts: dict[int, str] = {}
        self.pictures = PictureIndex(settings.distance)
        for name, prints in index.benchmarks.items():
            self.codes |= dict.fromkeys(prints.codes, name)
            self.grams |= dict.fromkeys(prints.grams, name)
            self.posts |= dict.fromkeys(prints.posts, name)
            for picture in prints.pictures:
                self.pictures.add(picture, name)

    def post(self, sample: Sample) -> Reject | None:
        """Of the question or the answer, where the row comes from Stack Overflow."""
        origin = sample.checks.get("origin") or {}
        if sample.kind != "qa" or origin.get("name") != "stackoverflow.com":
            return None
        numbers = (origin.get("id"), sample.checks.get("answer_id"))
        return next(
            (_reject(self.posts[n], "post", f"post {n}") for n in map(_number, numbers) if n in self.posts), None
        )

    def code(self, sample: Sample) -> Reject | None:
        codes = [extract(sample.response, sample.kind), *(block.text for block in blocks(sample.response))]
        for print_ in sorted(set().union(*map(code_prints, codes))):
            if print_ in self.codes:
                return _reject(self.codes[print_], "code", "the same program")
        return None

    def text(self, sample: Sample) -> Reject | None:
        text = f"{sample.text}\n\n{sample.response}" if sample.kind == "qa" else sample.text
        shared = Counter(self.grams[gram] for gram in set(grams(text)) if gram in self.grams)
        name, count = max(shared.items(), key=lambda pair: (pair[1], pair[0]), default=("", 0))
        return _reject(name, "text", f"{count} runs of 13 words") if count >= self.least_grams else None

    def picture(self, sample: Sample) -> Reject | None:
        for image in sample.images:
            print_ = looks(image.read())
            if print_ and (near := self.pictures.near(print_)):
                return _reject(near[0], "picture", f"{near[1]} bits from one of its pictures")
        return None


def compare(screen: Screen, sample: Sample) -> Result[Sample]:
    """Work of the stage: the first thing that is found, cheapest first."""
    for look in (screen.post, screen.code, screen.text, screen.picture):
        if (reject := look(sample)) is not None:
            return reject
    return Keep(sample)


def _reject(benchmark: str, what: str, detail: str) -> Reject:
    """`in_mmcode_text`: counted per benchmark and per kind of evidence."""
    return Reject(f"in_{benchmark}_{what}", detail)


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isdigit() and len(text) < 13 else 0
