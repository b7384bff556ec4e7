"""Which questions: our own, or those of a file or folder, by what they look like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from viscodex.core.errors import UsageError
from viscodex.core.infibench_v import FULL_SIZE
from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Suite
from viscodex.eval.infibench import cases, records
from viscodex.eval.infibench.loaded import Loaded, suite

BUNDLED = Path(__file__).parent / "suite" / "questions.jsonl"


def load(path: Path | None = None) -> Suite:
    """Questions for the runner. A question that cannot be read is rejected; a file that is no suite raises."""
    full_size = FULL_SIZE if _is_records(path) else cases.FULL_SIZE
    return suite(read(path), "bundled" if path is None else str(path), full_size)


def read(path: Path | None) -> Iterator[Loaded]:
    """Every question with what was odd in it."""
    if path is None:
        return records.read_jsonl(BUNDLED)
    if path.is_dir():
        return records.read_jsonl(path / BUNDLED.name) if _is_records(path) else cases.read_folder(path)
    readers = {
        ".jsonl": records.read_jsonl,
        ".csv": cases.read_csv,
        ".yaml": cases.read_yaml,
        ".yml": cases.read_yaml,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None or not path.exists():
        raise UsageError(
            "there are no questions" if reader else f"cannot tell what {path.name} is",
            where=str(path),
            hint="InfiBench's CSV, suite YAML or folder; or InfiBench-V's JSONL",
        )
    return reader(path)


def _is_records(path: Path | None) -> bool:
    return path is None or path.suffix.lower() == ".jsonl" or (path / BUNDLED.name).is_file()


def groups(sample: Sample) -> dict[str, str]:
    """Breakdowns: category or type, language, and the families of metrics."""
    checks = sample.checks
    found = {"language": checks["language"], "family": "+".join(checks["families"])}
    return found | {key: checks[key] for key in ("category", "type") if checks.get(key)}
