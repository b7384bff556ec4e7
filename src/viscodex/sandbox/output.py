"""What a program writes, read without ever waiting for it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field

from viscodex.sandbox.boxed import Streams

CHUNK = 1 << 16


@dataclass
class Pipe:
    """One stream out of the box: at most `ceiling` bytes are kept, and one more is remembered as too many."""

    ceiling: int
    content: bytearray = field(default_factory=bytearray)
    overflowed: bool = False
    reader: int = -1
    writer: int = -1

    def __post_init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.fchmod(self.writer, 0o666)  # so that the program, who is somebody else, may open /dev/stdout

    def read(self) -> bool:
        """Take what is there; False when the stream has ended or is over its ceiling."""
        while not self.overflowed:
            try:
                chunk = os.read(self.reader, CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            room = self.ceiling - len(self.content)
            self.content += chunk[:room]
            self.overflowed = len(chunk) > room
        return False

    def close_writer(self) -> None:
        """Ours only: the program's copies are its own."""
        self.writer = _close(self.writer)

    def close(self) -> None:
        self.close_writer()
        self.reader = _close(self.reader)


class Output:
    """stdout, stderr and, if wanted, the private channel of one run."""

    def __init__(self, ceiling: int, channel: bool) -> None:
        self.stdout = Pipe(ceiling)
        self.stderr = Pipe(ceiling)
        self.channel = Pipe(ceiling) if channel else None

    @property
    def pipes(self) -> tuple[Pipe, ...]:
        return (self.stdout, self.stderr) if self.channel is None else (self.stdout, self.stderr, self.channel)

    @property
    def overflowed(self) -> bool:
        return any(pipe.overflowed for pipe in self.pipes)

    def streams(self, stdin: int) -> Streams:
        """The program's ends."""
        channel = self.channel.writer if self.channel else None
        return Streams(stdin, self.stdout.writer, self.stderr.writer, channel)

    def close_writers(self) -> None:
        for pipe in self.pipes:
            pipe.close_writer()

    def drain(self) -> None:
        """Take what is left in the pipes, without waiting."""
        for pipe in self.pipes:
            pipe.read()

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.close()


def _close(fd: int) -> int:
    if fd >= 0:
        with contextlib.suppress(OSError):
            os.close(fd)
    return -1
