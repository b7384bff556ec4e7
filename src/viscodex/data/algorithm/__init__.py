"""Problems with a solution and tests (KodCode and similar); the solution passes its own tests in the sandbox."""

from viscodex.data.algorithm.pipeline import pipeline
from viscodex.data.algorithm.settings import Columns, Settings

__all__ = ["Columns", "Settings", "pipeline"]
