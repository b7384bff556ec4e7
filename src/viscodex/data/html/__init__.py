"""The html pipeline: style seeds (screenshots, pages) → new pages of a model, or the pages → checked pairs."""

from viscodex.data.html.settings import Settings
from viscodex.data.html.stages import pipeline

__all__ = ["Settings", "pipeline"]
