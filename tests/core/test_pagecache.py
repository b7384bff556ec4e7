"""Reading and writing past the page cache: the same bytes as ever, and fewer of them left in memory."""

from __future__ import annotations

import ctypes
import errno
import itertools
import mmap
import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viscodex.core import pagecache
from viscodex.core.pagecache import DONTCACHE, KEPT_BYTES, can_let_go, read_some, write_all

PAGE = mmap.PAGESIZE
SIZE = 10 * KEPT_BYTES
BYTES = os.urandom(SIZE)


@pytest.fixture
def file(tmp_path):
    descriptor = os.open(tmp_path / "weights", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def letting_go(file):
    """A file on a kernel and a file system that can let pages go."""
    if not can_let_go():
        pytest.skip("this kernel keeps every page")
    try:
        os.pwritev(file, [b"x"], 0, DONTCACHE)
    except OSError as error:
        pytest.skip(f"this file system keeps every page: {error}")
    os.ftruncate(file, 0)
    return file


def resident(file):
    """Which of the file's pages are in memory."""
    size = os.fstat(file).st_size
    with mmap.mmap(file, size) as mapped:
        pages = (ctypes.c_ubyte * -(-size // PAGE))()
        begin = ctypes.c_char.from_buffer(mapped)
        failed = ctypes.CDLL(None).mincore(ctypes.byref(begin), ctypes.c_size_t(size), pages)
        del begin
    assert not failed
    return [page & 1 for page in pages]


def settles_at(file, most):
    """Whether at most so many pages are in memory soon after all is on the disk."""
    os.fsync(file)
    end = time.monotonic() + 5
    while sum(resident(file)) > most and time.monotonic() < end:
        time.sleep(0.05)
    return sum(resident(file)) <= most


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(1, SIZE - 1), max_size=5), begin=st.integers(0, 3 * PAGE), backwards=st.booleans())
def test_pieces_of_any_size_in_any_order_are_the_whole(tmp_path_factory, cuts, begin, backwards):
    places = sorted({0, SIZE, *cuts})
    pieces = list(itertools.pairwise(places))[:: -1 if backwards else 1]
    path = tmp_path_factory.mktemp("pieces") / "file"
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    for start, stop in pieces:
        write_all(file, memoryview(BYTES)[start:stop], begin + start)
    os.close(file)
    assert path.read_bytes() == bytes(begin) + BYTES


def test_what_is_written_does_not_stay(letting_go):
    write_all(letting_go, memoryview(BYTES), 100)
    assert settles_at(letting_go, 2)  # the first and the last page, which others fill up
    write_all(letting_go, memoryview(BYTES)[:100], SIZE + 100)
    os.pwrite(letting_go, BYTES, 0)
    os.fsync(letting_go)
    assert all(resident(letting_go)[:-1])


def test_what_is_read_does_not_stay_unless_it_was_there(letting_go):
    write_all(letting_go, memoryview(BYTES), 0)
    assert settles_at(letting_go, 0)
    read, buffer = 0, memoryview(bytearray(SIZE))
    while read < SIZE:
        read += read_some(letting_go, buffer[read:], read, stays=False)
    assert bytes(buffer) == BYTES
    assert settles_at(letting_go, 0)
    assert os.pread(letting_go, SIZE, 0) == BYTES
    read_some(letting_go, buffer, 0, stays=False)
    assert all(resident(letting_go))


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_that_cannot_is_written_as_ever(file, monkeypatch, number):
    def refuse(call):
        def instead(descriptor, buffers, offset, flags=0):
            if flags:
                raise OSError(number, os.strerror(number))
            return call(descriptor, buffers, offset)

        return instead

    monkeypatch.setattr(pagecache, "can_let_go", lambda: True)
    monkeypatch.setattr(os, "pwritev", refuse(os.pwritev))
    monkeypatch.setattr(os, "preadv", refuse(os.preadv))
    write_all(file, memoryview(BYTES), 7)
    buffer = memoryview(bytearray(100))
    assert read_some(file, buffer, 1007, stays=False) == 100
    assert bytes(buffer) == BYTES[1000:1100]
    assert os.pread(file, SIZE, 7) == BYTES


def test_a_full_disk_is_not_taken_for_a_missing_ability(file, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(OSError, match="full"):
        write_all(file, memoryview(BYTES), 0)


@pytest.mark.parametrize(
    ("release", "can"),
    [("6.18.44-fc", True), ("6.16.0", True), ("7.0-rc1", True), ("6.15.9", False), ("5.4", False), ("strange", False)],
)
def test_kernels_that_lost_pages_are_not_asked(monkeypatch, release, can):
    names = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((names.sysname, names.nodename, release, "", "")))
    can_let_go.cache_clear()
    assert can_let_go() == can
    monkeypatch.undo()
    can_let_go.cache_clear()
