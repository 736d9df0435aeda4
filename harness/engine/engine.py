"""The nouns of running a command in an image, and what every engine can do.

An engine runs a job to its end (``run``) or starts it and hands over its pipes (``start``). The
behaviour is the same for all of them; ``tests/engine`` runs one suite over each.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, Self, overload

if TYPE_CHECKING:  # a sandbox needs no images, only folders
    from harness.image.image import Image

Reason = Literal["exited", "signal", "timeout", "memory"]

TAIL = 64 * 1024
"""Bytes of stderr that are kept: the last ones."""
OUTPUT = 64 * 1024 * 1024
"""Bytes of stdout that ``run`` keeps: the first ones."""
USER = 65532
"""The user and group of every job, inside."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A file or folder of this machine, seen at the absolute path *target* inside."""

    source: Path
    target: str
    writable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A command in an image whose root file system is the folder *root*.

    *overlays* are parts of the image that lie over the root on disk. *image* is what root and
    overlays lay out: an engine that has images runs that one, and without it the folder *root*.
    *env* is the whole environment, but for PWD, which is *cwd*. *timeout* is in seconds of wall
    clock from the start; *memory* in bytes, summed over all processes of the job; None is no
    limit. *label* is what a person finds in the process list.
    """

    root: Path
    overlays: tuple[Mount, ...] = ()
    image: Image | None = None
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    cwd: str = "/"
    timeout: float | None = None
    memory: int | None = None
    label: str = "job"

    @property
    def placed(self) -> tuple[Mount, ...]:
        """All that lies over the root, in its order: the image's own parts, then the mounts."""
        return (*self.overlays, *self.mounts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a job ended.

    *code* is the exit code where the reason is ``exited``, else the number of the signal that
    ended it (SIGKILL for ``timeout`` and ``memory``). *peak_memory* is in bytes, as sampled.
    *dropped* counts the bytes of stdout that ``run`` read beyond its bound and did not keep.
    """

    reason: Reason
    code: int
    stderr_tail: str
    seconds: float
    peak_memory: int
    dropped: int = 0

    @property
    def ok(self) -> bool:
        """Whether the program ended by itself, with exit code 0."""
        return self.reason == "exited" and self.code == 0


class Running(Protocol):
    """A started job. It is a context manager: leaving it kills and reaps all that is left."""

    @property
    def stdin(self) -> BinaryIO:
        """The program's standard input; writing to one that is gone raises BrokenPipeError."""

    @property
    def stdout(self) -> BinaryIO:
        """The program's standard output; it ends when the program does."""

    def terminate(self) -> None:
        """Send SIGTERM to the program. It is process 1: without a handler it takes no notice."""

    def kill(self) -> None:
        """End every process of the job at once; the result's reason is ``signal``, code 9."""

    @overload
    def wait(self, timeout: None = None) -> Result: ...
    @overload
    def wait(self, timeout: float) -> Result | None: ...
    def wait(self, timeout: float | None = None) -> Result | None:
        """Return how the job ended, or None when it has not after *timeout* seconds.

        Raises JobFailed when its program could not be run at all, EngineUnavailable when the
        engine could not.
        """

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Engine(Protocol):
    """Runs commands in images."""

    @property
    def name(self) -> str:
        """The word by which a person selects it."""

    def start(self, job: Job) -> Running:
        """Start *job*. Raises JobFailed when a mount has no place in the root."""

    def run(self, job: Job, *, stdin: bytes = b"") -> tuple[Result, bytes]:
        """Run *job* to its end; return how it ended and the first 64 MiB of its stdout.

        Raises what ``start`` and ``wait`` raise.
        """


class Tail:
    """The last bytes of a stream; memory use is bounded."""

    def __init__(self, limit: int = TAIL) -> None:
        self._limit = limit
        self._kept = bytearray()

    def write(self, data: bytes) -> int:
        """Take *data* in."""
        self._kept += data
        del self._kept[: max(0, len(self._kept) - self._limit)]
        return len(data)

    @property
    def text(self) -> str:
        """What is kept; a byte that is not UTF-8 becomes U+FFFD."""
        return self._kept.decode("utf-8", "replace")


def ended(status: int) -> tuple[Reason, int]:
    """Return reason and code of an exit status from 0 to 255.

    128 + N counts as signal N, as in a shell: neither bubblewrap nor Docker tells a program that
    died of SIGSEGV from one that exited with 139.
    """
    if status - 128 in signal.valid_signals():
        return "signal", status - 128
    return "exited", status
