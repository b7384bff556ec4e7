"""Score answers from Python: a page beside the page that is wanted, and a program by the tests of a benchmark."""

from __future__ import annotations

import viscodex
from viscodex.eval.benchmark import benchmark

WANTED = "<html><body><h1>Opening hours</h1><p>Monday to Friday, 9 to 5</p></body></html>"
WRITTEN = "<html><body><h1>Opening hours</h1><p>Monday to Sunday</p></body></html>"

score = viscodex.score(WRITTEN, WANTED, kind="html")
print(score.status, {name: round(value, 3) for name, value in score.values.items() if value is not None})

problem = benchmark("mmcode").load(None).samples[0]
print(problem.id, viscodex.score("print('no idea')", problem).reason)
