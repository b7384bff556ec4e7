"""Pictures of problems, in order: many charts by one run of the sandbox, many pages by one visit of the browser.

A run of the chart sandbox, or a visit, costs more than drawing something so small. So several are drawn at once, onto
one sheet that is cut up again. The pixels are those that each has by itself: tests/pocket/test_pictures.py holds them
against each other. Our own programs can share a run, since none means harm to the next.
"""

from __future__ import annotations

import hashlib
import html
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from viscodex.core.errors import VisCodexError
from viscodex.core.rundir import atomic_write
from viscodex.pocket.worlds.problem import Problem
from viscodex.pocket.worlds.words import HEIGHT, WIDTH
from viscodex.sandbox.browser import Browser
from viscodex.sandbox.chart import Charts
from viscodex.sandbox.pages import View

AT_ONCE = 48
"""Charts or pages on a sheet."""
COLUMNS = 6

CHARTS = """\
import numpy as np
from matplotlib import pyplot as plt

width, height, columns, scripts = {width}, {height}, {columns}, {scripts}
sheet = np.full((-(-len(scripts) // columns) * height, columns * width, 4), 255, np.uint8)
for place, script in enumerate(scripts):
    exec(compile(script, "chart.py", "exec"), {{"__name__": "__main__"}})
    canvas = plt.gcf().canvas
    canvas.draw()
    down, across = place // columns * height, place % columns * width
    sheet[down : down + height, across : across + width] = np.asarray(canvas.buffer_rgba())
    plt.close("all")
plt.figure(figsize=(sheet.shape[1] / 100, sheet.shape[0] / 100), dpi=100).figimage(sheet)
"""
PAGES = """\
<!DOCTYPE html>
<style>body {{ margin: 0 }} iframe {{ border: 0; position: absolute; width: {width}px; height: {height}px }}</style>
{frames}
"""
FRAME = '<iframe style="left: {across}px; top: {down}px" srcdoc="{page}"></iframe>'


class Painter:
    """A zygote for charts and a browser for pages, each started when it is first needed. For one thread."""

    def __init__(self) -> None:
        self._charts: Charts | None = None
        self._browser: Browser | None = None

    def paint(self, programs: Sequence[str]) -> list[bytes]:
        """PNGs of scripts and pages, WIDTH × HEIGHT each. Raises VisCodexError where one cannot be drawn here."""
        pages = [program for program in programs if program.startswith("<!DOCTYPE")]
        scripts = [program for program in programs if not program.startswith("<!DOCTYPE")]
        drawn = dict(zip(pages, self._pages(pages), strict=True)) | dict(
            zip(scripts, self._scripts(scripts), strict=True)
        )
        return [drawn[program] for program in programs]

    def close(self) -> None:
        if self._charts is not None:
            self._charts.close()
        if self._browser is not None:
            self._browser.close()

    def _scripts(self, scripts: list[str]) -> Iterator[bytes]:
        if not scripts:
            return iter(())
        self._charts = self._charts or Charts()
        columns = min(COLUMNS, len(scripts))
        chart = self._charts.run(
            CHARTS.format(width=WIDTH, height=HEIGHT, columns=columns, scripts=repr(scripts)), dpi=None
        )
        if not chart.ok:
            hint = "viscodex sandbox selftest"
            raise VisCodexError(f"charts of ours cannot be drawn: {chart.status}: {chart.reason}", hint=hint)
        return _cut(chart.png, len(scripts), columns)

    def _pages(self, pages: list[str]) -> Iterator[bytes]:
        if not pages:
            return iter(())
        self._browser = self._browser or Browser()
        columns, rows = min(COLUMNS, len(pages)), -(-len(pages) // COLUMNS)
        frames = [
            FRAME.format(across=place % columns * WIDTH, down=place // columns * HEIGHT, page=html.escape(page))
            for place, page in enumerate(pages)
        ]
        view = View(width=columns * WIDTH, height=rows * HEIGHT, text_blocks=False)
        page = self._browser.render(PAGES.format(width=WIDTH, height=HEIGHT, frames="\n".join(frames)), view)
        if not page.ok:
            hint = "viscodex sandbox selftest"
            raise VisCodexError(f"pages of ours cannot be drawn: {page.status}: {page.detail}", hint=hint)
        return _cut(page.png, len(pages), columns)


def pictures(problems: Sequence[Problem], workers: int = 2, cache: Path | None = None) -> Iterator[bytes]:
    """The PNG of each problem's `picture_of`, in order; b"" where there is none. `cache`: a folder to keep them in."""
    painters = [Painter() for _ in range(workers)]
    free = list(painters)

    def drawn(some: Sequence[Problem]) -> list[bytes]:
        painter = free.pop()
        try:
            return _kept([problem.picture_of for problem in some], painter, cache)
        finally:
            free.append(painter)

    lots = (problems[start : start + AT_ONCE] for start in range(0, len(problems), AT_ONCE))
    # A browser and a zygote end with the thread that started them: the pool's threads stay until all are closed.
    with ThreadPoolExecutor(workers, "pictures") as pool:
        try:
            waiting: list[Future[list[bytes]]] = [pool.submit(drawn, lot) for lot in islice(lots, 2 * workers)]
            while waiting:
                done = waiting.pop(0).result()
                waiting += [pool.submit(drawn, lot) for lot in islice(lots, 1)]
                yield from done
        finally:
            for future in waiting:
                future.cancel()
            pool.shutdown()
            for painter in painters:
                painter.close()


def _kept(programs: Sequence[str], painter: Painter, cache: Path | None) -> list[bytes]:
    """Their pictures, from the cache where they are there."""
    found = {program: _read(cache, program) for program in programs if program}
    missing = [program for program, png in found.items() if not png]
    for program, png in zip(missing, painter.paint(missing), strict=True):
        found[program] = png
        if cache is not None:
            path = _place(cache, program)
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, png)
    return [found[program] if program else b"" for program in programs]


def _cut(png: bytes, count: int, columns: int) -> Iterator[bytes]:
    with Image.open(io.BytesIO(png)) as opened:
        sheet = np.asarray(opened.convert("RGB"))
    for place in range(count):
        down, across = place // columns * HEIGHT, place % columns * WIDTH
        file = io.BytesIO()
        Image.fromarray(sheet[down : down + HEIGHT, across : across + WIDTH]).save(file, "PNG", compress_level=3)
        yield file.getvalue()


def _place(cache: Path, program: str) -> Path:
    digest = hashlib.sha256(program.encode()).hexdigest()
    return cache / digest[:2] / f"{digest[2:32]}.png"


def _read(cache: Path | None, program: str) -> bytes:
    if cache is None:
        return b""
    path = _place(cache, program)
    return path.read_bytes() if path.is_file() else b""
