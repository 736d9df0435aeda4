"""A pipe in memory, as the kernel's are: bounded, ending when its writer closes it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import BinaryIO, cast

CAPACITY = 64 * 1024

Pause = Callable[[], object]
"""How one end waits for the other: called with the pipe's condition held."""


class Pipe:
    """Bytes on their way from a writer to a reader; *changed* tells each of the other's doings."""

    def __init__(self, changed: threading.Condition) -> None:
        self.changed = changed
        self.held = bytearray()
        self.reading = True
        self.writing = True

    def reader(self, pause: Pause) -> BinaryIO:
        """Return the end to read from; it waits by *pause*."""
        return cast(BinaryIO, io.BufferedReader(_Reader(self, pause)))

    def writer(self, pause: Pause) -> BinaryIO:
        """Return the end to write to; a write takes all its bytes, and waits by *pause*."""
        return cast(BinaryIO, _Writer(self, pause))


class _Reader(io.RawIOBase):
    def __init__(self, pipe: Pipe, pause: Pause) -> None:
        self._pipe = pipe
        self._pause = pause

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        pipe = self._pipe
        with pipe.changed:
            while not pipe.held and pipe.writing:
                self._pause()
            part = pipe.held[: len(buffer)]
            del pipe.held[: len(part)]
            pipe.changed.notify_all()
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        if not self.closed:
            with self._pipe.changed:
                self._pipe.reading = False
                self._pipe.changed.notify_all()
        super().close()


class _Writer(io.RawIOBase):
    def __init__(self, pipe: Pipe, pause: Pause) -> None:
        self._pipe = pipe
        self._pause = pause

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        pipe = self._pipe
        left = memoryview(data).cast("B")
        with pipe.changed:
            while left:
                if not pipe.reading:
                    raise BrokenPipeError("nobody reads from this pipe any more")
                room = CAPACITY - len(pipe.held)
                if room == 0:
                    self._pause()
                    continue
                pipe.held += left[:room]
                left = left[room:]
                pipe.changed.notify_all()
        return len(data)

    def close(self) -> None:
        if not self.closed:
            with self._pipe.changed:
                self._pipe.writing = False
                self._pipe.changed.notify_all()
        super().close()
