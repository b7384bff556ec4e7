"""A dump for the funnel with one post per reason, and a queue for the desk made of our own suite's questions."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import pytest
from suites.infibench_v.make import SUITE, records
from tests.data import stackexchange as se
from tests.data.test_dump import answer, question

from viscodex.core.rundir import write_json
from viscodex.data.infibench_v.candidate import Candidate
from viscodex.data.infibench_v.settings import BuilderRecipe

NAMES = (
    "ibv-bash-003",
    "ibv-r-002",
    "ibv-ruby-002",
    "ibv-python-004",
    "ibv-php-001",
    "ibv-html-css-003",
    "ibv-dart-002",
)
NAMES += ("ibv-csharp-001", "ibv-php-003", "ibv-typescript-003", "ibv-cpp-003", "ibv-go-003")


def picture(seed: int) -> bytes:
    """Blocks by lot: pictures of two seeds are not alike."""
    rng, file = random.Random(seed), io.BytesIO()
    drawn = PIL.Image.new("RGB", (96, 96), "white")
    pen = PIL.ImageDraw.Draw(drawn)
    for x in range(0, 96, 24):
        for y in range(0, 96, 24):
            pen.rectangle((x, y, x + 23, y + 23), fill=tuple(rng.choices(range(256), k=3)))
    drawn.save(file, "PNG")
    return file.getvalue()


def words(seed: int, count: int = 40) -> str:
    return " ".join(random.Random(f"words-{seed}").choices([f"word{n}" for n in range(400)], k=count))


def thread(
    number: int, *, asked: str = "", answered: str = "", shown: int | None = None, **more: object
) -> list[bytes]:
    """A question with a picture and its accepted answer; `more` are attributes of the question's row."""
    image = f'<p>As shown below:</p><p><img src="https://i.sstatic.net/p{number if shown is None else shown}.png"></p>'
    body = f"<p>{asked or words(number)}</p>{image}"
    code = answered or f"<p>Because.</p><pre><code>solve_{number}.by_calling(thing_{number})</code></pre>"
    values = {"Score": 9, "ViewCount": 5000 + number, "Tags": "<pandas><python>", "Title": f"Title {number}"} | more
    return [
        question(number, number + 1, body, **values),
        answer(number + 1, number, code, Score=values.pop("AnswerScore", 5)),
    ]


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., BuilderRecipe]:
    """`recipe(rows…, key=value)`: a builder's recipe over a dump of these rows, with pictures for all of them."""

    def make(*rows: bytes, **settings: object) -> BuilderRecipe:
        (tmp_path / "Posts.xml").write_bytes(se.dump(*rows))
        (tmp_path / "pictures").mkdir(exist_ok=True)
        for number in range(0, 2000, 10):
            (tmp_path / "pictures" / f"p{number}.png").write_bytes(picture(number))
        pictures = {"folder": str(tmp_path / "pictures"), "cache": str(tmp_path / "cache")}
        values = {"name": "test", "dump": str(tmp_path / "Posts.xml"), "pictures": pictures, "workers": 1}
        return BuilderRecipe.parse(values | settings, "a test")

    return make


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    """Twelve candidates with real pictures, gradings and wrong answers; the fourth asks to be paraphrased."""
    folder = tmp_path / "queue"
    (folder / "pictures").mkdir(parents=True)
    known = {record.id: record for record in records()}
    with (folder / "candidates.jsonl").open("w") as file:
        for name in NAMES:
            record = known[name]
            for image in record.images:
                (folder / image).write_bytes((SUITE / image).read_bytes())
            other = f"Put differently:\n\n{record.question}"
            facts = {"views": 1000, "question_score": 7, "answer_score": 4, "tags": record.language}
            one = Candidate(record=record, paraphrase=other, needed="it shows the data", facts=facts, attribution=name)
            file.write(json.dumps(one.model_dump(mode="json", exclude_defaults=True)) + "\n")
    wanted = {"front-end": 3, "ds-ml": 3, "back-end": 3, "mobile-desktop": 2, "it-ops": 1}
    write_json(folder / "funnel.json", {"wanted": wanted})
    return folder
