"""Draws the pictures of our questions: charts by matplotlib, terminals by PIL, pages and diagrams by our browser."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from suites.infibench_v.charts import CHARTS
from suites.infibench_v.diagrams import DIAGRAMS
from suites.infibench_v.pages import PAGES
from suites.infibench_v.terminals import TERMINALS
from viscodex.core.errors import UsageError, did_you_mean
from viscodex.sandbox.browser import Browser
from viscodex.sandbox.pages import View

NAMES = sorted({*CHARTS, *DIAGRAMS, *PAGES, *TERMINALS})
COLOURS = 64


def chart(name: str) -> Image.Image:
    draw, width, height = CHARTS[name]
    figure = Figure(figsize=(width, height), dpi=100)
    draw(figure)
    data = io.BytesIO()
    figure.savefig(data, format="png", bbox_inches="tight")
    return Image.open(data)


def terminal(name: str) -> Image.Image:
    """A dark terminal that says these lines."""
    lines = TERMINALS[name].strip("\n").split("\n")
    font = ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf", 15)
    width = round(max(font.getlength(line) for line in lines)) + 32
    picture = Image.new("RGB", (width, 22 * len(lines) + 28), "#1b1f24")
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        colour = "#8fd18f" if line.startswith("$") else "#ff8f80" if "rror" in line or "panic" in line else "#d7dae0"
        pen.text((16, 14 + 22 * number), line, fill=colour, font=font)
    return picture


def page(name: str, browser: Browser) -> Image.Image:
    html, width, height = {**PAGES, **DIAGRAMS}[name]
    return Image.open(io.BytesIO(browser.render(html, View(width=width, height=height, text_blocks=False)).png))


def drawn(names: Sequence[str]) -> dict[str, Image.Image]:
    """Pictures by their questions' names; all of them where none is named."""
    for name in names:
        if name not in NAMES:
            raise UsageError(f"no picture {name}", hint=did_you_mean(name, NAMES))
    wanted = names or NAMES
    found = {name: chart(name) for name in wanted if name in CHARTS}
    found |= {name: terminal(name) for name in wanted if name in TERMINALS}
    with Browser() as browser:
        found |= {name: page(name, browser) for name in wanted if name not in found}
    return found


def save(folder: Path, names: Sequence[str]) -> None:
    """As PNG with a palette: a chart takes about 10 kB."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in drawn(names).items():
        palette = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        palette.save(folder / f"{name}.png", optimize=True)
