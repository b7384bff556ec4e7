"""Where the texts of a drawn chart lie, as the sandbox tells it: the model of what chart_boxes.py collects inside."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from viscodex.sandbox.chart_artists import Text


class TextBox(BaseModel):
    """A text that was drawn. Pixels of the figure's own dpi, from its upper left corner; y grows downwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Text
    role: Text
    """title, label, legend, "tick x" (y, z, …), other."""
    axes: int
    """The place of its axes in `Boxes.axes`; -1: the figure's own, or not known."""
    x: float
    y: float
    """Its centre."""
    width: float
    height: float
    """Unrotated; of several lines, all together."""
    angle: float
    """Degrees, counter-clockwise; quarter turns are already in width and height."""
    size: float
    """Of the letters."""


class AxesBox(BaseModel):
    """Visible axes: left, top, right, bottom, and whether they frame nothing at all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    box: tuple[float, float, float, float]
    is_empty: bool


class Boxes(BaseModel):
    """Everything that tells whether a chart can be read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: float
    height: float
    dpi: float
    texts: tuple[TextBox, ...]
    axes: tuple[AxesBox, ...]
    missing_glyphs: tuple[Text, ...]
    """matplotlib's own words on letters that the fonts do not have, whatever the script does about warnings."""
