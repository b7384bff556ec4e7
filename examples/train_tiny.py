"""Fine-tune a tiny model on two dozen drawn samples. The command line does the same: viscodex train tiny …"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import PIL.Image

from viscodex.model.tiny import write_trio
from viscodex.train.job import run_training
from viscodex.train.parallel import connect
from viscodex.train.recipe import TrainRecipe

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/train-tiny")
model = write_trio(folder / "models").vlm
(folder / "data" / "mcd_images").mkdir(parents=True)
rows = []
for number in range(24):
    colour = ("red", "green", "blue")[number % 3]
    picture = io.BytesIO()
    PIL.Image.new("RGB", (84, 56), colour).save(picture, "PNG")
    (folder / "data" / "mcd_images" / f"{number}.png").write_bytes(picture.getvalue())
    asked = {"role": "user", "content": "<image>Write the page that looks like this."}
    answer = {"role": "assistant", "content": f'```html\n<body style="background: {colour}">\n```'}
    rows.append({"category": "html", "images": [f"mcd_images/{number}.png"], "messages": [asked, answer]})
(folder / "data" / "mcd.json").write_text(json.dumps(rows))

recipe = TrainRecipe.load("tiny", {"model": str(model), "data": [str(folder / "data" / "mcd.json")], "epochs": 5.0})
with connect() as world:
    result = run_training(recipe, folder / "run", world)
print(result["held_out"], result["final"])
