"""Pages that the scripted stand-in hands out: layouts, colours, names and sentences drawn from lists by hash."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

NAMES = [
    "Alder",
    "Beacon",
    "Cobalt",
    "Dunmore",
    "Ember",
    "Fallow",
    "Garnet",
    "Harrow",
    "Inlet",
    "Juniper",
    "Kestrel",
    "Larkspur",
    "Meridian",
    "Northgate",
    "Orchard",
]
PEOPLE = (
    "Ada Okafor",
    "Jonas Lind",
    "Mei Tanaka",
    "Priya Nair",
    "Tomás Rey",
    "Wren Calloway",
    "Ines Duarte",
    "Paul Weiss",
)
VERBS = ("keeps", "measures", "collects", "repairs", "plans", "delivers", "explains", "compares", "records", "prepares")
THINGS = (
    "weekly schedules", "spare parts", "small orders", "field notes", "opening hours", "safety checks", "test results",
    "member cards", "travel plans", "monthly reports", "supply lists", "room bookings", "price lists", "repair logs",
)  # fmt: skip
PLACES = (
    "in the old harbour",
    "on the third floor",
    "near the station",
    "across four towns",
    "by the river",
    "from home",
)
WHEN = ("since 1998", "every Tuesday", "before noon", "within two days", "all year round", "at short notice")
PALETTES = (
    ("#1f3a5f", "#f5f7fa", "#e07a5f"), ("#2d4a3e", "#f7f5ef", "#c8963e"), ("#4a2545", "#fbf7fb", "#2a9d8f"),
    ("#222222", "#ffffff", "#b5232f"), ("#0b4f6c", "#eef6f8", "#f2a541"), ("#3b3355", "#f4f1fa", "#6aa84f"),
)  # fmt: skip
FONTS = ("Georgia, serif", "system-ui, sans-serif", "Verdana, sans-serif", "'Times New Roman', serif", "monospace")


class Lot:
    """Draws from a hash, one draw after the other."""

    def __init__(self, chance: bytes) -> None:
        self._state = chance

    def number(self, below: int) -> int:
        self._state = hashlib.sha256(self._state).digest()
        return int.from_bytes(self._state[:8], "big") % below

    def one(self, items: Sequence[T]) -> T:
        return items[self.number(len(items))]

    def sentence(self) -> str:
        words = f"{self.one(NAMES)} {self.one(VERBS)} {self.one(THINGS)} {self.one(PLACES)} {self.one(WHEN)}"
        return f"{words}, for {self.number(90) + 10} people and {self.number(900) + 100} parcels."

    def text(self, sentences: int) -> str:
        return " ".join(self.sentence() for _ in range(sentences))


def page(topic: str, chance: bytes) -> str:
    """A whole page about a topic, which it names and does not understand."""
    lot = Lot(chance)
    dark, light, accent = lot.one(PALETTES)
    name = f"{lot.one(NAMES)} {lot.number(90) + 10}"
    sections = [lot.one(SECTIONS)(lot, accent) for _ in range(3 + lot.number(4))]
    side = lot.number(3) == 0
    grid = "display:grid;grid-template-columns:260px 1fr;gap:32px" if side else "display:block"
    aside = f"<aside>{_list(lot, accent)}{_block(lot)}</aside>" if side else ""
    links = "".join(f'<a href="#s{n}">{lot.one(NAMES)}</a>' for n in range(2 + lot.number(5)))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{name}</title>
<style>
body {{ margin: 0; font: {15 + lot.number(4)}px/1.5 {lot.one(FONTS)}; color: #222; background: {light}; }}
header {{ background: {dark}; color: #fff; padding: {16 + 8 * lot.number(8)}px 48px; }}
nav a {{ color: #fff; margin-right: 24px; }}
main {{ max-width: {800 + 80 * lot.number(5)}px; margin: 24px auto; padding: 0 24px; {grid}; }}
section {{ margin-bottom: {16 + 8 * lot.number(4)}px; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ border: 1px solid #bbb; padding: 6px 10px; text-align: left; }}
.cards {{ display: grid; gap: 16px; }} .card {{ background: #fff; border: 1px solid #ccc; padding: 16px; }}
.block {{ background: #0000ff; }}
footer {{ background: {dark}; color: #ddd; padding: 16px 48px; }}
</style>
</head>
<body>
<header><h1>{name}</h1><p>{html.escape(topic)}</p><nav>{links}</nav></header>
<main>{aside}<div>
{chr(10).join(sections)}
</div></main>
<footer>{lot.sentence()}</footer>
</body>
</html>"""


def _prose(lot: Lot, accent: str) -> str:
    paragraphs = "".join(f"<p>{lot.text(2 + lot.number(4))}</p>" for _ in range(1 + lot.number(3)))
    return f'<section><h2 style="color:{accent}">{lot.one(NAMES)}</h2>{paragraphs}</section>'


def _table(lot: Lot, accent: str) -> str:
    head = "".join(f"<th>{lot.one(NAMES)}</th>" for _ in range(3 + lot.number(3)))
    rows = ""
    for _ in range(3 + lot.number(6)):
        cells = "".join(f"<td>{lot.number(5000)}</td>" for _ in range(head.count("<th>") - 1))
        rows += f"<tr><td>{lot.one(PEOPLE)}</td>{cells}</tr>"
    first = f'<tr style="background:{accent};color:#fff">{head}</tr>'
    return f"<section><h2>{lot.one(NAMES)}</h2><table>{first}{rows}</table></section>"


def _cards(lot: Lot, accent: str) -> str:
    columns = 2 + lot.number(3)
    cards = ""
    for _ in range(columns * (1 + lot.number(2))):
        title = f'<h3 style="color:{accent}">{lot.one(PEOPLE)}</h3>'
        cards += f'<div class="card">{_block(lot)}{title}<p>{lot.sentence()}</p></div>'
    return f'<section class="cards" style="grid-template-columns:repeat({columns},1fr)">{cards}</section>'


def _list(lot: Lot, accent: str) -> str:
    items = "".join(f"<li>{lot.sentence()}</li>" for _ in range(3 + lot.number(5)))
    return f'<section style="border-left:6px solid {accent};padding-left:16px"><ul>{items}</ul></section>'


def _form(lot: Lot, accent: str) -> str:
    fields = ""
    for _ in range(2 + lot.number(4)):
        fields += (
            f"<p><label>{lot.one(NAMES)}<br><input value='{lot.one(PEOPLE)}' size='{20 + lot.number(30)}'></label></p>"
        )
    button = f'<button style="background:{accent};color:#fff;border:0;padding:8px 20px">{lot.one(VERBS)}</button>'
    return f'<section class="card"><h2>{lot.one(NAMES)}</h2>{fields}{button}</section>'


def _quote(lot: Lot, accent: str) -> str:
    return (
        f'<section><blockquote style="font-size:1.4em;color:{accent}">{lot.sentence()}</blockquote>'
        f"<p>{lot.one(PEOPLE)}</p>{_block(lot)}</section>"
    )


def _block(lot: Lot) -> str:
    return f'<div class="block" style="height:{60 + 20 * lot.number(8)}px"></div>'


SECTIONS: tuple[Callable[[Lot, str], str], ...] = (_prose, _table, _cards, _list, _form, _quote)
