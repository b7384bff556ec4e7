"""Short questions about charts and pages: a value, a colour, a line of the code, a line to correct."""

from __future__ import annotations

import random
import re

from viscodex.pocket.worlds import charts, pages
from viscodex.pocket.worlds.problem import Content, Facts, Family, facts
from viscodex.pocket.worlds.words import BUTTONS, HOW, SIGNS, TRADES, UNITS, WHAT


def title(chance: random.Random) -> Content | None:
    """Which line of a script writes the title."""
    shown, known = _chart(chance)
    asked = ("Which line of matplotlib code sets the title?", "Write the line that sets the title of this chart.")
    return _asked("title", chance, shown, asked, f'plt.title("{known["title"]}")')


def axis(chance: random.Random) -> Content | None:
    """Which line names an axis."""
    shown, known = _chart(chance)
    name = chance.choice("xy")
    if f"{name}label" not in known:
        return None
    asked = (f"Which line of matplotlib code sets the {name} label?", f"Write the line that sets the {name} label.")
    return _asked("axis", chance, shown, asked, f'plt.{name}label("{known[f"{name}label"]}")')


def corrected(chance: random.Random) -> Content | None:
    """A line with a wrong word: the title's, or the unit's."""
    shown, known = _chart(chance)
    if chance.random() < 0.5 and "ylabel" in known:
        wrong, right = f'plt.ylabel("{chance.choice(UNITS)}")', f'plt.ylabel("{known["ylabel"]}")'
    else:
        wrong, right = f'plt.title("{chance.choice(HOW)} {chance.choice(WHAT)}")', f'plt.title("{known["title"]}")'
    if wrong == right:
        return None
    asked = (f"Correct this line of the chart's code: {wrong}", f"This line is wrong: {wrong} How must it be?")
    return _asked("corrected", chance, shown, asked, right)


def colour(chance: random.Random) -> Content | None:
    """Which colour a chart of one colour has."""
    shown, known = _chart(chance)
    if "\n" in known.get("color", "\n"):
        return None
    asked = ("Which color is given to matplotlib in this chart?", "Which color do the marks of this chart have?")
    return _asked("colour", chance, shown, asked, known["color"])


def value(chance: random.Random) -> Content | None:
    """The value of a bar or of a share."""
    shown, known = _chart(chance, charts.bar, charts.pie)
    labels, values = known["labels"].split(", "), known["values"].split(", ")
    place = chance.randrange(len(labels))
    asked = (f"Which value belongs to {labels[place]}?", f"What is the value of {labels[place]} in the code?")
    return _asked("value", chance, shown, asked, values[place])


def highest(chance: random.Random) -> Content | None:
    """Which bar is the highest, or the lowest."""
    shown, known = _chart(chance, charts.bar)
    labels, values = known["labels"].split(", "), [int(number) for number in known["values"].split(", ")]
    word, most = chance.choice((("highest", max(values)), ("lowest", min(values))))
    if values.count(most) > 1:
        return None
    asked = (f"Which label has the {word} value?", f"Of which bar is the value the {word}?")
    return _asked("highest", chance, shown, asked, labels[values.index(most)])


def kind(chance: random.Random) -> Content | None:
    """Which function of matplotlib draws it."""
    shown, known = _chart(chance)
    calls = {"grouped_bar": "plt.bar", "line": "plt.plot", "histogram": "plt.hist", "bar": f"plt.{known.get('draw')}"}
    asked = ("Which function of matplotlib draws this chart?", "Which plt function was called for this chart?")
    return _asked("kind", chance, shown, asked, calls.get(known["chart"], f"plt.{known['chart']}"))


def heading(chance: random.Random) -> Content | None:
    """The heading's line of a page, written or corrected."""
    shown, known = _page(chance)
    wrong, right = (
        f"<h1>{text}</h1>" for text in (f"{chance.choice(SIGNS)} {chance.choice(TRADES)}", known["heading"])
    )
    if wrong == right:
        return None
    asked = ("Which line of HTML shows the heading?", f"Correct this line of the page's HTML: {wrong}")
    return _asked("heading", chance, shown, asked, right)


def button(chance: random.Random) -> Content | None:
    """The line of a page's only button."""
    shown, known = _page(chance)
    if known.get("button") not in BUTTONS:
        return None
    asked = ("Which line of HTML makes the button?", "Write the HTML of the button.")
    return _asked("button", chance, shown, asked, f"<button>{known['button']}</button>")


def background(chance: random.Random) -> Content | None:
    """The background or the heading's colour of a page."""
    shown, known = _page(chance)
    what, key = chance.choice((("background color of the page", "background"), ("color of the heading", "accent")))
    asked = (f"What is the {what} in CSS?", f"Which word of CSS is the {what}?")
    return _asked("background", chance, shown, asked, known[key])


FAMILIES: tuple[Family, ...] = (
    title, axis, corrected, colour, value, highest, kind, heading, button, background,
)  # fmt: skip


def _chart(chance: random.Random, *families: Family) -> tuple[Content, Facts]:
    shown = chance.choice(families or charts.FAMILIES)(chance)
    assert shown is not None
    return shown, facts(shown.description)


def _page(chance: random.Random) -> tuple[Content, Facts]:
    shown = chance.choice(pages.FAMILIES)(chance)
    assert shown is not None
    return shown, facts(shown.description)


def _asked(family: str, chance: random.Random, shown: Content, asked: tuple[str, ...], answer: str) -> Content:
    """The problem. Right is the answer alone, bare or as code; an answer that lists everything is not."""
    pattern = rf"""\A[\s`"']*(?:(?:python|html)\n)?{re.escape(answer)}[\s`"'.;]*\Z"""
    return Content(family, chance.choice(asked), answer, shown.description, pattern, shown.picture_of)
