"""Objects over a socket between a pool and its workers: eight bytes of length, then a pickle. Both ends are ours."""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

LENGTH = struct.Struct("<Q")
LONGEST = 1 << 32  # bytes; more is a torn stream


def send(channel: socket.socket, value: Any) -> None:
    """Send one object. A dead peer raises OSError, what cannot be pickled raises before a byte is sent."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    channel.sendall(LENGTH.pack(len(data)))
    channel.sendall(data)


def receive(channel: socket.socket) -> Any:
    """The next object; EOFError when the peer is gone, also in the middle of an object."""
    (length,) = LENGTH.unpack(_exactly(channel, LENGTH.size))
    if length > LONGEST:
        raise EOFError(f"a frame of {length} bytes")
    return pickle.loads(_exactly(channel, length))


def _exactly(channel: socket.socket, count: int) -> bytearray:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        try:
            got = channel.recv_into(view)
        except ConnectionResetError:
            got = 0
        if not got:
            raise EOFError("the other end is gone")
        view = view[got:]
    return data
