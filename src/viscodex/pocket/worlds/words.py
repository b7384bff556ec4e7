"""Size and vocabulary: few words, short enough to be legible in a small picture, plain enough to be learned."""

from __future__ import annotations

WIDTH, HEIGHT = 252, 196
"""Pixels of every picture: multiples of 28, so that it is 9 × 7 tokens of Qwen2.5-VL without any scaling."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


THINGS = _words(
    "tea rice milk corn fish salt wool silk gold iron coal wood bread sugar apple lemon melon grape olive onion "
    "bean nuts oats beef eggs figs plum pear cake soup"
)
"""What is counted."""

PLACES = _words("Rome Oslo Lima Bonn Kyiv Riga Nice Bern Baku Cork Doha Faro")

HOW = _words("Weekly Daily Total Annual Local Global Summer Winter Recent Average Final Early")
"""First word of a title."""

WHAT = _words("sales orders visits prices exports imports harvest traffic growth demand supply profit costs output")
"""Second word of a title."""

UNITS = _words("tons units boxes euros hours miles points cars trips pages")
"""Of a value axis."""

DAYS = _words("Mon Tue Wed Thu Fri Sat")
MONTHS = _words("Jan Feb Mar Apr May Jun")
AXES = _words("day week month shop city crop brand team room size")
"""Of the other axis."""

COLOURS = _words("red blue green orange purple brown pink gray gold teal navy lime")
PALE = _words("pink gold lime orange cyan silver tan violet")
"""Behind black text."""

BACKGROUNDS = _words("white lightyellow lightblue lightgray lavender mistyrose")
DARK = _words("red blue green purple brown gray teal navy black")
"""Behind white text."""
SIGNS = _words("Green Happy Little Sunny Royal Modern Silver Lucky Quiet Golden Red Blue")
"""First word of a heading."""
TRADES = _words("Garden Kitchen Bakery Market Hotel Museum School Library Studio Harbor Cinema Farm")
"""Second word of a heading."""
BUTTONS = _words("Order Send Help Join Book Save Next Login Search Cancel")
FIELDS = _words("Name Email City Phone Date Street Age Team")
COLUMNS = _words("Item Price Stock Count Score Week")
LINKS = _words("Home News About Shop Contact Blog")

SCALES = (20, 50, 100)
"""Ends of a value axis."""
