"""Folders that only root can reach, shown to programs that are not root.

A toolchain below /root (a Python of pyenv's, say) is out of reach once root has been dropped, and bwrap must find what
it binds. So root first makes a mount namespace of its own in which those folders are bound to a place that everybody
can enter, and bwrap is started in there. The namespace lives as long as our descriptor of it; nothing appears on the
host.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from viscodex.core.errors import VisCodexError
from viscodex.sandbox.boxed import spawn

_SCRIPT = """
set -e
stage=$1; shift; number=0
mount -t tmpfs -o mode=0755,size=1m none "$stage"
for source in "$@"; do
    if [ -d "$source" ]; then mkdir "$stage/$number"; else : > "$stage/$number"; fi
    mount --rbind "$source" "$stage/$number"
    number=$((number + 1))
done
echo
read -r end || :
"""


@dataclass(frozen=True)
class Stage:
    """A mount namespace, and where in it each source is found."""

    namespace: int
    places: dict[str, str]

    def prefix(self, uid: int, gid: int) -> tuple[str, ...]:
        """The words before a command that starts it in here, without root and without groups."""
        nsenter = shutil.which("nsenter", path="/usr/bin:/bin") or "nsenter"
        place = f"--mount=/proc/{os.getpid()}/fd/{self.namespace}"
        return (nsenter, place, f"--setuid={uid}", f"--setgid={gid}", "--")


@cache
def stage(sources: tuple[str, ...]) -> Stage:
    """Bind these folders or files where anybody can enter; an error where we may not mount."""
    if os.geteuid() != 0:
        raise VisCodexError(f"cannot be read by us: {', '.join(sources)}")
    place = next((path for path in ("/mnt", "/media", "/srv") if Path(path).is_dir()), "/mnt")
    unshare = ["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", _SCRIPT, "sh", place]
    namespace = _namespace_of([*unshare, *sources])
    return Stage(namespace, {source: f"{place}/{number}" for number, source in enumerate(sources)})


def _namespace_of(command: Sequence[str]) -> int:
    """Start the command, take its mount namespace when it says that it is ready, and let it end."""
    hold, let_go = os.pipe()
    ready, ready_theirs = os.pipe()
    try:
        process = spawn(command, {0: hold, 1: ready_theirs, 2: 2})
        os.close(ready_theirs)
        said = os.read(ready, 1)
        namespace = os.open(f"/proc/{process}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC) if said else -1
        os.close(let_go)
        os.waitpid(process, 0)
    finally:
        os.close(hold)
        os.close(ready)
    if namespace < 0:
        raise VisCodexError(
            "cannot show a folder that only root can reach to an unprivileged program",
            where=" ".join(command[9:]),
            hint="move it out of /root, or run as an ordinary user",
        )
    return namespace
