"""Look at what one's code became, and mend it: generate → run → compare → ask for a revision → keep the best.

Works with any `Generator`. What is returned is never worse than the first answer: works before does not, then how alike
the picture is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image, Sample
from viscodex.model.chat import follow_up
from viscodex.model.generate import Generator, Sampling
from viscodex.serve.candidates import Candidate, look
from viscodex.serve.outcome import RUNS
from viscodex.serve.similarity import overlay

ENOUGH = 0.99
"""So alike that there is nothing to mend, where no region differs either."""
BETTER = 0.001
"""Of similarity: what counts as progress."""
MOST_EVIDENCE = 1500
"""Characters of an error that are shown to the model."""


@dataclass(frozen=True)
class Round:
    """One answer: what was asked for it, what became of it, and whether it is the best so far."""

    number: int
    asked: str
    candidate: Candidate
    is_best: bool
    is_follow_up: bool = False
    difference: bytes = field(default=b"", repr=False)
    """The picture with boxes around what differs, as PNG."""


@dataclass(frozen=True)
class Refining:
    """How long to try: at most so many revisions, and so many in a row that bring nothing."""

    rounds: int = 3
    patience: int = 2


def refine(
    generator: Generator,
    sample: Sample,
    sampling: Sampling,
    refining: Refining = Refining(),
    follow_ups: Sequence[str] = (),
) -> Iterator[Round]:
    """Rounds as they are done. Follow-ups are taken one after the other, each from the best code before it.

    VisCodexError: there is no first answer, or the kind cannot be run.
    """
    if sample.kind not in RUNS:
        raise VisCodexError(
            f"{sample.kind} cannot be run, so there is nothing to compare", hint="html, chart, algorithm"
        )
    desk = _Desk(generator, sampling)
    yield from desk.improve(sample, "", sample, refining)
    for words in follow_ups:
        assert desk.best is not None
        chat = follow_up(sample, _quoted(desk.best.candidate), words)
        yield from desk.improve(chat, words, sample, refining, is_follow_up=True)


def best_of(rounds: Sequence[Round]) -> Round:
    """The one to keep: each that was the best when it came is better than those before it."""
    return next(one for one in reversed(rounds) if one.is_best)


class _Desk:
    """The conversation with one generator, and the best answer so far."""

    def __init__(self, generator: Generator, sampling: Sampling) -> None:
        self._generator = generator
        self._sampling = sampling
        self._count = 0
        self.best: Round | None = None

    def improve(
        self, chat: Sample, asked: str, task: Sample, refining: Refining, *, is_follow_up: bool = False
    ) -> Iterator[Round]:
        """An answer, then revisions of it, each asked for with what the one before it became."""
        last = self._round(chat, asked, task, is_follow_up)
        if last.number == 0 and last.candidate.completion.finish == "error":
            raise VisCodexError(last.candidate.completion.reason)
        yield last
        vain = 0
        for _ in range(refining.rounds):
            if _is_enough(last if last.is_follow_up else self.best or last) or vain >= refining.patience:
                return
            words = _evidence(last)
            revised = follow_up(chat, _quoted(last.candidate), words, *_pictures(last, chat))
            last = self._round(revised, words, task, is_follow_up)
            yield last
            vain = 0 if last.is_best else vain + 1

    def _round(self, chat: Sample, asked: str, task: Sample, is_follow_up: bool) -> Round:
        (completion,) = self._generator.generate([chat], self._sampling)
        candidate = look(task, completion, compares=not is_follow_up)
        best = is_better(candidate, self.best.candidate if self.best else None, is_follow_up=is_follow_up)
        done = Round(self._count, asked, candidate, best, is_follow_up)
        if candidate.likeness and candidate.outcome:
            picture = Image(data=candidate.outcome.png).load()
            done = replace(done, difference=overlay(picture, candidate.likeness))
        self._count += 1
        if done.is_best:
            self.best = done
        return done


def is_better(candidate: Candidate, rival: Candidate | None, *, is_follow_up: bool) -> bool:
    """Whether it takes the best's place. A follow-up is to change the picture: it only has to work."""
    if rival is None:
        return True
    if is_follow_up:
        return bool(candidate.outcome and candidate.outcome.is_ok)
    old, new = rival.worth, candidate.worth
    return new[:2] > old[:2] or (new[:2] == old[:2] and new[2] >= old[2] + BETTER)


def _is_enough(best: Round) -> bool:
    candidate = best.candidate
    if not (candidate.outcome and candidate.outcome.is_ok):
        return False
    likeness = candidate.likeness
    return likeness is None or (likeness.value >= ENOUGH and not likeness.regions)


def _quoted(candidate: Candidate) -> str:
    """The answer as it is put back into the conversation: its code alone, without what was thought before it."""
    return f"```\n{candidate.completion.code}\n```" if candidate.completion.code else candidate.completion.text


def _evidence(last: Round) -> str:
    """What is wrong, in words: an error, or how far the picture is off and where."""
    outcome, likeness = last.candidate.outcome, last.candidate.likeness
    reason = (outcome.reason if outcome else last.candidate.completion.reason)[-MOST_EVIDENCE:]
    if outcome is None or not outcome.is_ok:
        state = outcome.status.replace("_", " ") if outcome else "no answer"
        return f"That does not work ({state}):\n{reason}\nCorrect it, and answer with the whole code in one block."
    lines = ["I have run your code and compared the picture it makes with the one I want."]
    if likeness is not None:
        lines.append(f"They are {100 * likeness.value:.0f} % alike.")
        lines += [_place(region) for region in likeness.regions]
    if reason:
        lines.append(f"It also says: {reason}")
    if last.difference:
        lines.append("The next picture is what your code makes; red boxes show where it differs.")
    lines.append("Correct what differs, keep what is right, and answer with the whole code in one block.")
    return "\n".join(lines)


def _place(region: tuple[float, float, float, float]) -> str:
    left, top, right, bottom = (round(100 * side) for side in region)
    return f"- different: {left} to {right} % from the left, {top} to {bottom} % from the top"


def _pictures(last: Round, chat: Sample) -> tuple[Image, ...]:
    """For models that see."""
    return (Image(data=last.difference),) if last.difference and chat.images else ()
