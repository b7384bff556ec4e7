"""Drawing sixty real pages whole: a browser per page, one browser by Playwright, and ours; then what lasts.

CPU is that of every process involved, ours and the driver's included, read from a control group. The approaches take
turns, a few pages at a time, so that a slow moment of the machine falls on all.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page as Tab
from playwright.sync_api import Route, sync_playwright

import result
from rendering.real_pages import real_pages
from viscodex.sandbox import chromium
from viscodex.sandbox.browser import Browser, close_browsers, render_page, render_pages
from viscodex.sandbox.origin import URL, placeholder
from viscodex.sandbox.pages import Variant, View

REPEATS = 30
TURN = 10
QUICK_PAGES = 12
LOOK = 10
"""Pages from one look at the memory to the next."""
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
PICTURE = View(text_blocks=False)
RECOLOUR = """() => {
  let colour = COLOUR;
  for (const element of document.querySelectorAll("p,h1,h2,h3,h4,h5,h6,div,span,a,b,li,table,td,th,button,footer")) {
    element.style.setProperty("background-color", "rgba(255,255,255,0.0)", "important");
    element.style.setProperty("color", "#" + (colour += 16).toString(16).padStart(6, "0"), "important");
  }
}"""
DESIGN2CODE = View(
    text_blocks=False, variants=tuple(Variant(script=RECOLOUR.replace("COLOUR", start)) for start in ("0", "3289650"))
)


class CpuMeter:
    """CPU seconds of this process and everything it starts, whoever its parents are by then."""

    def __init__(self) -> None:
        self.folder = Path(f"/sys/fs/cgroup/cpuacct/viscodex-pages-{os.getpid()}")
        try:
            self.folder.mkdir()
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        except OSError as error:
            sys.exit(f"a cpuacct control group is needed to count every process's CPU: {error}")

    def read(self) -> float:
        return int((self.folder / "cpuacct.usage").read_text()) / 1e9

    def close(self) -> None:
        (self.folder.parent / "cgroup.procs").write_text(str(os.getpid()))
        time.sleep(0.5)
        self.folder.rmdir()


def browser_per_page(pages: Sequence[str]) -> None:
    """As the published scorers do: driver, browser, page, picture, all closed."""
    for html in pages:
        with sync_playwright() as driver:
            shell = driver.chromium.launch(executable_path=chromium.find().path, args=ARGUMENTS)
            _draw(shell.new_page(), html)
            shell.close()


@contextmanager
def playwright_browser() -> Iterator[Callable[[Sequence[str]], None]]:
    """One browser that stays, a new context for each page."""
    driver = sync_playwright().start()
    shell = driver.chromium.launch(executable_path=chromium.find().path, args=ARGUMENTS)

    def draw(pages: Sequence[str]) -> None:
        for html in pages:
            context = shell.new_context()
            _draw(context.new_page(), html)
            context.close()

    yield draw
    shell.close()
    driver.stop()


def _draw(tab: Tab, html: str) -> None:
    def answer(route: Route) -> None:
        if route.request.url == URL:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        elif route.request.url.endswith("/rick.jpg"):
            route.fulfill(body=placeholder(), content_type="image/jpeg")
        else:
            route.abort()

    tab.route("**/*", answer)
    tab.goto(URL)
    tab.screenshot(full_page=True, animations="disabled")


def ours(view: View, parallel: int = 1) -> Callable[[Sequence[str]], None]:
    def draw(pages: Sequence[str]) -> None:
        for page in render_pages(pages, view, parallel=parallel):
            assert page.ok, page

    return draw


def speed(pages: Sequence[str]) -> Iterator[dict[str, Any]]:
    meter = CpuMeter()
    spent: dict[str, list[float]] = {}
    approaches: dict[str, Callable[[Sequence[str]], None]] = {
        "a browser per page (Playwright)": browser_per_page,
        "ours: picture": ours(PICTURE),
        "ours: picture and text blocks": ours(View()),
        "ours: picture and two recoloured ones": ours(DESIGN2CODE),
        "ours: picture, two browsers": ours(PICTURE, parallel=2),
    }

    def take(name: str, draw: Callable[[Sequence[str]], None], turn: Sequence[str]) -> None:
        cpu, wall = meter.read(), time.monotonic()
        draw(turn)
        total = spent.setdefault(name, [0.0, 0.0])
        total[0] += meter.read() - cpu
        total[1] += time.monotonic() - wall

    for draw in approaches.values():
        draw(pages[:1])  # files in the cache, browsers started
    for start in range(0, len(pages), TURN):
        for name, draw in approaches.items():
            take(name, draw, pages[start : start + TURN])
        with playwright_browser() as draw:
            draw(pages[:1])
            take("one browser, a context per page (Playwright)", draw, pages[start : start + TURN])
    close_browsers()
    meter.close()
    baseline = spent["a browser per page (Playwright)"][0]
    for name, (cpu, wall) in sorted(spent.items(), key=lambda item: -item[1][0]):
        yield {
            "approach": name,
            "CPU a page (s)": round(cpu / len(pages), 3),
            "wall a page (s)": round(wall / len(pages), 3),
            "pages per core-second": round(len(pages) / cpu, 2),
            "times the first": round(baseline / cpu, 2),
        }


def endurance(pages: dict[str, str], repeats: int) -> dict[str, Any]:
    """Every page many times: distinct pictures, failures, and memory over all of it."""
    pictures: dict[str, set[str]] = {name: set() for name in pages}
    failures, drawn, memory, own = 0, 0, [], []
    with Browser() as browser:
        for _ in range(repeats):
            for name, html in pages.items():
                page = browser.render(html, PICTURE)
                failures += not page.ok
                pictures[name].add(hashlib.sha256(page.png).hexdigest())
                drawn += 1
                if drawn % LOOK == 0:
                    memory.append(browser.memory() >> 20)
                    own.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
    return {
        "renders": drawn,
        "failures": failures,
        "pages with one picture only": sum(len(found) == 1 for found in pictures.values()),
        "browser MiB, first and last quarter": [_mean(memory[: len(memory) // 4]), _mean(memory[-len(memory) // 4 :])],
        "browser MiB, most": max(memory),
        "our own peak MiB, after 50 and at the end": [own[50 // LOOK - 1], own[-1]],
    }


def _mean(numbers: Sequence[int]) -> int:
    return round(sum(numbers) / len(numbers))


def main() -> None:
    arguments = _arguments()
    pages = real_pages()
    if arguments.quick:
        pages = dict(list(pages.items())[:: len(pages) // QUICK_PAGES])
    rows = list(speed(list(pages.values())))
    if arguments.quick:
        print(*rows, sep="\n")
        return
    lasting = endurance(pages, arguments.repeats)
    facts = "; ".join(f"{key}: {value}" for key, value in lasting.items())
    environment = render_page("x").environment
    notes = (
        f"{len(pages)} real pages (Python and SQLite documentation, Start Bootstrap templates), made self-contained, "
        f"full page, {environment.browser}, the same program in every row; ours in the box ({environment.isolation}), "
        f"Playwright's without one. Each page {arguments.repeats} times over: {facts}."
    )
    print(result.write("pages", "Drawing web pages", rows, notes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PAGES} pages, speed only, nothing written")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="how often each page is drawn to see what lasts")
    return parser.parse_args()


if __name__ == "__main__":
    main()
