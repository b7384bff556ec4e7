"""Run one chart script and collect what it drew. Runs inside the chart environment, in a process of its own.

The order matters: the grid of the figure, then its picture, then the colours as they are after drawing, and last the
text, because its ticks are taken away for that.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import gc
import importlib
import os
import random
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib._pylab_helpers import Gcf
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_pdf import RendererPdf
from matplotlib.figure import Figure

from viscodex.sandbox import chart_boxes, chart_png, chart_shortcuts, chart_tracers
from viscodex.sandbox.chart_frames import PIXEL_CEILING
from viscodex.sandbox.chart_tracers import LEDGER

SCRIPT = "chart.py"
POINTS_PER_INCH = 72
PIXELS_AT_OUR_DPI = 25_000_000
PRELOADED = ("pandas", "scipy.stats", "scipy.interpolate", "networkx", "squarify", "matplotlib_venn", "seaborn")


class Seen:
    """What scripts do to figures, noted while they run."""

    last: Figure | None = None
    """The figure that was saved or closed last."""
    saved_text: list[str] = []  # noqa: RUF012  # one list for the process
    seaborn_colormaps: frozenset[str] = frozenset()
    """What importing seaborn adds to matplotlib."""


class TextOnly(RendererPdf):  # type: ignore[misc]  # matplotlib has no types here
    """A PDF renderer that draws nothing and lists the strings it should have drawn, one for each line of text."""

    def __init__(self, text: list[str], dpi: float, height: float, width: float) -> None:
        RendererPdf.__init__(self, None, dpi, height, width)
        self.text = text

    def draw_text(self, gc: Any, x: Any, y: Any, s: str, *args: Any, **kwargs: Any) -> None:
        self.text.append(str(s))

    def _draw_nothing(self, *args: Any, **kwargs: Any) -> None:
        """In place of every shape."""

    draw_path = draw_path_collection = draw_markers = draw_image = draw_tex = _draw_nothing
    draw_gouraud_triangle = draw_gouraud_triangles = draw_quad_mesh = finalize = _draw_nothing


def prepare() -> None:
    """Once, before any script: import, trace, tame the backends, and warm every cache that drawing fills."""
    colormaps = set(matplotlib.colormaps)
    for name in PRELOADED:
        importlib.import_module(name)
    Seen.seaborn_colormaps = frozenset(set(matplotlib.colormaps) - colormaps)
    chart_tracers.install()
    chart_shortcuts.copy_markers_quickly()
    _tame_backends()
    _watch_figures()
    files = _open_files()
    _warm_up()
    _close_fonts()
    if left := _open_files() - files:
        raise RuntimeError(f"drawing has left files open: {left}")


def run(code: str, order: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Execute a script and describe the outcome; never raises for what it does.

    `order`: `dpi` (None: the figure's own), `tight` (crop to what is drawn), `nameless` (see chart_tracers), `boxes`
    (tell where texts lie, at the price of a second drawing).
    """
    if order["nameless"]:
        chart_tracers.install(order["nameless"])
    if "seaborn" not in code:  # a script that does not import it sees matplotlib as if nobody had
        for name in Seen.seaborn_colormaps:
            matplotlib.colormaps.unregister(name)
    _seed()
    outcome = _execute(code)
    artists, boxes, png, trouble = _collect(order)
    told = {"outcome": outcome, "render": trouble, "artists": artists}
    return told | ({"boxes": boxes} if order["boxes"] else {}), png


def _execute(code: str) -> dict[str, Any]:
    """Run the script as `__main__`, threads that it waits for included."""
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=SCRIPT, __builtins__=builtins)
    sys.modules["__main__"], sys.argv, sys.path[0] = module, [SCRIPT], str(Path.cwd())
    try:
        exec(compile(code, SCRIPT, "exec", dont_inherit=True), module.__dict__)
        _join_threads()
    except SystemExit as error:
        return _outcome("exit", error)
    except BaseException as error:  # noqa: BLE001  # the sandbox's boundary: anything at all may come out of a script
        with contextlib.suppress(BaseException):
            error.__traceback__ = _own_frames(error)
            traceback.print_exception(error)
        return _outcome("memory" if isinstance(error, MemoryError) else "error", error)
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
    return {"status": "ok"}


def _outcome(status: str, error: BaseException) -> dict[str, Any]:
    return {"status": status, "type": type(error).__name__, "message": _message(error), "line": _line(error)}


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit) and error.code is None:
        return ""
    try:
        return str(error)[:2000]
    except BaseException:  # noqa: BLE001  # an exception of the script's own
        return ""


def _own_frames(error: BaseException) -> types.TracebackType | None:
    """The traceback without our own frame."""
    return error.__traceback__.tb_next if error.__traceback__ is not None else None


def _line(error: BaseException) -> int | None:
    """The last line of the script on the way to the error."""
    found = error.lineno if isinstance(error, SyntaxError) and error.filename == SCRIPT else None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == SCRIPT:
            found = number
    return found


def _join_threads() -> None:
    """Wait as the interpreter would, at its end, for threads that are not daemons."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def _collect(order: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None, bytes, str]:
    """Artists, boxes if they are wanted, picture, and what kept the picture from being drawn."""
    LEDGER.type_log.is_inside = LEDGER.colour_log.is_inside = True  # our own drawing is not the script's
    active = Gcf.get_active()
    figure = Seen.last if active is None else active.canvas.figure
    facts: dict[str, Any] = {
        "figure": "open" if active is not None else "closed" if figure is not None else "none",
        "figures": len(Gcf.figs),
        "types": dict(LEDGER.types),
        "late_types": dict(LEDGER.late_types),
        "saved_text": list(Seen.saved_text),
        "problems": [],
    }
    size, dpi, layout, png, trouble = (0.0, 0.0), 0.0, [], b"", ""
    text: list[str] = []
    boxes = None
    if figure is not None:
        with _noting(facts["problems"], "layout"):
            size, dpi = _pair(figure.get_size_inches()), float(figure.dpi)
            layout = [_cell(axes) for axes in figure.get_axes()]
        if order["nameless"] != "types":  # colours are those of what has been drawn
            png, trouble = _picture(figure, order["dpi"], order["tight"])
    facts |= {"colours": LEDGER.colours(), "late_colours": LEDGER.colours(late=True), "trips": LEDGER.trips}
    if order["boxes"] and png:
        with _noting(facts["problems"], "boxes"):
            boxes = chart_boxes.collect(figure)
    if figure is not None and not order["nameless"]:
        shapes = contextlib.nullcontext() if trouble else chart_shortcuts.without_shapes()  # they have been drawn once
        with _noting(facts["problems"], "text"), shapes:
            _draw_text(figure, text)
    return facts | {"size": size, "dpi": dpi, "layout": layout, "text": text}, boxes, png, trouble


def _pair(values: Any) -> tuple[float, float]:
    return float(values[0]), float(values[1])


@contextlib.contextmanager
def _noting(problems: list[str], part: str) -> Iterator[None]:
    """One part that cannot be collected does not keep the others from being."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # a figure of the script's making can raise anything
        problems.append(f"{part}: {type(error).__name__}: {_message(error)}")


def _cell(axes: Any) -> dict[str, int] | None:
    """Where the axes stand in their own grid; None when they are in none."""
    place = axes.get_subplotspec()
    if place is None:
        return None
    rows, columns = place.get_gridspec().get_geometry()
    return {
        "nrows": int(rows),
        "ncols": int(columns),
        "row_start": int(place.rowspan.start),
        "row_end": int(place.rowspan.stop) - 1,
        "col_start": int(place.colspan.start),
        "col_end": int(place.colspan.stop) - 1,
    }


def _picture(figure: Any, dpi: float | None, tight: bool) -> tuple[bytes, str]:
    """The PNG, or why there is none. With a `dpi` of ours, the figure is drawn smaller where it would be vast."""
    sink = chart_png.Sink()
    options: dict[str, Any] = {"bbox_inches": "tight"} if tight else {}
    try:
        own = plt.rcParams["savefig.dpi"]
        own = figure.dpi if own == "figure" else own
        width, height = figure.get_size_inches()
        if width * height * own**2 > PIXEL_CEILING:
            return b"", f"ValueError: the picture would have {width * own:.0f} × {height * own:.0f} pixels"
        options["dpi"] = min(dpi, (PIXELS_AT_OUR_DPI / (width * height)) ** 0.5) if dpi else own
        figure.savefig(sink, format="rgba", **options)
        return chart_png.encoded(sink.pixels, options["dpi"]), ""
    except BaseException as error:  # noqa: BLE001  # artists draw themselves, and the script may have made them
        return b"", f"{type(error).__name__}: {_message(error)}"


def _draw_text(figure: Any, text: list[str]) -> None:
    """List every string that a PDF of the figure would draw, with the ticks of its axes taken away."""
    for axes in figure.get_axes():
        axes.set_xticks([])
        axes.set_yticks([])
    dpi, figure.dpi = figure.dpi, POINTS_PER_INCH
    width, height = figure.get_size_inches()
    try:
        figure.draw(MixedModeRenderer(figure, width, height, dpi, TextOnly(text, dpi, height, width)))
    finally:
        figure.dpi = dpi


def _seed() -> None:
    """Scripts that do not seed draw the same numbers every time, numpy's new generators included."""
    random.seed(0)
    np.random.seed(0)
    fresh = random.Random(0)
    importlib.import_module("numpy.random.bit_generator").randbits = fresh.getrandbits  # type: ignore[attr-defined]


def _tame_backends() -> None:
    """A script that asks for a window gets a picture: there is no screen here, but that is not its fault."""
    windowed = {name.lower() for name in importlib.import_module("matplotlib.rcsetup").interactive_bk}

    def ignoring_windows(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def choose(backend: Any, *args: Any, **kwargs: Any) -> Any:
            return None if str(backend).lower() in windowed else function(backend, *args, **kwargs)

        return choose

    matplotlib.use = ignoring_windows(matplotlib.use)
    plt.switch_backend = ignoring_windows(plt.switch_backend)


def _watch_figures() -> None:
    """Remember the figure that was saved or closed last, and the text of PDFs that scripts save themselves."""
    save, destroy, destroy_all, draw_text = Figure.savefig, Gcf.destroy, Gcf.destroy_all, RendererPdf.draw_text

    @functools.wraps(save)
    def savefig(self: Any, *args: Any, **kwargs: Any) -> Any:
        Seen.last = self
        return save(self, *args, **kwargs)

    def destroying(number: Any) -> None:
        manager = Gcf.figs.get(number) if isinstance(number, int) else number
        Seen.last = manager.canvas.figure if manager is not None else Seen.last
        destroy(number)

    def destroying_all() -> None:
        active = Gcf.get_active()
        Seen.last = active.canvas.figure if active is not None else Seen.last
        destroy_all()

    def drawing_text(self: Any, gc: Any, x: Any, y: Any, s: str, *args: Any, **kwargs: Any) -> None:
        Seen.saved_text.append(str(s))
        draw_text(self, gc, x, y, s, *args, **kwargs)

    for owner, name, watching in (
        (Figure, "savefig", savefig),
        (Gcf, "destroy", staticmethod(destroying)),
        (Gcf, "destroy_all", staticmethod(destroying_all)),
        (RendererPdf, "draw_text", drawing_text),
    ):
        setattr(owner, name, watching)


def _warm_up() -> None:
    """Draw one small figure, so that fonts, the parser of formulas and the encoder are ready when a script is."""
    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, 1], label="$x^2$")
    axes.set_title("0123456789")
    axes.legend()
    _picture(figure, None, False)
    _draw_text(figure, [])
    plt.close(figure)
    LEDGER.clear()
    Seen.last = None
    Seen.saved_text.clear()


def _close_fonts() -> None:
    """Fonts read their files while they are used, and a forked process has neither the files nor fonts in common.

    matplotlib's own at-fork hook clears one cache; parsed formulas and reference cycles hold on to the others.
    """
    importlib.import_module("matplotlib.font_manager")._get_font.cache_clear()
    importlib.import_module("matplotlib.mathtext").MathTextParser._parse_cached.cache_clear()
    gc.collect()


def _open_files() -> set[int]:
    found = set()
    for fd in range(256):
        with contextlib.suppress(OSError):
            os.fstat(fd)
            found.add(fd)
    return found
