"""Rows that the benchmarks have, too, are taken out: by code, by 13-grams of the text, by picture, by post.

index = build_index({"mmcode": "published/mmcode", …})    of files, once; a name alone takes our bundled samples
pipeline = decontaminated(pipeline, Settings())           one more stage, "decontaminate", at its end
"""

from viscodex.data.decontaminate.index import Index, build_index, read_index, write_index
from viscodex.data.decontaminate.stage import Settings, decontaminated

__all__ = ["Index", "Settings", "build_index", "decontaminated", "read_index", "write_index"]
