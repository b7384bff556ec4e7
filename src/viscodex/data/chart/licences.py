"""The licence of a repository, from the file that states it: the usual texts by their unmistakable phrases."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

NAMES = ("LICENSE", "LICENCE", "COPYING", "UNLICENSE")
SIGNS = {
    "Apache-2.0": ("apache license", "version 2.0"),
    "AGPL-3.0": ("gnu affero general public license", "version 3"),
    "LGPL-3.0": ("gnu lesser general public license", "version 3"),
    "LGPL-2.1": ("gnu lesser general public license", "version 2.1"),
    "GPL-3.0": ("gnu general public license", "version 3"),
    "GPL-2.0": ("gnu general public license", "version 2"),
    "MPL-2.0": ("mozilla public license", "2.0"),
    "PSF-2.0": ("python software foundation license",),
    "BSD-3-Clause": ("redistribution and use in source and binary forms", "neither the name"),
    "BSD-2-Clause": ("redistribution and use in source and binary forms",),
    "MIT": ("permission is hereby granted, free of charge", "the above copyright notice"),
    "ISC": ("permission to use, copy, modify, and/or distribute this software for any purpose",),
    "Unlicense": ("this is free and unencumbered software released into the public domain",),
    "CC0-1.0": ("cc0 1.0",),
    "CC-BY-4.0": ("creative commons attribution 4.0",),
}
"""SPDX name → what its text says, in lower case, lines joined; the first that fits counts."""
START = 20_000
"""Characters: licences of what is bundled stand further down."""


@lru_cache(maxsize=4096)
def licence_of(repository: Path) -> str:
    """SPDX name; "" when no file states one, or one that is not known."""
    if not repository.is_dir():
        return ""
    for entry in sorted(repository.iterdir()):
        if entry.name.upper().startswith(NAMES) and entry.is_file():
            with entry.open(encoding="utf-8", errors="replace") as file:
                text = " ".join(file.read(START).lower().split())
            if found := next((name for name, signs in SIGNS.items() if all(sign in text for sign in signs)), ""):
                return found
    return ""
