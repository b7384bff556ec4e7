"""Our benchmarks in Inspect AI, with its own offline model: the same numbers, and a loop that never stands still."""

from __future__ import annotations

import asyncio
import base64
import io
import math
import time
from collections import Counter
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import PIL.Image
import pytest

pytest.importorskip("inspect_ai", reason="needs Inspect AI: pip install -e '.[inspect]'")

import inspect_ai
from inspect_ai._util.error import PrerequisiteError
from inspect_ai._util.package import get_installed_package_name
from inspect_ai._util.registry import registry_lookup
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from tests.eval.letters import LETTERS, SAMPLES
from tests.eval.odd_letters import BUSY, BUSY_S, CHOOSY, DIARY
from viscodex.core.sample import Image
from viscodex.eval import inspect_tasks
from viscodex.eval.benchmark import NAMES, benchmark
from viscodex.eval.inspect_tasks import benchmark_task, scorer_of
from viscodex.model.generate import Sampling
from viscodex.model.standins import Blank, Oracle

LETTER_BENCHMARKS = {ours.name: ours for ours in (LETTERS, BUSY, DIARY, CHOOSY)}


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    """Benchmarks of letters by name, beside the four; a test may add its own."""
    monkeypatch.setenv("INSPECT_DISPLAY", "none")
    found = dict(LETTER_BENCHMARKS)
    monkeypatch.setattr(inspect_tasks, "benchmark", lambda name: found.get(name) or benchmark(name))
    inspect_tasks._suite.cache_clear()
    inspect_tasks._by_id.cache_clear()
    return found


@pytest.fixture
def diary(tmp_path, monkeypatch):
    path = tmp_path / "diary"
    path.touch()
    monkeypatch.setenv("LETTERS_DIARY", str(path))

    def read():
        rows = [line.split() for line in path.read_text().splitlines()]
        return [(what, int(pid), float(seconds)) for what, pid, seconds in rows]

    return read


@pytest.fixture
def run(tmp_path):
    """`run(task, answers)`: the log of an evaluation whose model answers each prompt by a table, or all alike."""

    def evaluate(task, answers, **options):
        (log,) = inspect_ai.eval(task, **settings(answers, tmp_path), **options)
        assert log.status == "success", log.error
        return log

    return evaluate


def settings(answers, folder):
    def reply(messages, tools, tool_choice, config):
        answer = answers if isinstance(answers, str) else answers[asked(messages[-1].content)]
        output = ModelOutput.from_content("mockllm", answer)
        output.usage = ModelUsage()  # else the tokens are counted with a table from the network
        return output

    model = get_model("mockllm/model", custom_outputs=reply, memoize=False)
    return {"model": model, "log_dir": str(folder / "logs")}


def words(content):
    return "".join(part.text for part in content if part.type == "text")


def asked(content):
    """A prompt to look up: its words, and what its pictures look like."""
    return words(content), *(part.image for part in content if part.type == "image")


def answers_of(generator, name):
    """Prompt → what a stand-in answers."""
    samples = inspect_tasks.benchmark(name).load(None).samples
    completions = [next(generator.generate([sample], Sampling())) for sample in samples]
    prompts = [asked(sample.input[-1].content) for sample in benchmark_task(name, None).dataset]
    return {prompt: completion.text for prompt, completion in zip(prompts, completions, strict=True)}


def means(log):
    return {score.name: score.metrics["mean"].value for score in log.results.scores}


def scores_of(log):
    return {sample.id: only(sample.scores) for sample in log.samples}


def only(scores):
    (score,) = scores.values()
    return score


@pytest.mark.parametrize("protocol", ["fixed", "paper"])
def test_the_oracle_reaches_the_ceiling_and_blank_the_floor(run, protocol):
    for generator, expected in ((Oracle(), 1.0), (Blank(), 0.0)):
        log = run(benchmark_task("letters", None, protocol), answers_of(generator, "letters"))
        assert means(log) == {"all": expected, "letters": expected, "first": expected}
        assert all(score.metrics["stderr"].value == 0.0 for score in log.results.scores)
        assert {score.metadata["protocol"] for score in scores_of(log).values()} == {protocol}
        assert log.eval.metadata["protocol"] == protocol


def test_what_failed_is_zero_with_its_reason_and_counts(run):
    log = run(benchmark_task("letters", None), answers_of(Oracle(), "letters") | {("Spell abcd.",): ""})
    failed = scores_of(log)["a"]
    assert (failed.value, failed.reason, failed.explanation) == ({"all": 0, "letters": 0, "first": 0}, "empty", "empty")
    assert means(log)["letters"] == 0.75
    assert [(score.scored_samples, score.unscored_samples) for score in log.results.scores] == [(4, 0)] * 3


@pytest.mark.parametrize(("answer", "reason"), [("raise", "RuntimeError"), ("die", "died")])
def test_a_scorer_that_breaks_gives_no_score_and_the_run_goes_on(run, answer, reason):
    log = run(benchmark_task("letters", None), answers_of(Oracle(), "letters") | {("Spell abcd.",): answer})
    broken = scores_of(log)["a"]
    assert math.isnan(broken.value) and broken.reason == reason
    assert means(log)["letters"] == 1.0  # of three
    assert [(score.scored_samples, score.unscored_samples) for score in log.results.scores] == [(3, 1)] * 3


def test_when_nothing_can_be_scored_no_number_is_shown_until_inspect_scores_again(run, diary, tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.touch()
    monkeypatch.setenv("LETTERS_CLOSED", str(closed))
    log = run(benchmark_task("diary", None), answers_of(Oracle(), "diary"))
    assert {score.reason for score in scores_of(log).values()} == {"no_scorer"}
    assert all(math.isnan(mean) for mean in means(log).values())
    closed.unlink()
    again = inspect_ai.score(log, scorer_of("diary")(), action="overwrite")
    assert means(again) == {"all": 1.0, "letters": 1.0, "first": 1.0}
    inspect_tasks._close_idle()


def test_what_is_not_measured_and_what_needs_a_judge(run):
    log = run(benchmark_task("choosy", None), "abcd")
    (score, *_) = scores_of(log).values()
    assert {name: value for name, value in score.value.items() if not math.isnan(value)} == {"spelling": 0.5}
    assert set(score.value) == {"spelling", "all", "first"}  # no taste, no beauty: there is no judge
    assert score.metadata["values"] == {"letters": 0.5, "first": None, "beauty": None}
    counts = {score.name: (score.scored_samples, score.unscored_samples) for score in log.results.scores}
    assert counts == {"spelling": (4, 0), "all": (0, 4), "first": (0, 4)}
    assert means(run(benchmark_task("choosy", None, "paper"), "abcd")) == {"spelling": 1.0, "all": 1.0, "first": 1.0}


def test_the_scorer_sees_the_answer_as_it_was_given(run):
    task = benchmark_task("choosy", None)
    assert task.config.max_tokens == 17
    log = run(task, "Look:\n```python\nprint(1)\n```\n", epochs=2)
    seen = [only(sample.scores).metadata["evidence"] for sample in log.samples]
    assert Counter(evidence["index"] for evidence in seen) == {0: 4, 1: 4}
    assert {(e["code"], e["finish"], e["generator"]) for e in seen} == {("print(1)", "stop", "mockllm/model")}


def test_pictures_stand_where_they_stood(benchmarks):
    png, bmp = (encoded(kind) for kind in ("PNG", "BMP"))
    sample = SAMPLES[0].model_copy(update={"prompt": ("first", Image(data=png), "then", Image(data=bmp), "at last")})
    benchmarks["pictures"] = replace(LETTERS, load=lambda path: replace(LETTERS.load(None), samples=(sample,)))
    (message,) = benchmark_task("pictures", None).dataset[0].input
    assert [part.type for part in message.content] == ["text", "image", "text", "image", "text"]
    assert words(message.content) == "firstthenat last"
    first, second = (part.image.split(",") for part in message.content if part.type == "image")
    assert first[0] == second[0] == "data:image/png;base64"  # a BMP is what few providers take
    assert base64.b64decode(first[1]) == png
    assert PIL.Image.open(io.BytesIO(base64.b64decode(second[1]))).getpixel((0, 0)) == (200, 10, 30)


def encoded(kind):
    file = io.BytesIO()
    PIL.Image.new("RGB", (2, 1), (200, 10, 30)).save(file, kind)
    return file.getvalue()


def test_the_loop_runs_on_while_answers_are_scored(diary, tmp_path):
    beats = []

    async def main():
        heart = asyncio.create_task(beat())
        (log,) = await inspect_ai.eval_async(
            benchmark_task("busy", None, workers=1), **settings(answers_of(Oracle(), "busy"), tmp_path)
        )
        heart.cancel()
        return log

    async def beat():
        while True:
            beats.append(time.monotonic())
            await asyncio.sleep(0.01)

    assert means(asyncio.run(main()))["letters"] == 1.0
    begun, ended = ([seconds for what, _, seconds in diary() if what == word] for word in ("begin", "end"))
    during = [sum(begin < t < end for t in beats) for begin, end in zip(begun, ended, strict=True)]
    assert len(during) == 4
    assert min(during) > 10, f"beats of 10 ms in {BUSY_S} s of scoring: {during}"


def test_scorers_are_closed_when_the_task_ends(run, diary):
    run(benchmark_task("diary", None, workers=2), answers_of(Oracle(), "diary"))
    done = Counter(what for what, *_ in diary())
    assert done["open"] == done["close"] and 1 <= done["open"] <= 2
    assert not any(Path("/proc", str(pid)).exists() for _, pid, _ in diary())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"protocol": "papre"}, 'did you mean "paper"'),
        ({"judge": "http://localhost"}, "not there yet"),
        ({"path": "/nowhere"}, "/nowhere"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(arguments, said):
    with pytest.raises(PrerequisiteError) as refused:
        benchmark_task(**{"name": "mmcode", "path": None, **arguments})
    assert said in refused.value.message


def test_an_answer_to_another_data_set_is_unscored(run):
    log = run(benchmark_task("letters", None), "abcd", limit=1)
    log.samples[0].id = "elsewhere"
    again = inspect_ai.score(log, scorer_of("letters")(), action="overwrite")
    assert "no sample elsewhere" in scores_of(again)["elsewhere"].explanation


def test_two_samples_with_one_id_are_refused(benchmarks):
    benchmarks["twice"] = replace(LETTERS, load=lambda path: replace(LETTERS.load(None), samples=SAMPLES[:1] * 2))
    with pytest.raises(PrerequisiteError) as refused:
        benchmark_task("twice", None)
    assert "one id" in refused.value.message


def test_inspect_finds_a_task_for_every_benchmark_by_its_name():
    if get_installed_package_name(inspect_tasks.benchmark_task) is None:
        pytest.skip("needs viscodex to be installed, not just on PYTHONPATH: Inspect names tasks after their package")
    (entry,) = entry_points(group="inspect_ai", name="viscodex")
    assert entry.load() is inspect_tasks
    for name in NAMES:
        assert registry_lookup("task", f"viscodex/{name}") is getattr(inspect_tasks, name)
        assert registry_lookup("scorer", f"viscodex/{name}") is scorer_of(name)


@pytest.mark.slow
@pytest.mark.parametrize(("generator", "expected"), [(Oracle(), 1.0), (Blank(), 0.0)])
def test_programs_for_mmcode_run(run, generator, expected):
    log = run(inspect_tasks.mmcode(protocol="paper"), answers_of(generator, "mmcode"), limit=3)
    assert means(log) == {"pass@1": expected}
    assert [(score.scored_samples, score.unscored_samples) for score in log.results.scores] == [(3, 0)]
    assert log.eval.task_args["protocol"] == "paper"
