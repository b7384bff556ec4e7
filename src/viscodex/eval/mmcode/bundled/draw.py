"""Draws the pictures of the bundled problems: `python -m viscodex.eval.mmcode.bundled.draw`. All of it is our own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Point = tuple[float, float]
Rows = Sequence[Sequence[str]]

HERE = Path(__file__).parent
INK, PALE, BLUE, RED, WHITE = "#222222", "#dfe6ee", "#2f6db5", "#c0392b", "#ffffff"
CELL = 44
MARGIN = 30


class Sheet:
    """A white picture to draw on; places in pixels from the upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), WHITE)
        self.pen = ImageDraw.Draw(self.image)

    def text(self, place: Point, text: str, size: int = 18, colour: str = INK) -> None:
        self.pen.text(place, text, fill=colour, anchor="mm", font=ImageFont.load_default(size))

    def line(self, start: Point, end: Point, colour: str = INK, width: int = 2) -> None:
        self.pen.line([start, end], fill=colour, width=width)

    def disc(self, place: Point, label: str, radius: int = 20, fill: str = PALE) -> None:
        x, y = place
        self.pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill, outline=INK, width=2)
        self.text(place, label)

    def arrow(self, start: Point, end: Point, gap: float = 24) -> tuple[Point, float]:
        """From near `start` to near `end`; its middle and its direction."""
        angle = math.atan2(end[1] - start[1], end[0] - start[0])
        (x0, y0), (x1, y1) = start, end
        tail = (x0 + gap * math.cos(angle), y0 + gap * math.sin(angle))
        head = (x1 - gap * math.cos(angle), y1 - gap * math.sin(angle))
        self.line(tail, head)
        wings = [(head[0] - 12 * math.cos(angle + d), head[1] - 12 * math.sin(angle + d)) for d in (0.4, -0.4)]
        self.pen.polygon([head, *wings], fill=INK)
        return ((tail[0] + head[0]) / 2, (tail[1] + head[1]) / 2), angle

    def grid(
        self, rows: Sequence[Sequence[str]], fills: Mapping[str, str] | None = None, *, numbered: bool = True
    ) -> None:
        """Cells with their texts; a text in `fills` becomes a colour. Rows and columns are numbered from 0."""
        for r, row in enumerate(rows):
            for c, text in enumerate(row):
                left, top = MARGIN + c * CELL, MARGIN + r * CELL
                fill = (fills or {}).get(text)
                self.pen.rectangle([left, top, left + CELL, top + CELL], fill=fill or WHITE, outline=INK, width=2)
                if fill is None:
                    self.text((left + CELL / 2, top + CELL / 2), text)
        if numbered:
            for c in range(len(rows[0])):
                self.text((MARGIN + (c + 0.5) * CELL, MARGIN / 2), str(c), 15, BLUE)
            for r in range(len(rows)):
                self.text((MARGIN / 2, MARGIN + (r + 0.5) * CELL), str(r), 15, BLUE)


def board(rows: Rows, fills: Mapping[str, str] | None = None, *, numbered: bool = True) -> Sheet:
    sheet = Sheet(2 * MARGIN + CELL * len(rows[0]), 2 * MARGIN + CELL * len(rows))
    sheet.grid(rows, fills, numbered=numbered)
    return sheet


def maze() -> Sheet:
    return board(["..#.....", ".##.###.", "....#...", ".####.#.", "......#.", "###.#.#."], {"#": INK, ".": WHITE})


def network() -> Sheet:
    places: dict[str, Point] = {"A": (60, 150), "B": (180, 60), "C": (180, 240), "D": (320, 60), "E": (320, 240)}
    places |= {"F": (450, 150), "G": (560, 60), "H": (560, 240)}
    edges = [("A", "B", 4), ("A", "C", 2), ("B", "C", 1), ("B", "D", 7), ("C", "E", 9), ("D", "E", 2), ("D", "F", 3)]
    edges += [("E", "F", 8), ("F", "G", 5)]
    sheet = Sheet(620, 300)
    for a, b, weight in edges:
        (x0, y0), (x1, y1) = places[a], places[b]
        sheet.line(places[a], places[b])
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        sheet.pen.rectangle([middle[0] - 13, middle[1] - 12, middle[0] + 13, middle[1] + 12], fill=WHITE)
        sheet.text(middle, str(weight), colour=RED)
    for name, place in places.items():
        sheet.disc(place, name)
    return sheet


def tree() -> Sheet:
    places: dict[int, Point] = {7: (290, 40), 3: (140, 120), 12: (440, 120), 9: (70, 200), 5: (210, 200)}
    places |= {1: (360, 200), 20: (520, 200), 4: (150, 280), 8: (270, 280), 15: (360, 280), 2: (520, 280)}
    parents = {3: 7, 12: 7, 9: 3, 5: 3, 1: 12, 20: 12, 4: 5, 8: 5, 15: 1, 2: 20}
    sheet = Sheet(590, 320)
    for child, parent in parents.items():
        sheet.line(places[child], places[parent])
    for number, place in places.items():
        sheet.disc(place, str(number))
    return sheet


def prices() -> Sheet:
    rows = [["", "small", "medium", "large"], ["tea", "1.20", "1.75", "2.30"], ["coffee", "1.85", "2.40", "3.15"]]
    rows += [["cocoa", "2.05", "2.65", "3.45"], ["juice", "1.50", "2.10", "2.95"]]
    sheet = Sheet(2 * MARGIN + 4 * 100, 2 * MARGIN + 5 * 40)
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            left, top = MARGIN + c * 100, MARGIN + r * 40
            fill = PALE if r == 0 or c == 0 else WHITE
            sheet.pen.rectangle([left, top, left + 100, top + 40], fill=fill, outline=INK)
            sheet.text((left + 50, top + 20), text)
    return sheet


def polygon() -> Sheet:
    corners = [(1, 1), (8, 1), (8, 4), (5, 4), (5, 7), (3, 5), (1, 7)]
    size, unit = 9, 44

    def at(x: float, y: float) -> Point:
        return MARGIN + x * unit, MARGIN + (size - y) * unit

    sheet = Sheet(2 * MARGIN + size * unit, 2 * MARGIN + size * unit)
    sheet.pen.polygon([at(x, y) for x, y in corners], fill=PALE)
    for step in range(size + 1):
        sheet.line(at(step, 0), at(step, size), "#bbbbbb", 1)
        sheet.line(at(0, step), at(size, step), "#bbbbbb", 1)
        sheet.text((at(step, 0)[0], at(0, 0)[1] + 15), str(step), 15, BLUE)
        sheet.text((at(0, 0)[0] - 15, at(0, step)[1]), str(step), 15, BLUE)
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        sheet.line(at(x0, y0), at(x1, y1), INK, 3)
    return sheet


def wheel() -> Sheet:
    ring = "QMZTAXKEWBPL"
    sheet = Sheet(400, 400)
    sheet.pen.ellipse([40, 40, 360, 360], outline=INK, width=2)
    for index, letter in enumerate(ring):
        angle = math.radians(360 / len(ring) * index - 90)
        sheet.disc((200 + 160 * math.cos(angle), 200 + 160 * math.sin(angle)), letter, 22)
    sheet.arrow((200, 200), (200, 40), 26)
    sheet.text((200, 250), "clockwise", 16, BLUE)
    return sheet


def automaton() -> Sheet:
    places: dict[str, Point] = {"P": (110, 90), "Q": (310, 90), "R": (510, 90), "S": (310, 250)}
    moves = [("P", "Q", "a"), ("Q", "R", "b"), ("R", "P", "a"), ("P", "S", "b"), ("S", "Q", "a"), ("Q", "S", "a")]
    moves += [("R", "S", "b")]
    sheet = Sheet(620, 330)
    sheet.arrow((20, 90), places["P"])
    for start, end, letter in moves:
        bend = {("Q", "S"): 14, ("S", "Q"): -14}.get((start, end), 0)
        if (start, end) == ("R", "P"):  # over the top
            sheet.pen.arc([110, 20, 510, 160], 195, 345, fill=INK, width=2)
            sheet.pen.polygon([(118, 68), (120, 52), (132, 60)], fill=INK)
            sheet.text((310, 36), letter, colour=RED)
            continue
        a, b = ((places[name][0] + bend, places[name][1]) for name in (start, end))
        middle, angle = sheet.arrow(a, b)
        sheet.text((middle[0] + 14 * math.sin(angle), middle[1] - 14 * math.cos(angle)), letter, colour=RED)
    sheet.pen.arc([285, 265, 335, 315], 300, 240, fill=INK, width=2)  # S stays on b
    sheet.pen.polygon([(296, 272), (304, 264), (306, 278)], fill=INK)
    sheet.text((350, 300), "b", colour=RED)
    for name, place in places.items():
        if name == "R":
            sheet.disc(place, "", 26, WHITE)
        sheet.disc(place, name)
    return sheet


def bars() -> Sheet:
    heights = [3, 7, 4, 9, 2, 6, 8, 5, 1, 10]
    sheet = Sheet(520, 360)
    for step in range(0, 11, 2):
        y = 310 - 26 * step
        sheet.line((50, y), (500, y), "#cccccc", 1)
        sheet.text((32, y), str(step), 15)
    for index, height in enumerate(heights):
        left = 62 + 44 * index
        sheet.pen.rectangle([left, 310 - 26 * height, left + 30, 310], fill=BLUE, outline=INK)
        sheet.text((left + 15, 328), str(index), 15)
    return sheet


def points() -> Sheet:
    return board([list("41753"), list("29486"), list("85317"), list("63924")])


def room() -> Sheet:
    corners = [(60, 60), (400, 60), (400, 180), (230, 180), (230, 330), (60, 330)]
    sheet = Sheet(480, 400)
    sheet.pen.polygon(corners, fill=PALE, outline=INK, width=3)
    labels: Iterable[tuple[Point, str]] = [((230, 40), "6.8 m"), ((435, 120), "2.4 m"), ((145, 350), "3.4 m")]
    for place, label in [*labels, ((30, 195), "5.4 m")]:
        sheet.text(place, label, 17, RED)
    return sheet


def sticks() -> Sheet:
    """Rows of matches: stage n is a triangle of n rows of squares, row i holding i squares."""
    sheet = Sheet(600, 220)
    for stage, left in ((1, 30), (2, 130), (3, 300)):
        for row in range(stage):
            for column in range(row + 1):
                x, y = left + 44 * column, 40 + 44 * row
                for start, end in (((0, 0), (1, 0)), ((0, 1), (1, 1)), ((0, 0), (0, 1)), ((1, 0), (1, 1))):
                    sheet.line((x + 44 * start[0], y + 44 * start[1]), (x + 44 * end[0], y + 44 * end[1]), RED, 4)
        sheet.text((left + 22 * stage, 200), f"stage {stage}", 16)
    return sheet


def tiles_before() -> Sheet:
    return board([list("ABC"), list("DEF"), list("GHI")], numbered=False)


def tiles_after() -> Sheet:
    return board([list("DAB"), list("GEC"), list("HIF")], numbered=False)


PICTURES: Mapping[str, Sequence[Callable[[], Sheet]]] = {
    "maze": (maze,),
    "network": (network,),
    "tree": (tree,),
    "prices": (prices,),
    "polygon": (polygon,),
    "wheel": (wheel,),
    "automaton": (automaton,),
    "bars": (bars,),
    "points": (points,),
    "room": (room,),
    "sticks": (sticks,),
    "tiles": (tiles_before, tiles_after),
}


def main(folder: Path = HERE) -> None:
    """Write every picture to `FOLDER/PROBLEM/images/N.png`."""
    for name, drawings in PICTURES.items():
        images = folder / name / "images"
        images.mkdir(parents=True, exist_ok=True)
        for number, drawing in enumerate(drawings, start=1):
            drawing().image.save(images / f"{number}.png", optimize=True)


if __name__ == "__main__":
    main()
