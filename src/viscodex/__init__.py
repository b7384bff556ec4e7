"""viscodex: picture in, program out. Merge, data, train, measure, use (arXiv 2508.09945).

with viscodex.load("models/merged") as model:
    page = model.generate("shot.png", kind="html").code
print(viscodex.score(page, Path("wanted.html")).values)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viscodex.version import __version__

if TYPE_CHECKING:
    from viscodex.eval.library import score
    from viscodex.serve.library import Model, load

__all__ = ["Model", "__version__", "load", "score"]


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is first used: importing viscodex stays light."""
    if name in ("Model", "load"):
        from viscodex.serve import library

        return getattr(library, name)
    if name == "score":
        from viscodex.eval.library import score

        return score
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
