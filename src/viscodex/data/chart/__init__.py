"""The chart pipeline: scripts of corpora and repositories → clean scripts of one legible figure → checked pairs."""

from viscodex.data.chart.settings import Settings
from viscodex.data.chart.stages import pipeline

__all__ = ["Settings", "pipeline"]
