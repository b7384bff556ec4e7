"""A page of answers to the same few held-out prompts, step after step: what the loss does not say."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from viscodex.core.rundir import JsonLines, atomic_write
from viscodex.train.encode import Encoder
from viscodex.train.forward import Objective
from viscodex.train.order import Rows
from viscodex.train.parallel import World, put_back
from viscodex.train.sources import Row
from viscodex.train.store import Prepared

THUMBNAIL = 480  # pixels of the longer side


@dataclass(frozen=True)
class SamplePage:
    """Writes `samples.jsonl`, one line per step and prompt, and `samples.html` from all of them."""

    out: Path
    title: str
    data: Prepared
    encoder: Encoder
    rows: Rows
    new_tokens: int

    def write(self, objective: Objective, step: int, world: World) -> None:
        """Answer every prompt greedily; every rank takes part, the first one writes."""
        was_training = objective.training
        objective.eval()
        answers = [(row.id, self._answer(objective, row, world)) for row in self._rows()]
        objective.train(was_training)
        put_back(objective)
        if not world.is_first:
            return
        with JsonLines(self.out / "samples.jsonl") as lines:
            for name, text in answers:
                lines.append({"step": step, "id": name, "text": text})
        atomic_write(self.out / "samples.html", self.page())

    def page(self) -> str:
        """The page as HTML text; pictures are inside it, so it opens anywhere."""
        import jinja2

        loader = jinja2.PackageLoader("viscodex.train", "templates")
        environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
        answers: dict[str, dict[int, str]] = {}
        for line in JsonLines(self.out / "samples.jsonl"):
            answers.setdefault(line["id"], {})[line["step"]] = line["text"]
        prompts = [
            {
                "id": row.id,
                "kind": row.kind,
                "pictures": [thumbnail(picture.read()) for picture in row.pictures],
                "prompt": row.turns[-2].text if len(row.turns) > 1 else "",
                "reference": row.turns[-1].text,
                "answers": sorted(answers.get(row.id, {}).items(), reverse=True),
            }
            for row in self._rows()
        ]
        return environment.get_template("samples.html").render(title=self.title, prompts=prompts)

    def _rows(self) -> Iterator[Row]:
        return (self.data.read(int(row)) for row in self.rows)

    def _answer(self, objective: Objective, row: Row, world: World) -> str:
        text = self.encoder.question(row)
        pictures = [picture.image().load() for picture in row.pictures]
        inputs = self.encoder.processor(text=[text], images=pictures or None, return_tensors="pt").to(world.device)
        end = self.encoder.tokenizer.convert_tokens_to_ids("<|im_end|>")
        tokens = objective.generate(inputs, self.new_tokens, end)
        return str(self.encoder.tokenizer.decode(tokens[0], skip_special_tokens=True))


def thumbnail(data: bytes) -> str:
    """A picture as a data URI, at most THUMBNAIL pixels a side."""
    import PIL.Image

    image = PIL.Image.open(io.BytesIO(data)).convert("RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    out = io.BytesIO()
    image.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def page_writer(page: SamplePage, objective: Objective, world: World, autocast: Any) -> Any:
    """What the loop calls with a step's number."""

    def write(step: int) -> None:
        with torch.no_grad(), autocast():
            page.write(objective, step, world)

    return write
