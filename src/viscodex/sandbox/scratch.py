"""A run's folders on the host's disk, for the back ends without mounts of their own: made, measured, removed.

What a program leaves in them is hostile: modes that forbid, names that are deep, links that lead away.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from viscodex.sandbox.identity import Identity
from viscodex.sandbox.jail import checked_name

PREFIX = "viscodex-box-"
FOLDERS = ("work", "tmp", "shm")
LONGEST_PATH = 3000
TOO_MANY = 1 << 60


def make(files: Mapping[str, bytes | int], who: Identity) -> Path:
    """A new home with the run's folders, owned by the program's identity, its files in `work`."""
    sweep()
    home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    for name in FOLDERS:
        (home / name).mkdir(mode=0o700)
    for name, content in files.items():
        place = home / "work" / checked_name(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else _read_all(content))
        place.chmod(0o755)
    if who.uid != os.geteuid():
        home.chmod(0o711)
        for path in home.rglob("*"):
            os.chown(path, who.uid, who.gid)
    return home


@cache
def sweep() -> None:
    """Once per process: remove homes of sandboxes that were killed; their programs died with them."""
    for home in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = home.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            with contextlib.suppress(OSError):
                if home.lstat().st_uid == os.geteuid():
                    remove(home)


def measure(home: Path) -> tuple[int, int]:
    """Bytes and inodes below a home; a path too long to be looked at counts as too many."""
    used = inodes = 0
    waiting = [str(home)]
    while waiting:
        folder = waiting.pop()
        if len(folder) > LONGEST_PATH:
            return used, TOO_MANY
        for entry in _entries(folder):
            inodes += 1
            with contextlib.suppress(OSError):
                used += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return used, inodes


def unlinked(home: Path, proc: int, pids: Iterable[int]) -> dict[int, int]:
    """Inode → bytes of files that some process of these still holds, open or mapped, though they have no name.

    `proc` is a descriptor of the /proc that lists them. What cannot be read has just ended, or hides.
    """
    device = home.stat().st_dev
    found: dict[int, int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for state in _open_files(proc, pid):
                if stat.S_ISREG(state.st_mode) and not state.st_nlink and state.st_dev == device:
                    found[state.st_ino] = state.st_blocks * 512
        with contextlib.suppress(OSError):
            for inode, end in _unlinked_maps(proc, pid, device):
                found[inode] = max(found.get(inode, 0), end)
    return found


def _open_files(proc: int, pid: int) -> Iterator[os.stat_result]:
    folder = os.open(f"{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=proc)
    try:
        for name in os.listdir(folder):  # noqa: PTH208 (a descriptor)
            with contextlib.suppress(OSError):
                yield os.stat(name, dir_fd=folder)
    finally:
        os.close(folder)


def _unlinked_maps(proc: int, pid: int, device: int) -> Iterator[tuple[int, int]]:
    """Inode and where in the file a mapping ends; how long the file is, only its descriptor would tell."""
    fd = os.open(f"{pid}/maps", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    with open(fd, "rb") as file:  # noqa: PTH123 (below a descriptor)
        for line in file:
            if line.endswith(b" (deleted)\n"):
                place, _, offset, numbers, inode, _ = line.split(maxsplit=5)
                major, minor = (int(number, 16) for number in numbers.split(b":"))
                if os.makedev(major, minor) == device:
                    begin, end = (int(address, 16) for address in place.split(b"-"))
                    yield int(inode), end - begin + int(offset, 16)


def remove(home: Path) -> None:
    """Delete a home, whatever its program did to it; its processes must be dead.

    Folders are moved up before they are emptied, so that no path grows long and nothing recurses.
    """
    spare = (home / f".remove-{number}" for number in itertools.count())
    while waiting := [Path(entry.path) for entry in _entries(str(home))]:
        before = len(waiting)
        for place in waiting:
            with contextlib.suppress(OSError):
                _remove_one(place, spare)
        if len(waiting) == before and all(place.exists() for place in waiting):
            break  # nothing here can be removed, and trying again would not end
    with contextlib.suppress(OSError):
        home.rmdir()


def _remove_one(place: Path, spare: Iterator[Path]) -> None:
    if not _is_folder(place):
        place.unlink()
        return
    place.chmod(stat.S_IRWXU)
    for entry in _entries(str(place)):
        child = Path(entry.path)
        if _is_folder(child):
            child.chmod(stat.S_IRWXU)
            child.rename(next(spare))
        else:
            child.unlink()
    place.rmdir()


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, nothing where it cannot be read or has gone."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _read_all(fd: int) -> bytes:
    with open(os.dup(fd), "rb") as file:  # noqa: PTH123 (a descriptor has no path)
        return file.read()
