"""What one execution of a chart script leaves behind, as every chart metric reads it.

`Artists.model_dump(mode="json")` is the JSON that scores are computed from and that may be cached:

    {
      "figure": "open",                     # the current figure; "closed": none is open, so the one that the script
                                            # saved or closed last is described instead; "none": there never was one
      "figures": 1,                         # figures still open when the script ended
      "size": [6.4, 4.8], "dpi": 100.0,     # inches; of the figure
      "layout": [{"nrows": 1, "ncols": 2, "row_start": 0, "row_end": 0, "col_start": 1, "col_end": 1}, null],
                                            # one entry for each of the figure's axes; null: axes in no grid
      "types": {"bar": 3, "plot_polar": 1}, # outermost calls of each plotting function
      "colours": [["bar", "#1F77B4"], ["imshow", "viridis"]],
                                            # [group, colour or colormap] once drawn, each once, in order of the calls
      "late_types": {}, "late_colours": [], # the same, seen after an exception inside a traced call
      "trips": [],                          # "call", "end": when the published evaluator could not have read a colour
      "text": ["Title", "Label"],           # every string the figure draws once its ticks are taken away, line by line
      "saved_text": [],                     # every string drawn, ticks included, by PDFs that the script itself saved
      "problems": []                        # parts that could not be collected, and why: "text: ValueError: …"
    }

Functions of `types` and `colours` are named as in matplotlib, with `_polar`, `_3d` or `_squarify` where another has
the same name (`plot_polar_like`: on axes of a class derived from polar ones); constructors by their class.
`saved_text` comes before `text` in time. Of "closed" figures and `late_*` the `paper` protocol knows nothing: it
counts `layout` and `text` as empty, and leaves the late entries out.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict


def well_formed(text: str) -> str:
    """Halves of letters, which a script may draw and no file can hold, become question marks."""
    return text.encode("utf-8", "replace").decode()


Text = Annotated[str, AfterValidator(well_formed)]


class Cell(BaseModel):
    """Where axes stand in their grid; rows and columns are counted from 0, ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    nrows: int
    ncols: int
    row_start: int
    row_end: int
    col_start: int
    col_end: int


class Artists(BaseModel):
    """Everything that the chart metrics need from one execution; see the module's text for the fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    figure: Literal["open", "closed", "none"]
    figures: int
    size: tuple[float, float]
    dpi: float
    layout: tuple[Cell | None, ...]
    types: dict[Text, int]
    colours: tuple[tuple[Text, Text], ...]
    late_types: dict[Text, int]
    late_colours: tuple[tuple[Text, Text], ...]
    trips: tuple[Literal["call", "end"], ...]
    text: tuple[Text, ...]
    saved_text: tuple[Text, ...]
    problems: tuple[Text, ...]
