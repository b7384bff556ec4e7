"""Ask a model for the code of a picture, from Python: whole, in pieces, and with another turn.

Runs on a tiny random model, whose answers mean nothing; with the folder of a real one, only the path changes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import PIL.Image

import viscodex
from viscodex.core.sample import Image
from viscodex.model.chat import follow_up
from viscodex.model.generate import Sampling
from viscodex.model.prompts import task
from viscodex.model.tiny import write_trio

with tempfile.TemporaryDirectory() as folder:
    vlm, _, _ = write_trio(Path(folder) / "tiny")
    shot = Path(folder) / "shot.png"
    PIL.Image.new("RGB", (640, 360), "teal").save(shot)

    with viscodex.load(vlm) as model:
        answer = model.generate(shot, kind="html", max_new_tokens=32)
        print(f"{answer.generator}: {answer.usage.completion_tokens} tokens, {len(answer.code)} characters of code")

        for piece in model.stream(shot, kind="html", max_new_tokens=16):
            print(repr(piece))

        first = task("html", [Image(path=str(shot))])
        second = follow_up(first, answer.text, "Make the header blue.")
        (revised,) = model.generator.generate([second], Sampling(max_new_tokens=16))
        print(revised.finish, revised.usage)
