"""The charts of our questions, by matplotlib: name → (what draws it, inches wide, inches high)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREY, PALE = "#2f6db3", "#d9822b", "#555555", "#f5f7fa"


def class_counts(figure: Figure) -> None:
    """Python: how many pictures of each class a training set has."""
    axes = figure.subplots()
    bars = axes.bar(["cat", "dog", "bird", "fish"], [480, 240, 160, 80], color=BLUE)
    axes.bar_label(bars)
    axes.set(title="Training set", xlabel="class", ylabel="pictures", ylim=(0, 540))


def losses(figure: Figure) -> None:
    """Python: two losses, of which one turns at epoch 14."""
    axes, epochs = figure.subplots(), np.arange(1, 41)
    noise = 0.012 * np.sin(epochs * 2.3) + 0.008 * np.cos(epochs * 5.1)
    axes.plot(epochs, 0.12 + 1.3 * np.exp(-epochs / 9) + 0.4 * noise, color=BLUE, label="loss")
    turned = 0.52 + 0.0011 * np.abs(epochs - 14) ** 1.9 * np.where(epochs < 14, 3.4, 0.62)
    axes.plot(epochs, turned + noise * (epochs != 14), color=ORANGE, label="val_loss")
    axes.axvline(14, color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel="epoch", ylabel="loss", xlim=(0, 41), ylim=(0, 1.4), xticks=[1, 7, 14, 21, 28, 35, 40])
    axes.legend()


def activation(figure: Figure) -> None:
    """R: a function that is cut at −1 and at 2."""
    axes = figure.subplots()
    axes.plot([-4, -1, 2, 4], [-1, -1, 2, 2], color=ORANGE, linewidth=2.5)
    axes.set(title="activation(x)", xlabel="x", ylabel="y", xlim=(-4, 4), ylim=(-3, 3))
    axes.set_xticks(range(-4, 5))
    axes.set_yticks(range(-3, 4))
    axes.grid(alpha=0.4)


def rain(figure: Figure) -> None:
    """R: lying bars, sorted, a panel per year."""
    towns = ["Cadiz", "Turin", "Lille", "Graz", "Bergen"]
    panels = figure.subplots(1, 2, sharey=True)
    for axes, year, mm in zip(
        panels, (2022, 2023), ([540, 690, 730, 890, 2210], [480, 640, 810, 950, 2390]), strict=True
    ):
        axes.barh(towns, mm, color="#595959")
        axes.set_facecolor("#ebebeb")
        axes.grid(color="white")
        axes.set_axisbelow(True)
        axes.set_title(str(year), fontsize=10, backgroundcolor="#d9d9d9")
        axes.set_xlabel("mm")
        axes.set_xlim(0, 2600)
        for side in axes.spines.values():
            side.set_visible(False)
    panels[0].set_ylabel("town")
    figure.tight_layout()


def pauses(figure: Figure) -> None:
    """Java: when a request is sent again; the pauses double up to a bound."""
    axes, pauses = figure.subplots(), [150, 300, 600, 1200, 1500, 1500]
    at = np.cumsum([0, *pauses])
    axes.axhline(0, color=GREY, linewidth=1)
    axes.scatter(at, np.zeros(len(at)), s=70, color=[BLUE, *[ORANGE] * 6], zorder=3)
    for number, (start, end) in enumerate(pairwise(at)):
        height = 0.28 + 0.2 * (number % 2)
        style = {"arrowstyle": "<->", "color": GREY, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", xy=(end, height), xytext=(start, height), arrowprops=style)
        for x in (start, end):
            axes.plot([x, x], [0, height], color="#cccccc", linewidth=0.8, zorder=1)
        axes.text((start + end) / 2, height + 0.04, f"{end - start}", ha="center", fontsize=9)
        axes.text(end, -0.16, str(number + 1), ha="center", fontsize=9, color=ORANGE)
    axes.text(-60, -0.16, "sent", ha="right", fontsize=9, color=BLUE)
    axes.text(2800, -0.34, "retry 1, 2, 3, …", ha="center", fontsize=9, color=ORANGE)
    axes.set(xlim=(-450, 5600), ylim=(-0.45, 0.8), xlabel="milliseconds", yticks=[])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)


def ring(figure: Figure) -> None:
    """Go: servers and keys on a ring; a key belongs to the server before it."""
    axes = figure.subplots(subplot_kw={"projection": "polar"})
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    axes.set(ylim=(0, 1.35), yticks=[])
    axes.set_xticks(np.radians([0, 45, 90, 135, 180, 225, 270, 315]))
    axes.spines["polar"].set_visible(False)
    axes.grid(alpha=0.25)
    around = np.radians(np.arange(361))
    axes.plot(around, np.ones(361), color=GREY, linewidth=1.5)
    for name, degrees in {"ada": 20, "bob": 115, "cyd": 210, "dee": 300}.items():
        axes.plot(np.radians(degrees), 1, "s", color=BLUE, markersize=13)
        axes.text(
            np.radians(degrees),
            1.5 if name == "bob" else 1.24,
            f"{name} {degrees}°",
            ha="center",
            va="center",
            color=BLUE,
            fontsize=10,
        )
    for degrees, owner in {60: 20, 180: 115, 8: -60}.items():
        axes.plot(np.radians(degrees), 1, "o", color=ORANGE, markersize=8)
        axes.text(np.radians(degrees), 0.83, f"key {degrees}°", ha="center", va="center", color=ORANGE, fontsize=8)
        way = np.radians(np.linspace(degrees, owner, 30))
        axes.plot(way, np.full(30, 0.7), color=ORANGE, linewidth=1)
        axes.annotate("", (way[-1], 0.7), (way[-3], 0.7), arrowprops={"arrowstyle": "-|>", "color": ORANGE})


def load(figure: Figure) -> None:
    """Bash: a load that rises every four hours, above the crontab that explains it."""
    above, below = figure.subplots(2, 1, height_ratios=(3, 2))
    hours = np.arange(0, 24, 1 / 12)
    values = 0.5 + 0.12 * np.sin(hours * 9.7) + 0.1 * np.cos(hours * 23)
    for start in (2, 6, 10, 14, 18, 22):
        values += 3.4 * ((hours >= start + 1 / 6) & (hours < start + 1))
    values += 0.5 * ((hours >= 3.5) & (hours < 4.2))
    above.fill_between(hours, values, color=BLUE, alpha=0.6, linewidth=0)
    above.set(xlim=(0, 24), ylim=(0, 5), ylabel="load", xticks=range(0, 25, 2))
    above.set_xticklabels([f"{hour:02}:00" for hour in range(0, 25, 2)], fontsize=8)
    above.grid(alpha=0.3)
    lines = [
        "$ crontab -l",
        "*/5 *      * * *  /srv/bin/index.sh",
        "0   *      * * *  /srv/bin/rotate.sh",
        "30  3      * * *  /srv/bin/backup.sh",
        "10  2-23/4 * * *  /srv/bin/thumbs.sh",
        "0   5      * * 1  /srv/bin/mirror.sh",
    ]
    below.text(0, 1, "\n".join(lines), family="DejaVu Sans Mono", fontsize=9, va="top", transform=below.transAxes)
    below.axis("off")
    figure.tight_layout()


def runs(figure: Figure) -> None:
    """SQL: times that overlap, touch or lie two minutes apart are joined, three minutes are a break."""
    axes = figure.subplots()
    rows = [(0, 6), (4, 9), (11, 14), (17, 20), (20, 24), (28, 30)]
    for number, (start, end) in enumerate(rows):
        axes.broken_barh([(start, end - start)], (3.2 - 0.34 * number, 0.26), color=BLUE)
        axes.text(end + 0.3, 3.33 - 0.34 * number, f"{start} – {end}", va="center", fontsize=8)
    for start, end in [(0, 14), (17, 24), (28, 30)]:
        axes.broken_barh([(start, end - start)], (0.45, 0.4), color=ORANGE)
        axes.text((start + end) / 2, 0.92, f"{start} – {end}", ha="center", fontsize=8)
    axes.set(xlim=(0, 34), ylim=(0.2, 3.7), xlabel="minute", xticks=range(0, 34, 2), yticks=[0.65, 2.4])
    axes.set_yticklabels(["wanted", "rows"])
    axes.grid(axis="x", alpha=0.4)
    axes.axhline(1.2, color=GREY, linewidth=0.8)


def order_states(figure: Figure) -> None:
    """TypeScript: what an order's states are, and which event leads where."""
    places = {"cart": (0.5, 2.0), "placed": (2.5, 2.0), "shipped": (4.5, 2.0)}
    places |= {"cancelled": (2.5, 0.5), "returned": (4.5, 0.5)}
    arrows = [
        ("cart", "placed", "pay"),
        ("placed", "shipped", "send"),
        ("placed", "cancelled", "cancel"),
        ("shipped", "returned", "return"),
        ("cancelled", "cart", "reopen"),
    ]
    graph(figure.subplots(), places, arrows)


def automaton(figure: Figure) -> None:
    """C++: which strings of a and b are accepted."""
    axes = figure.subplots()
    places = {"S": (0.5, 1.5), "A": (2.5, 2.4), "B": (4.5, 1.5), "C": (2.5, 0.4)}
    graph(axes, places, [("S", "A", "a"), ("A", "B", "b"), ("B", "C", "a"), ("C", "S", "b")])
    axes.text(4.5, 1.0, "accepting", ha="center", va="top", color=ORANGE)
    axes.text(0.5, 1.0, "start", ha="center", va="top", color=GREY)
    axes.text(2.5, -0.3, "any other letter: rejected at once", ha="center", va="top", color=GREY)


def requests(figure: Figure) -> None:
    """JavaScript: which request needs which result."""
    axes = figure.subplots()
    places = {"user": (0.3, 2.0), "prices": (0.3, 0.5), "photo(user)": (2.0, 2.7), "orders(user)": (2.0, 1.5)}
    graph(axes, places | {"report(orders, prices)": (4.3, 0.8)}, [])
    style = {"arrowstyle": "-|>", "color": GREY}
    for start, end in (
        ((0.62, 2.1), (1.38, 2.55)),
        ((0.62, 1.9), (1.38, 1.65)),
        ((2.68, 1.4), (3.5, 1.05)),
        ((0.7, 0.55), (3.28, 0.75)),
    ):
        axes.annotate("", xy=end, xytext=start, arrowprops=style)


def invoices(figure: Figure) -> None:
    """PHP: two tables and the column that joins them."""
    axes = figure.subplots()
    tables = {
        "clients": (0.3, ["client_no  PK", "full_name", "joined_on"]),
        "invoices": (3.2, ["invoice_no  PK", "billed_to  FK", "amount_cents", "paid_at"]),
    }
    schema(axes, tables, [((3.0, 1.88), (2.15, 2.0))])
    axes.set(xlim=(0, 5.6), ylim=(1.0, 2.7))


def climbing(figure: Figure) -> None:
    """Ruby: a join table with a key of an unusual name."""
    axes = figure.subplots()
    tables = {
        "climbers": (0.2, ["id    PK", "name"]),
        "ascents": (2.7, ["id          PK", "climber_id  FK", "line_id     FK", "climbed_on"]),
        "routes": (5.6, ["id     PK", "name", "grade"]),
    }
    schema(axes, tables, [((2.55, 1.8), (1.45, 1.98)), ((4.5, 1.62), (5.35, 1.98))])
    axes.set(xlim=(0, 7.3), ylim=(1.0, 2.7))


def schema(
    axes: Axes, tables: Mapping[str, tuple[float, list[str]]], arrows: Sequence[tuple[tuple[float, float], ...]]
) -> None:
    """Tables as boxes; arrows from a key to what it means."""
    for name, (left, columns) in tables.items():
        lines = [name, "─" * (max(map(len, columns)) + 1), *columns]
        box = {"boxstyle": "square,pad=0.6", "facecolor": PALE, "edgecolor": BLUE}
        axes.text(left, 2.4, "\n".join(lines), va="top", family="DejaVu Sans Mono", fontsize=10, bbox=box)
    for start, end in arrows:
        style = {"arrowstyle": "-|>", "color": ORANGE, "linewidth": 1.6}
        axes.annotate("", xy=end, xytext=start, arrowprops=style)
    axes.axis("off")


def graph(axes: Axes, places: Mapping[str, tuple[float, float]], arrows: Sequence[tuple[str, str, str]]) -> None:
    """Named boxes and labelled arrows."""
    for name, (x, y) in places.items():
        box = {"boxstyle": "round,pad=0.5", "facecolor": PALE, "edgecolor": BLUE}
        axes.text(x, y, name, ha="center", va="center", bbox=box)
    for start, end, label in arrows:
        (x0, y0), (x1, y1) = places[start], places[end]
        style = {"arrowstyle": "-|>", "color": GREY, "shrinkA": 28, "shrinkB": 28}
        axes.annotate("", xy=(x1, y1), xytext=(x0, y0), arrowprops=style)
        axes.text((x0 + x1) / 2 + 0.08, (y0 + y1) / 2 + 0.1, label, color=ORANGE, style="italic")
    axes.set(xlim=(-0.4, 5.4), ylim=(-0.6, 3))
    axes.axis("off")


CHARTS: dict[str, tuple[Callable[[Figure], None], float, float]] = {
    "javascript-003": (requests, 5.8, 3.4),
    "typescript-001": (order_states, 5.6, 3.6),
    "python-001": (class_counts, 5.6, 3.6),
    "python-003": (losses, 5.6, 3.4),
    "r-001": (activation, 5.6, 3.6),
    "r-002": (rain, 6.4, 3.0),
    "java-002": (pauses, 7.2, 2.6),
    "cpp-001": (automaton, 5.6, 3.6),
    "go-002": (ring, 4.6, 4.6),
    "php-001": (invoices, 5.6, 2.6),
    "ruby-002": (climbing, 7.0, 2.2),
    "bash-003": (load, 6.8, 4.0),
    "sql-002": (runs, 6.6, 3.4),
}
