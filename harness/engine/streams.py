"""A container's standard streams over one connection: input in, output and errors apart.

Docker Engine API, "Stream format": frames of a byte for the stream, three of nothing, four for the
length (big-endian), and the payload. Podman sends both streams to whoever asks for one, so there is
one connection for all.
"""

from __future__ import annotations

import io
import os
import socket
import struct
import threading
from contextlib import suppress
from typing import BinaryIO, cast

from harness.engine.engine import Tail

CHUNK = 1 << 16
_ERRORS = 2


class Streams:
    """The streams of one container; a thread takes its output apart until it ends.

    *stdout* is a pipe of the kernel's: a program whose output nobody reads has to wait.
    """

    def __init__(self, connection: socket.socket, label: str) -> None:
        self.tail = Tail()
        self.ended = threading.Event()
        self._connection = connection
        self.stdin = cast(BinaryIO, io.BufferedWriter(_Input(connection)))
        reading, self._writing = os.pipe()
        self.stdout = cast(BinaryIO, os.fdopen(reading, "rb"))
        self._thread = threading.Thread(target=self._run, name=f"output of {label}")
        self._thread.start()

    def cut(self) -> None:
        """End the connection: the program is gone, and who writes to it is told."""
        with suppress(OSError):  # cut already
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all, when nobody reads or writes any more."""
        self.cut()
        with suppress(BrokenPipeError):  # what was not sent is of no use now
            self.stdin.close()
        self.stdout.close()  # a thread that waits for its reader goes on by that
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        """Take frames apart until the connection ends; the body of the thread."""
        try:
            opened = self._connection.makefile("rb", buffering=CHUNK)
            with cast(io.BufferedReader, opened) as source, suppress(OSError):
                while len(header := source.read(8)) == 8:
                    stream, left = struct.unpack(">B3xI", header)
                    while left and (data := source.read1(min(left, CHUNK))):
                        left -= len(data)
                        if stream == _ERRORS:
                            self.tail.write(data)
                        else:
                            self._out(data)
        finally:
            os.close(self._writing)
            self.ended.set()

    def _out(self, data: bytes) -> None:
        left = memoryview(data)
        with suppress(BrokenPipeError):  # nobody reads it: it is dropped
            while left:
                left = left[os.write(self._writing, left) :]


class _Input(io.RawIOBase):
    """The writing half of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        try:
            return self._connection.send(data)
        except ConnectionResetError as gone:
            raise BrokenPipeError(str(gone)) from gone

    def close(self) -> None:
        if not self.closed:
            with suppress(OSError):  # the other side is gone
                self._connection.shutdown(socket.SHUT_WR)
        super().close()
