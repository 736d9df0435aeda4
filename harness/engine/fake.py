"""An engine in memory: jobs are Python functions, each in a thread of this process.

It keeps the promises of a real engine at *cooperative points*: reading, writing, ``allocate`` and
``pause`` are where a program notices that its time is over, its memory is spent or it was killed.
A program that never reaches one can't be stopped.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, cast, overload

from harness.core.errors import HarnessError, JobFailed
from harness.engine.engine import Job, Reason, Result, Tail, ended
from harness.engine.exchange import run_to_end
from harness.engine.pipe import Pipe
from harness.engine.placement import find, place


class Killed(BaseException):
    """Unwinds a program that must end now. Not an Exception: no ``except`` of its own holds it."""


class _Crashed(BaseException):
    """Unwinds a program that dies of SIGSEGV."""


class Life:
    """What befalls a job, seen by its program at each cooperative point."""

    def __init__(self, job: Job) -> None:
        self.changed = threading.Condition()
        self.started = time.monotonic()
        self.stopped: Reason | None = None
        self.terminated = False
        self.memory = 0
        self._limit = job.memory
        self._deadline = None if job.timeout is None else self.started + job.timeout

    def stop(self, reason: Reason) -> None:
        """Let the program end for *reason*, unless it has to already."""
        with self.changed:
            self.stopped = self.stopped or reason
            self.changed.notify_all()

    def check(self) -> None:
        """Raise Killed when the program must end."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.stop("timeout")
        if self._limit is not None and self.memory > self._limit:
            self.stop("memory")
        if self.stopped is not None:
            raise Killed

    def pause(self, until: float | None = None) -> None:
        """Wait for a change, the deadline or the moment *until*; the condition is held."""
        self.check()
        ends = [moment for moment in (until, self._deadline) if moment is not None]
        self.changed.wait(max(0.0, min(ends) - time.monotonic()) if ends else None)
        self.check()


class _Errors(io.RawIOBase):
    """A program's stderr: of it the tail is kept."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self._tail.write(data)


class Process:
    """What a program of the fake has instead of an operating system."""

    def __init__(
        self, job: Job, life: Life, own: Path, stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO
    ) -> None:
        self.argv = job.argv
        self.env = {**job.env, "PWD": job.cwd}
        self.cwd = job.cwd
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self._job = job
        self._life = life
        self._own = own

    def path(self, path: str) -> Path:
        """Return where the absolute *path* lies on this machine."""
        return self._find(path)[0]

    def open(self, path: str, mode: str = "rb") -> IO[Any]:
        """Open the absolute *path*; raises OSError (EROFS) to write where the job may not."""
        place, writable = self._find(path)
        if not writable and set(mode) & set("wax+"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return place.open(mode)

    def allocate(self, size: int) -> None:
        """Use *size* bytes more of memory, until the program ends."""
        self._life.memory += size
        self._life.check()

    def pause(self, seconds: float | None = None) -> bool:
        """Wait for SIGTERM and return True, or False when *seconds* are over."""
        life = self._life
        until = None if seconds is None else time.monotonic() + seconds
        with life.changed:
            life.check()
            while not life.terminated:
                if until is not None and time.monotonic() >= until:
                    return False
                life.pause(until)
            life.terminated = False  # a signal is taken once
            return True

    def crash(self) -> None:
        """Die of SIGSEGV."""
        raise _Crashed

    def _find(self, path: str) -> tuple[Path, bool]:
        try:
            return find(self._job, path)
        except KeyError:
            return self._own / path[1:], True


Program = Callable[[Process], int]
"""A program: it returns its exit code, from 0 to 255; an exception is a traceback and code 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fake:
    """The engine in memory; ``argv[0]`` of a job names one of its *programs*."""

    programs: Mapping[str, Program] = field(default_factory=dict)
    name: str = "fake"

    def start(self, job: Job) -> Faked:
        """Start *job*; raises JobFailed when a mount has no place in the root."""
        place(job)
        return Faked(job, self.programs.get(job.argv[0]))

    def run(self, job: Job, *, stdin: bytes = b"") -> tuple[Result, bytes]:
        """Run *job* to its end; return how it ended and its stdout, bounded."""
        return run_to_end(self, job, stdin=stdin)


class Faked:
    """A job of the fake. Leaving its context ends its thread."""

    def __init__(self, job: Job, program: Program | None) -> None:
        self._job = job
        self._life = life = Life(job)
        self._tail = Tail()
        self._outcome: Result | HarnessError | None = None
        self._done = threading.Event()
        stdin, stdout = Pipe(life.changed), Pipe(life.changed)
        self.stdin = stdin.writer(life.changed.wait)
        self.stdout = stdout.reader(life.changed.wait)
        self._thread = threading.Thread(
            target=self._run,
            args=(program, stdin.reader(life.pause), stdout.writer(life.pause)),
            name=f"job {job.label}",
        )
        self._thread.start()

    def terminate(self) -> None:
        """Send SIGTERM to the program: its ``pause`` returns True."""
        with self._life.changed:
            self._life.terminated = True
            self._life.changed.notify_all()

    def kill(self) -> None:
        """End the program at its next cooperative point."""
        self._life.stop("signal")

    @overload
    def wait(self, timeout: None = None) -> Result: ...
    @overload
    def wait(self, timeout: float) -> Result | None: ...
    def wait(self, timeout: float | None = None) -> Result | None:
        """Return how the job ended, None when it has not yet; raises when it never began."""
        if not self._done.wait(timeout):
            return None
        if isinstance(self._outcome, HarnessError):
            raise self._outcome
        return self._outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._thread.join()
        self.stdin.close()
        self.stdout.close()

    def _run(self, program: Program | None, stdin: BinaryIO, stdout: BinaryIO) -> None:
        """Be the program; the body of the thread."""
        life = self._life
        try:
            if program is None:
                self._outcome = JobFailed(
                    f"{self._job.argv[0]} can't be run in the image: No such file or directory",
                    hint="the programs of this fake: harness.engine.fake.Fake(programs=…)",
                )
                return
            with tempfile.TemporaryDirectory() as own:
                for folder in ("tmp", "run/harness"):
                    (Path(own) / folder).mkdir(parents=True)
                errors = cast(BinaryIO, _Errors(self._tail))
                process = Process(self._job, life, Path(own), stdin, stdout, errors)
                if not process.path(self._job.cwd).is_dir():
                    self._outcome = JobFailed(
                        f"{self._job.cwd} is no folder of the image", hint="choose another cwd"
                    )
                    return
                reason, code = self._live(program, process)
            self._outcome = Result(
                reason=reason,
                code=code,
                stderr_tail=self._tail.text,
                seconds=time.monotonic() - life.started,
                peak_memory=life.memory,
            )
        finally:
            stdin.close()
            stdout.close()
            self._done.set()

    def _live(self, program: Program, process: Process) -> tuple[Reason, int]:
        try:
            self._life.check()
            return ended(program(process))
        except Killed:
            stopped = self._life.stopped or "signal"
            return stopped, int(signal.SIGKILL)
        except _Crashed:
            return "signal", int(signal.SIGSEGV)
        except Exception:  # as Python does at the top of a program
            self._tail.write(traceback.format_exc().encode())
            return "exited", 1
