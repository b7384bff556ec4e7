"""viscodex: a journal, replies kept, one row in flight a process, a card and a gallery. ours.py URL ROWS WORKERS OUT"""

from __future__ import annotations

import sys
from pathlib import Path

from building.stages import pipeline
from viscodex.data.build import Order, build
from viscodex.data.recipe import DataRecipe


def main(url: str, rows: int, workers: int, out: Path, ray: str = "") -> None:
    llm = {"endpoint": url, "model": "m", "quota": {"in_flight": 32}}
    recipe = DataRecipe.parse({"name": "benchmark", "llm": llm, "workers": workers, "ray": ray}, "benchmark")
    facts = build(Order(recipe, [pipeline(rows)], [""]), out)
    print(facts["categories"]["chart"]["kept"])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), *sys.argv[5:])
