"""The recipe of an evaluation: which benchmarks, which model, how answers are drawn, scored and judged."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from viscodex.core.recipe import Recipe
from viscodex.eval.benchmark import NAMES
from viscodex.eval.perturb import parse_perturbation
from viscodex.model.generate import Sampling
from viscodex.model.vllm import Serving


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) and value else value or []


class JudgeSettings(BaseModel):
    """The judge of open answers: any OpenAI-compatible endpoint that sees pictures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str = Field(default="", description="Its URL; the key is read from the environment (OPENAI_API_KEY).")
    model: str = Field(default="", description="Its name there.")
    samples: int = Field(default=1, ge=1, le=25, description="Judgements per answer; their median counts.")
    sampling: bool = Field(
        default=True, description="Send temperature 0 and a seed; false for services that refuse them."
    )
    structured: bool = Field(default=True, description="Let the service enforce the reply's JSON schema.")
    max_tokens: int = Field(default=2048, ge=1, description="Of a reply, its reasons (and thinking) included.")
    none: bool = Field(default=False, description="Measure without one; judged metrics are left out, and said to be.")


class EvalRecipe(Recipe):
    """Everything `viscodex eval` needs to know. Every key can be given by `--set key=value`."""

    model_config = ConfigDict(strict=True)
    job: ClassVar[str] = "eval"

    benchmarks: Annotated[list[str], BeforeValidator(_one_or_many)] = Field(
        list(NAMES), description="Which benchmarks, by name."
    )
    data: dict[str, str] = Field(
        default_factory=dict, description="Benchmark → its published files; others use our bundled samples."
    )
    generator: Literal["", "oracle", "blank"] = Field("", description="A stand-in instead of a model: its bounds.")
    model: str = Field("", description="A checkpoint folder, run in this process; or the name at the endpoint.")
    endpoint: str = Field("", description="Any OpenAI-compatible URL (vLLM, SGLang, a provider) instead of a folder.")
    engine: Literal["", "vllm"] = Field(
        "",
        description="vllm: serve the folder with vLLM while answers are made, instead of running it in this process.",
    )
    vllm: Serving = Field(default_factory=lambda: Serving(), description="How vLLM serves it.")
    imported: str = Field("", description="Whose answers these are, when another tool made them.")
    temperature: float = Field(0.0, ge=0, description="0 is greedy, as in the paper.")
    top_p: float = Field(1.0, gt=0, le=1, description="Only the likeliest tokens that reach this probability.")
    max_new_tokens: int = Field(0, ge=0, description="Where an answer is cut; 0 is the benchmark's own number.")
    n: int = Field(1, ge=1, description="Answers per sample; more than one needs a temperature.")
    batch_size: int = Field(8, ge=1, description="Answers written together, in this process.")
    device: str = Field("", description="cpu or cuda; empty is cuda if there is one.")
    max_pixels: int = Field(0, ge=0, description="Scale larger pictures down to this area; 0 leaves it to the model.")
    in_flight: int = Field(16, ge=1, description="Requests at once, to an endpoint.")
    limit: int = Field(0, ge=0, description="So many samples of each benchmark, chosen by hash of id; 0 is all.")
    skip: int = Field(0, ge=0, description="Leave out so many samples first, those that limit takes: for the others.")
    perturb: str = Field("", description="Worse pictures: blur:1.5, downscale:0.5, jpeg:30, noise:8; none: unseen.")
    judge: JudgeSettings = Field(
        default_factory=lambda: JudgeSettings(), description="Who judges what no rule can score."
    )

    @field_validator("benchmarks")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in NAMES:
                raise ValueError(f"no benchmark {name!r}; there are {', '.join(NAMES)}")
        return list(dict.fromkeys(names))

    @field_validator("perturb")
    @classmethod
    def _perturbation(cls, text: str) -> str:
        found = parse_perturbation(text)
        return str(found) if found else ""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.generator and (self.model or self.endpoint):
            raise ValueError("a stand-in generator takes neither model nor endpoint")
        if self.engine and (self.endpoint or not self.model):
            raise ValueError("an engine serves a model's folder: it needs model, and takes no endpoint")
        if self.endpoint and not self.model:
            raise ValueError("an endpoint needs the model's name there")
        if unknown := set(self.data) - set(NAMES):
            raise ValueError(f"data names no benchmark: {', '.join(sorted(unknown))}")
        if self.judge.endpoint and not self.judge.model:
            raise ValueError("the judge's endpoint needs the judge's model")
        return self

    @property
    def answers_by(self) -> str:
        """Who answers, as results call it."""
        how = " at an endpoint" if self.endpoint else f" with {self.engine}" if self.engine else ""
        return self.imported or self.generator or f"{self.model}{how}"

    @property
    def is_judged(self) -> bool:
        """Whether a judge is to look at the answers, now or later."""
        return bool(self.judge.endpoint) or not self.judge.none

    def sampling(self, usual_tokens: int) -> Sampling:
        """How answers are drawn; `usual_tokens` is the benchmark's own number, for where an answer is cut."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            max_new_tokens=self.max_new_tokens or usual_tokens,
            seed=self.seed,
            n=self.n,
        )
