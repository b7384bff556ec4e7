"""A dump as a stream of bytes: plain, .gz, .bz2 or the `Posts.xml` in a .7z, told apart by how the file begins."""

from __future__ import annotations

import bz2
import gzip
import io
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from viscodex.core.errors import VisCodexError

READ = 1 << 20
CHUNKS = 16  # that py7zr may be ahead of the reader; each has about a megabyte
SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"


@contextmanager
def open_stream(path: Path) -> Iterator[BinaryIO]:
    """Open a dump for reading from its beginning. Damage is a VisCodexError, also when it shows later on."""
    try:
        with path.open("rb", buffering=0) as file:
            start = file.read(len(SEVEN_ZIP))
            file.seek(0)
            if start == SEVEN_ZIP:
                with _seven_zip(path) as stream:
                    yield stream
            else:
                yield _decompressed(cast(BinaryIO, file), start)
    except (EOFError, gzip.BadGzipFile) as error:
        raise VisCodexError(f"the archive ends early or is damaged: {error}", where=str(path)) from error
    except OSError as error:
        raise VisCodexError(f"cannot read the dump: {error.strerror or error}", where=str(path)) from error


def _decompressed(file: BinaryIO, start: bytes) -> BinaryIO:
    buffered = io.BufferedReader(cast(io.RawIOBase, file), READ)
    if start.startswith(b"\x1f\x8b"):
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=buffered)), READ)
    if start.startswith(b"BZh"):
        return io.BufferedReader(cast(io.RawIOBase, bz2.BZ2File(buffered)), READ)
    return buffered


@contextmanager
def _seven_zip(path: Path) -> Iterator[BinaryIO]:
    """py7zr pushes what it unpacks; a thread and a short queue turn that into something to read from."""
    import py7zr

    try:
        with py7zr.SevenZipFile(path) as archive:
            name = _posts(archive.getnames(), path)
            pipe = _Pipe()
            thread = threading.Thread(target=_unpack, args=(archive, name, pipe), daemon=True)
            thread.start()
            try:
                yield cast(BinaryIO, io.BufferedReader(pipe, READ))
            finally:
                pipe.hang_up()
                thread.join()
    except (py7zr.exceptions.ArchiveError, py7zr.exceptions.UnsupportedCompressionMethodError) as error:
        raise VisCodexError(f"not a readable 7z archive: {error}", where=str(path)) from error


def _posts(names: list[str], path: Path) -> str:
    found = [name for name in names if Path(name).name.lower() == "posts.xml"]
    if len(found) == 1:
        return found[0]
    raise VisCodexError(f"the archive holds {len(found) or 'no'} Posts.xml", where=str(path), hint="one Posts.xml")


def _unpack(archive: Any, name: str, pipe: _Pipe) -> None:
    try:
        archive.extract(targets=[name], factory=_factory(pipe))
    except _HungUpError:
        return
    except Exception as error:  # noqa: BLE001  # the edge of a thread: the reader raises it
        pipe.end(error)
    else:
        pipe.end(None)


def _factory(pipe: _Pipe) -> Any:
    from py7zr.io import Py7zIO, WriterFactory

    class Writer(Py7zIO):
        """What py7zr writes a member to; it never looks at what it wrote."""

        written = 0

        def write(self, s: bytes | bytearray) -> int:
            pipe.put(bytes(s))
            self.written += len(s)
            return len(s)

        def read(self, size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

        def flush(self) -> None:
            return

        def size(self) -> int:
            return self.written

    class Factory(WriterFactory):
        """Every member that is extracted goes to the pipe: there is one."""

        def create(self, filename: str) -> Py7zIO:
            return Writer()

    return Factory()


class _HungUpError(Exception):
    """Nobody reads any more."""


class _Pipe(io.RawIOBase):
    """The reading end of a queue of chunks; the writer waits when it is ahead."""

    def __init__(self) -> None:
        self._chunks: queue.Queue[bytes | BaseException | None] = queue.Queue(CHUNKS)
        self._rest = memoryview(b"")
        self._is_over = threading.Event()
        self._is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As many bytes as there are, one at least; 0 at the end."""
        if not self._rest and not self._is_at_end:
            chunk = self._chunks.get()
            if isinstance(chunk, BaseException):
                raise OSError(f"not a readable 7z archive: {type(chunk).__name__}: {chunk}") from chunk
            self._is_at_end = chunk is None
            self._rest = memoryview(chunk or b"")
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def put(self, chunk: bytes) -> None:
        """For the writer: waits for a place, gives up when nobody reads any more."""
        if chunk:
            self._wait_for_place(chunk)

    def end(self, error: BaseException | None) -> None:
        try:
            self._wait_for_place(error)
        except _HungUpError:
            return

    def _wait_for_place(self, item: bytes | BaseException | None) -> None:
        while not self._is_over.is_set():
            try:
                self._chunks.put(item, timeout=0.2)
            except queue.Full:
                continue
            return
        raise _HungUpError

    def hang_up(self) -> None:
        self._is_over.set()
