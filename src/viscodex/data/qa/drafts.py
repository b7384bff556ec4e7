"""From pairs of posts to drafts: HTML still, with who wrote it and what may be done with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from viscodex.core.sample import Sample, Source
from viscodex.data.qa.dump import Dump, Malformed, Pair, Unpaired, Wanted
from viscodex.data.qa.post import Post
from viscodex.data.qa.settings import Settings
from viscodex.runner.stage import Reject


def drafts(settings: Settings) -> Iterator[tuple[str, Sample | Reject]]:
    """Every question with a picture, with its accepted answer or the reason why there is none, and every bad line."""
    name = settings.site.removesuffix(".com").removesuffix(".stackexchange")
    pairs = 0
    for found in Dump(Path(settings.dump), Wanted(settings.least_score, settings.least_views)).pairs():
        match found:
            case Malformed(line, detail):
                yield f"qa-{name}-line-{line}", Reject("malformed_row", f"line {line}: {detail}")
            case Unpaired(question, reason, detail):
                yield f"qa-{name}-{question}", Reject(reason, detail)
            case Pair(question, answer):
                row_id = f"qa-{name}-{question.id}"
                refusal = mismatch(question, answer, settings.least_score)
                yield row_id, refusal or draft(row_id, question, answer, settings)
                pairs += 1
                if pairs == settings.limit:
                    return


def mismatch(question: Post, answer: Post, least_score: int) -> Reject | None:
    """Why an accepted answer does not do."""
    if answer.parent and answer.parent != question.id:
        return Reject("answer_elsewhere", f"the answer {answer.id} belongs to the question {answer.parent}")
    if answer.score < least_score:
        return Reject("low_answer_score", f"the answer has {answer.score}")
    return None


def draft(row_id: str, question: Post, answer: Post, settings: Settings) -> Sample:
    """The two posts as they are; what stages need to know of them stands in `checks` and is used up there."""
    credit = attribution(question, answer, settings.site)
    facts = {
        "origin": {"name": settings.site, "id": str(question.id), "attribution": credit},
        "title": question.title,
        "tags": " ".join(question.tags),
        "question_score": question.score,
        "answer_score": answer.score,
        "views": question.views,
        "answer_id": answer.id,
    }
    licences = dict.fromkeys((question.licence, answer.licence))
    source = Source(
        url=f"https://{settings.site}/q/{question.id}",
        licence=" and ".join(licences),
        author=" and ".join(dict.fromkeys((author(question, settings.site), author(answer, settings.site)))),
        retrieved=settings.retrieved,
    )
    return Sample(id=row_id, kind="qa", prompt=(question.body,), response=answer.body, checks=facts, source=source)


def attribution(question: Post, answer: Post, site: str) -> str:
    """One line for ATTRIBUTION.md: both posts, whose they are, under which licence, and that they were changed."""
    return (
        f'"{question.title}" by {author(question, site)}, https://{site}/q/{question.id}, {question.licence}; '
        f"answer by {author(answer, site)}, https://{site}/a/{answer.id}, {answer.licence}; converted to Markdown"
    )


def author(post: Post, site: str) -> str:
    """`Posts.xml` has numbers of accounts, not names; of a deleted account a name at most."""
    if post.owner == "-1":
        return "the community"
    if post.owner.isdigit():
        return f"https://{site}/users/{post.owner}"
    return post.owner or "a deleted user"
