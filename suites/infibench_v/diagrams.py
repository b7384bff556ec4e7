"""Diagrams of our questions, as SVG in a page: name → (HTML, width and height of the window)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

INK, BLUE, ORANGE, PALE = "#333", "#2f6db3", "#d9822b", "#f5f7fa"
ARROWS = (
    '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
    f'orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{INK}"/></marker></defs>'
)


def svg(width: int, height: int, *parts: str) -> tuple[str, int, int]:
    body = "".join(parts)
    style = "<style>body{margin:0;background:#fff}text{font:15px sans-serif}.m{font-family:monospace}"
    style += ".s{font-size:12px}</style>"
    picture = f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}">{ARROWS}{body}</svg>'
    return f"<!DOCTYPE html><title>Diagram</title>{style}{picture}", width, height


def text(x: float, y: float, words: str, *, anchor: str = "middle", colour: str = INK, style: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}" class="{style}">{words}</text>'


def box(x: float, y: float, width: float, height: float, *, fill: str = PALE, edge: str = BLUE, round: int = 0) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{round}" fill="{fill}" stroke="{edge}"/>'


def line(x: float, y: float, x2: float, y2: float, *, ends: str = "", colour: str = INK, dash: str = "") -> str:
    """`ends` is one of "", "->" and "<->"."""
    marks = ' marker-end="url(#a)"' if ">" in ends else ""
    marks += ' marker-start="url(#a)"' if "<" in ends else ""
    return f'<line x1="{x}" y1="{y}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-dasharray="{dash}"{marks}/>'


def plates() -> tuple[str, int, int]:
    """TypeScript: three plates and how their sizes are called."""
    grey = "#b9c0c8"
    ring = (
        f'<circle cx="110" cy="120" r="75" fill="{grey}" stroke="{INK}"/><circle cx="110" cy="120" r="42" fill="#fff" '
        f'stroke="{INK}"/>'
    )
    ring += line(35, 225, 185, 225, ends="<->") + text(110, 245, "outer", colour=ORANGE, style="m")
    ring += line(35, 120, 35, 232, dash="3") + line(185, 120, 185, 232, dash="3")
    ring += line(68, 120, 152, 120, ends="<->") + text(110, 114, "inner", colour=ORANGE, style="m")
    slot = f'<path d="M290 75 H430 A45 45 0 0 1 430 165 H290 A45 45 0 0 1 290 75z" fill="{grey}" stroke="{INK}"/>'
    slot += f'<circle cx="290" cy="120" r="3" fill="{INK}"/><circle cx="430" cy="120" r="3" fill="{INK}"/>'
    slot += line(290, 120, 290, 215, dash="3") + line(430, 120, 430, 215, dash="3")
    slot += line(290, 208, 430, 208, ends="<->") + text(360, 230, "length", colour=ORANGE, style="m")
    slot += line(430, 120, 462, 88, ends="->") + text(424, 100, "radius", colour=ORANGE, style="m")
    notch = f'<path d="M540 45 H650 V95 H690 V195 H540z" fill="{grey}" stroke="{INK}"/>'
    notch += line(650, 45, 690, 45, dash="3") + line(690, 45, 690, 95, dash="3")
    notch += line(540, 215, 690, 215, ends="<->") + text(615, 236, "side", colour=ORANGE, style="m")
    notch += line(525, 45, 525, 195, ends="<->") + text(506, 125, "side", colour=ORANGE, style="m")
    notch += line(650, 34, 690, 34, ends="<->") + text(670, 26, "cut", colour=ORANGE, style="m")
    notch += line(702, 45, 702, 95, ends="<->") + text(722, 75, "cut", colour=ORANGE, style="m")
    names = "".join(
        text(x, 275, f"kind: “{name}”", style="m") for x, name in ((110, "ring"), (360, "slot"), (615, "notch"))
    )
    return svg(745, 290, ring, slot, notch, names)


def decision_tree() -> tuple[str, int, int]:
    """Python: a tree with thresholds; both directions of the comparisons occur."""
    nodes = {(300, 40): "moisture &lt; 0.14 ?", (430, 140): "protein ≥ 12.5 ?", (300, 240): "weight &gt; 76 ?"}
    leaves = {(130, 140): "store", (560, 240): "feed", (200, 340): "bread", (400, 340): "biscuit"}
    ways = [
        ((300, 40), (130, 140), "yes"),
        ((300, 40), (430, 140), "no"),
        ((430, 140), (300, 240), "yes"),
        ((430, 140), (560, 240), "no"),
        ((300, 240), (200, 340), "yes"),
        ((300, 240), (400, 340), "no"),
    ]
    parts = [line(x, y + 18, x2, y2 - 18, ends="->") for (x, y), (x2, y2), _ in ways]
    parts += [
        text((x + x2) / 2 + (-22 if x2 < x else 22), (y + y2) / 2 + 2, word, colour=ORANGE)
        for (x, y), (x2, y2), word in ways
    ]
    parts += [box(x - 85, y - 18, 170, 36) + text(x, y + 5, words, style="m") for (x, y), words in nodes.items()]
    parts += [
        box(x - 45, y - 18, 90, 36, fill="#e7f3e7", edge="#3a8a3a", round=16) + text(x, y + 5, words)
        for (x, y), words in leaves.items()
    ]
    return svg(650, 375, *parts)


def numbered_tree(places: Mapping[str, tuple[int, int]], ways: Iterable[str], order: str) -> tuple[str, int, int]:
    """Java: a tree whose nodes say when they are visited."""
    parts = [line(*places[way[0]], *places[way[1]]) for way in ways]
    for name, (x, y) in places.items():
        parts.append(f'<circle cx="{x}" cy="{y}" r="19" fill="{PALE}" stroke="{BLUE}"/>' + text(x, y + 5, name))
        parts.append(f'<circle cx="{x + 27}" cy="{y - 13}" r="10" fill="{ORANGE}"/>')
        parts.append(text(x + 27, y - 9, str(order.index(name) + 1), colour="#fff", style="s"))
    return svg(430, 310, *parts)


def stream() -> tuple[str, int, int]:
    """R: which place in the stream a cell has."""
    rows = ((1, 2, 4, 7), (3, 5, 8, 11), (6, 9, 12, 14), (10, 13, 15, 16))
    parts = []
    for y, row in enumerate(rows):
        parts.append(text(32, 82 + 56 * y, f"row {y + 1}", style="s"))
        for x, number in enumerate(row):
            parts.append(box(60 + 56 * x, 50 + 56 * y, 56, 56, edge=INK) + text(88 + 56 * x, 83 + 56 * y, str(number)))
    parts += [text(88 + 56 * x, 38, f"column {x + 1}", style="s") for x in range(4)]
    return svg(310, 290, *parts)


def bits() -> tuple[str, int, int]:
    """C++: the fields of a word."""
    fields = (("kind", 31, 29), ("", 28, 28), ("sensor", 27, 18), ("count", 17, 7), ("", 6, 6), ("check", 5, 0))
    width, parts = 23, []
    for name, high, low in fields:
        x, size = 12 + (31 - high) * width, (high - low + 1) * width
        parts.append(box(x, 50, size, 46, fill=PALE if name else "#c9c9c9", edge=INK))
        parts.append(text(x + size / 2, 78, name, style="m"))
        parts += [text(x + width / 2, 42, str(high), style="s")]
        parts += [text(x + size - width / 2, 42, str(low), style="s")] if high != low else []
    parts.append(text(12, 18, "bit", anchor="start", style="s"))
    parts.append(box(12, 112, 18, 14, fill="#c9c9c9", edge=INK) + text(38, 124, "reserved", anchor="start", style="s"))
    return svg(760, 140, *parts)


BARS = {
    "m": (20, 10, 70, 10), "q": (14, 16, 14, 64), "k": (76, 16, 76, 64), "h": (20, 70, 70, 70),
    "n": (14, 76, 14, 124), "r": (76, 76, 76, 124), "p": (20, 130, 70, 130),
}  # fmt: skip


def display() -> tuple[str, int, int]:
    """Ruby: the names of seven bars, and four letters made of them."""

    def bars(x: float, lit: str, size: float, names: bool = False) -> str:
        parts = [f'<g transform="translate({x} 12) scale({size})">']
        for name, (x0, y0, x1, y1) in BARS.items():
            colour = "#d0342c" if name in lit else "#dcdcdc"
            parts.append(f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="{colour}" stroke-width="11"/>')
            parts += [text((x0 + x1) / 2, (y0 + y1) / 2 + 4, name, style="s m")] * names
        return "".join([*parts, "</g>"])

    parts = [bars(10, "", 1.4, names=True), line(165, 15, 165, 195, colour="#999")]
    for number, (letter, lit) in enumerate({"P": "hkmnq", "U": "knpqr", "E": "hmnpq", "J": "knpr"}.items()):
        parts += [bars(190 + 115 * number, lit, 1), text(235 + 115 * number, 188, letter)]
    return svg(650, 215, *parts)


TREE = {
    "K": (210, 35),
    "M": (110, 110),
    "T": (310, 110),
    "P": (60, 190),
    "Q": (160, 190),
    "R": (360, 190),
    "Z": (310, 270),
}

DIAGRAMS = {
    "typescript-002": plates(),
    "python-002": decision_tree(),
    "java-003": numbered_tree(TREE, ("KM", "KT", "MP", "MQ", "TR", "RZ"), "ZPQRMTK"),
    "r-003": stream(),
    "cpp-002": bits(),
    "ruby-003": display(),
}
