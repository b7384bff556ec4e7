"""Pages of seven families: a heading, a palette of two colours, and what the family is about. Short HTML."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from viscodex.pocket.worlds.problem import Content, Family, listed, some
from viscodex.pocket.worlds.words import (
    BACKGROUNDS,
    BUTTONS,
    COLUMNS,
    DARK,
    DAYS,
    FIELDS,
    LINKS,
    PLACES,
    SIGNS,
    THINGS,
    TRADES,
)

PROMPTS = (
    "Write the HTML of this page.",
    "Write one HTML file that looks like this page.",
    "Recreate this page in HTML.",
    "Which HTML shows this page? Answer with the code.",
    "Turn this screenshot into HTML.",
)


@dataclass
class Draft:
    """A page while it is written: rules, elements and description grow in the same order."""

    family: str
    background: str
    accent: str
    rules: list[str] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def rule(self, rule: str) -> None:
        self.rules.append(f"{rule}\n")

    def write(self, element: str, *told: tuple[str, object]) -> None:
        self.elements.append(f"{element}\n")
        self.told += [f"{key}: {value}" for key, value in told]

    def content(self, chance: random.Random) -> Content:
        rules = f"body {{ font: 16px sans-serif; background: {self.background} }}\n" + "".join(self.rules)
        page = f"<!DOCTYPE html>\n<html>\n<style>\n{rules}</style>\n<body>\n{''.join(self.elements)}</body>\n</html>\n"
        colours = [f"background: {self.background}", f"accent: {self.accent}"]
        description = "\n".join([f"page: {self.family}", *colours, *self.told])
        return Content(self.family, chance.choice(PROMPTS), page, description, picture_of=page)


def article(chance: random.Random) -> Content:
    """A heading, two sentences, a button or two."""
    draft = _begin("article", chance)
    _heading(draft, chance)
    for sentence in some(chance, _sentences(chance), 2):
        draft.write(f"<p>{sentence}</p>", ("text", sentence))
    _buttons(draft, chance, chance.randint(1, 2))
    return draft.content(chance)


def form(chance: random.Random) -> Content:
    """Two fields and a button."""
    draft = _begin("form", chance)
    _heading(draft, chance)
    for name in some(chance, FIELDS, 2):
        draft.write(f'<p>{name}: <input size="9"></p>', ("field", name))
    _buttons(draft, chance, 1)
    return draft.content(chance)


def cards(chance: random.Random) -> Content:
    """Two or three things with their prices, side by side."""
    draft = _begin("cards", chance)
    draft.rule(f"div {{ display: inline-block; background: {draft.accent}; color: white; padding: 12px }}")
    _heading(draft, chance)
    for thing in some(chance, THINGS, chance.randint(2, 3)):
        price = _price(chance)
        draft.write(f"<div>{thing}<br>{price}</div>", ("card", f"{thing} {price}"))
    sentence = chance.choice(_sentences(chance))
    draft.write(f"<p>{sentence}</p>", ("text", sentence))
    return draft.content(chance)


def table(chance: random.Random) -> Content:
    """Two columns, two or three rows."""
    draft = _begin("table", chance)
    draft.rule(f"th {{ background: {draft.accent}; color: white }}")
    _heading(draft, chance)
    draft.write('<table border="1" cellpadding="4">')
    first, second = some(chance, COLUMNS, 2)
    draft.write(f"<tr><th>{first}</th><th>{second}</th></tr>", ("columns", f"{first}, {second}"))
    for thing in some(chance, THINGS, chance.randint(2, 3)):
        number = 5 * chance.randint(1, 19)
        draft.write(f"<tr><td>{thing}</td><td>{number}</td></tr>", ("row", f"{thing}, {number}"))
    draft.write("</table>")
    return draft.content(chance)


def items(chance: random.Random) -> Content:
    """A list of three or four things."""
    draft = _begin("list", chance)
    _heading(draft, chance)
    things = some(chance, THINGS, chance.randint(3, 4))
    draft.write("<ul>", ("items", listed(things)))
    for thing in things:
        draft.write(f"<li>{thing}</li>")
    draft.write("</ul>")
    if chance.random() < 0.5:
        _buttons(draft, chance, 1)
    return draft.content(chance)


def picture(chance: random.Random) -> Content:
    """A heading, the placeholder of a picture, a sentence."""
    draft = _begin("picture", chance)
    _heading(draft, chance)
    width, height = chance.choice((60, 100, 140, 180)), chance.choice((40, 60, 80))
    draft.write(f'<img src="rick.jpg" width="{width}" height="{height}">', ("image", f"{width} x {height}"))
    sentence = chance.choice(_sentences(chance))
    draft.write(f"<p>{sentence}</p>", ("text", sentence))
    return draft.content(chance)


def site(chance: random.Random) -> Content:
    """A bar of links above a heading and a sentence."""
    draft = _begin("site", chance)
    draft.rule(f"nav {{ background: {draft.accent}; color: white; padding: 8px; word-spacing: 12px }}")
    links = some(chance, LINKS, chance.randint(2, 3))
    draft.write(f"<nav>{' '.join(links)}</nav>", ("links", listed(links)))
    _heading(draft, chance)
    sentence = chance.choice(_sentences(chance))
    draft.write(f"<p>{sentence}</p>", ("text", sentence))
    if chance.random() < 0.5:
        _buttons(draft, chance, 1)
    return draft.content(chance)


FAMILIES: tuple[Family, ...] = (article, form, cards, table, items, picture, site)


def _begin(family: str, chance: random.Random) -> Draft:
    draft = Draft(family, chance.choice(BACKGROUNDS), chance.choice(DARK))
    draft.rule(f"h1 {{ font-size: 22px; color: {draft.accent} }}")
    return draft


def _heading(draft: Draft, chance: random.Random) -> None:
    heading = f"{chance.choice(SIGNS)} {chance.choice(TRADES)}"
    draft.write(f"<h1>{heading}</h1>", ("heading", heading))


def _buttons(draft: Draft, chance: random.Random, count: int) -> None:
    draft.rule(f"button {{ font-size: 16px; background: {draft.accent}; color: white; padding: 6px 12px }}")
    for name in some(chance, BUTTONS, count):
        draft.write(f"<button>{name}</button>", ("button", name))


def _sentences(chance: random.Random) -> list[str]:
    one, other = some(chance, THINGS, 2)
    begin, end = some(chance, DAYS, 2)
    return [
        f"We sell {one} and {other}.",
        f"Fresh {one} every {begin}.",
        f"Open from {begin} to {end}.",
        f"Visit us in {chance.choice(PLACES)}.",
        f"New: {one} for {_price(chance)}.",
    ]


def _price(chance: random.Random) -> str:
    return f"${chance.randint(1, 9)}"
