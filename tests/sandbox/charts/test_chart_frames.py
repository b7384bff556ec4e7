"""Frames: what is packed is unpacked, and anything else is refused."""

from __future__ import annotations

import struct

import pytest

from viscodex.sandbox.chart_frames import FrameError, Incoming, pack, unpack

HEADER, BLOB = {"a": [1, "é", None]}, bytes(range(256))


def test_a_frame_survives_any_cutting():
    frame = pack(HEADER, BLOB)
    for size in (1, 7, 64, len(frame)):
        incoming = Incoming()
        for start in range(0, len(frame), size):
            assert not incoming.is_complete
            incoming.feed(frame[start : start + size])
        assert incoming.is_complete
        assert unpack(incoming.take()) == (HEADER, BLOB)


def test_the_next_frame_may_come_with_this_one():
    incoming = Incoming()
    incoming.feed(pack(HEADER) + pack({"b": 2}, b"x")[:9])
    assert unpack(incoming.take()) == (HEADER, b"")
    assert not incoming.is_complete
    incoming.feed(pack({"b": 2}, b"x")[9:])
    assert unpack(incoming.take()) == ({"b": 2}, b"x")


@pytest.mark.parametrize("lengths", [(1 << 31, 0), (0, 1 << 31), (101, 0), (0, 11)])
def test_a_frame_that_announces_too_much_is_refused_before_it_is_read(lengths):
    with pytest.raises(FrameError):
        Incoming(100, 10).feed(struct.pack("!II", *lengths))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0" * 7,
        struct.pack("!II", 2, 5) + b"{}",
        struct.pack("!II", 2, 0) + b"[]",
        struct.pack("!II", 3, 0) + b"{a}",
        struct.pack("!II", 2, 0) + b"\xff\xff",
        struct.pack("!II", 200_000, 0) + b"[" * 100_000 + b"]" * 100_000,
    ],
    ids=["empty", "cut", "short", "a list", "no JSON", "no text", "nested"],
)
def test_what_is_no_frame_is_refused(frame):
    with pytest.raises(FrameError):
        unpack(frame)
