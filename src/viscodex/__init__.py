"""viscodex: picture in, program out. Merge, data, train, measure, use (arXiv 2508.09945)."""

from viscodex.version import __version__

__all__ = ["__version__"]
