"""What becomes of code that a model wrote: a page rendered, a chart drawn, a program run; always in the sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field

from viscodex.core.sample import Kind

WIDEST, NARROWEST = 2560, 240
USUAL = (1280, 720)
TALLEST_WINDOW = 1200
"""A screenshot no taller than this is taken for one of a window, a taller one for one of a whole page."""
MOST_OUTPUT = 4000
MOST_ERRORS = 5

SUFFIX: dict[Kind, str] = {"html": ".html", "chart": ".py", "algorithm": ".py", "qa": ".txt"}
"""Of a file that holds the code."""
RUNS: tuple[Kind, ...] = ("html", "chart", "algorithm")


@dataclass(frozen=True)
class Outcome:
    """Whether it worked, the picture it made, and what it said. `reason`: why not, or what a page complained of."""

    status: str
    reason: str = ""
    png: bytes = field(default=b"", repr=False)
    output: str = ""

    @property
    def is_ok(self) -> bool:
        return self.status == "ok"


def run(kind: Kind, code: str, size: tuple[int, int] = USUAL) -> Outcome:
    """Run code of a kind; `size` is that of the picture it should be like. Never raises for what the code does."""
    if not code.strip():
        return Outcome("no_code", "the answer holds no code")
    if kind == "html":
        return _rendered(code, *_window(*size))
    return _drawn(code) if kind == "chart" else _executed(code)


def _window(width: int, height: int) -> tuple[int, int]:
    """The window in which a page would make a picture of this size."""
    if not NARROWEST <= width <= WIDEST:
        return USUAL
    return width, height if height <= TALLEST_WINDOW else USUAL[1]


def _rendered(code: str, width: int, height: int) -> Outcome:
    from viscodex.sandbox.browser import render_page
    from viscodex.sandbox.pages import View

    page = render_page(code, View(width=width, height=height, text_blocks=False))
    complaints = [page.detail, *page.console_errors[:MOST_ERRORS]]
    complaints += [f"it asks for {url}, and there is no network" for url in page.blocked_urls[:MOST_ERRORS]]
    return Outcome(page.status, "\n".join(filter(None, complaints)), page.png)


def _drawn(code: str) -> Outcome:
    from viscodex.sandbox.chart import run_chart

    chart = run_chart(code)
    line = f" (line {chart.line})" if chart.line else ""
    return Outcome(chart.status, chart.reason + line if chart.reason else "", chart.png, chart.stdout[-MOST_OUTPUT:])


def _executed(code: str) -> Outcome:
    from viscodex.sandbox.programs import prepare

    execution = prepare("python", code).run()
    output = execution.stdout.decode(errors="replace")[-MOST_OUTPUT:]
    error = execution.stderr.decode(errors="replace").strip()[-MOST_OUTPUT:]
    return Outcome(execution.status, "" if execution.ok else error or execution.status, output=output)
