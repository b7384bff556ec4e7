"""Who a boxed program is: never root, and when we are root, nobody else at all.

bwrap started by root would keep root's view of the host's files inside the box, and the kernel waives RLIMIT_NPROC
for uid 0. So root is dropped before bwrap starts, to a uid that no account has: each run gets its own, so that
neither files, nor signals, nor the per-uid process count are shared between runs or with a service running as
`nobody`. The range is the one that systemd's UID registry leaves unassigned: 0x70000000 to 0x7FFFFFFF, 64 for
each possible process id.
"""

from __future__ import annotations

import itertools
import os
import shutil
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from viscodex.core.errors import VisCodexError

FIRST_UID = 0x70000000
LAST_UID = 0x7FFFFFFF
SLOTS = 64
NOBODY = 65534

_slots = itertools.count()


@dataclass(frozen=True)
class Identity:
    """The uid and gid a run has on the host, and the command prefix that takes them on."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()


def identity() -> Identity:
    """A fresh unprivileged identity when we are root, else our own."""
    if os.geteuid() != 0:
        return Identity(os.geteuid(), os.getegid())
    uid = FIRST_UID + (os.getpid() % (1 << 22)) * SLOTS + next(_slots) % SLOTS if _has_free_range() else NOBODY
    return Identity(uid, uid, (_nsenter(), f"--setuid={uid}", f"--setgid={uid}", "--"))


@cache
def _nsenter() -> str:
    """util-linux's, which enters nothing unless told to, and clears the groups.

    Its setpriv would do as well, but looks every uid up among the users, which takes longer than starting it. Its
    unshare calls the kernel even for nothing, which containers forbid.
    """
    found = shutil.which("nsenter", path="/usr/bin:/bin")
    if found is None:
        raise VisCodexError(
            "nsenter is missing, and root must be dropped before anything runs", hint="apt install util-linux"
        )
    return found


@cache
def _has_free_range() -> bool:
    """Inside a rootless container only some uids exist."""
    ranges = (tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return any(first <= FIRST_UID and first + count > LAST_UID for first, _, count in ranges)


@cache
def reachable(path: str) -> bool:
    """Whether the identity that programs get can read this path: always when it is ours, else what others may read."""
    if os.geteuid() != 0:
        return os.access(path, os.R_OK)
    return all(
        _open_to_others(place) for place in (Path(path).resolve(), *Path(path).parents, *Path(path).resolve().parents)
    )


def _open_to_others(place: Path) -> bool:
    """Folders must let others in, files must let others read."""
    try:
        mode = place.stat().st_mode
    except OSError:
        return False
    return bool(mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH))
