"""Questions with pictures and their accepted answers, from a dump of a Stack Exchange site."""

from viscodex.data.qa.pipeline import pipeline
from viscodex.data.qa.settings import PictureSettings, Settings

__all__ = ["PictureSettings", "Settings", "pipeline"]
