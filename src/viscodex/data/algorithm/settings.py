"""What the algorithm pipeline may be told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Columns(BaseModel):
    """Where a row has what; an empty name tries the usual ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str = Field(default="", description="The problem's text: question, prompt, text or description.")
    solution: str = Field(
        default="", description="The program: solution, code, canonical_solution or solutions (the first)."
    )
    tests: str = Field(
        default="", description="The tests: test_code, test, tests, test_list, input_output or public_tests."
    )
    id: str = Field(
        default="", description="What names a row: question_id, task_id, problem_id or id; else its number."
    )
    licence: str = Field(default="", description="The row's licence: license or licence.")


class Settings(BaseModel):
    """Problems with a solution and tests, in KodCode's format or a similar one. The solution must pass its tests."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="A .jsonl (.gz), .json or .parquet file, or a folder of them.")
    name: str = Field(default="", description="What rows are said to come from; the path's last part unless given.")
    licence: str = Field(default="", description="Of rows that do not say theirs; KodCode's are known (CC BY-NC 4.0).")
    author: str = Field(default="", description="Who made the data set, for the attribution.")
    url: str = Field(default="", description="Where it is published.")
    columns: Columns = Field(default_factory=lambda: Columns(), description="Where a row has what.")
    subsets: tuple[str, ...] = Field(
        default=(), description="Only these subsets (Leetcode, Codeforces, …); empty takes all."
    )
    styles: tuple[str, ...] = Field(
        default=(), description="Only these styles (instruct, complete, …); empty takes all."
    )
    difficulty: tuple[str, ...] = Field(default=(), description="Only these (easy, medium, hard); empty takes all.")
    require_pass: bool = Field(default=True, description="Leave out what the source itself says did not pass.")
    longest: int = Field(default=24_000, ge=1, description="Characters of question and solution together.")
    n: int = Field(default=0, ge=0, description="So many of the rows that fit, drawn by hash of seed and id; 0 is all.")
    seed: int = Field(default=0, description="What the draw begins with.")
    cpu_s: float = Field(default=10.0, gt=0, description="CPU seconds of a run of the tests.")
    memory_mib: int = Field(default=1024, ge=64, description="Memory of a run of the tests.")
    most_tests: int = Field(default=200, ge=1, description="Of tests by input and output, so many are run.")
