"""The sandbox: jobs under bubblewrap, with no daemon, no root and no network.

Three processes belong to a job: the guard (guard.py), bubblewrap, and the program, which is
process 1 of its own PID namespace. One thread of ours watches them: stderr, time and memory. It
ends when they have ended.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast, overload

from harness.core.errors import EngineUnavailable, HarnessError, JobFailed
from harness.engine import bubblewrap, guard, memory
from harness.engine.engine import Job, Reason, Result, Tail, ended
from harness.engine.exchange import run_to_end

INTERVAL = 0.05
"""Seconds between two looks at the memory."""
SHARE = 10
"""A pause is at least this many times as long as the look's own time on the CPU: 10 % of a core
at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """The engine that uses the bubblewrap at *program* (0.8 or newer)."""

    program: Path
    name: str = "sandbox"

    def start(self, job: Job) -> Sandboxed:
        """Start *job*; raises JobFailed when a mount has no place in the root."""
        commands, commander = os.pipe()
        report, status = os.pipe()
        try:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", guard.__file__, str(os.getpid())),
                    *(str(commands), str(status), job.label),
                    *bubblewrap.command(self.program, job, status=status),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(commands, status),
                start_new_session=True,
            )
        except BaseException:
            os.close(commander)
            os.close(report)
            raise
        finally:
            os.close(commands)
            os.close(status)
        return Sandboxed(process, job, commander=commander, report=report)

    def run(self, job: Job, *, stdin: bytes = b"") -> tuple[Result, bytes]:
        """Run *job* to its end; return how it ended and its stdout, bounded."""
        return run_to_end(self, job, stdin=stdin)


class Sandboxed:
    """A job in the sandbox. Leaving its context leaves no process, thread or descriptor."""

    def __init__(
        self, process: subprocess.Popen[bytes], job: Job, *, commander: int, report: int
    ) -> None:
        self.stdin = cast(BinaryIO, process.stdin)
        self.stdout = cast(BinaryIO, process.stdout)
        self._process = process
        self._job = job
        self._started = time.monotonic()
        self._report = report
        self._lock = threading.Lock()
        self._commander: int | None = commander  # None once all has ended
        self._stopped: Reason | None = None
        self._outcome: Result | BaseException | None = None
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._run, name=f"watch {job.label}")
        self._watch.start()

    def terminate(self) -> None:
        """Send SIGTERM to the program."""
        self._command(b"T")

    def kill(self) -> None:
        """End every process of the job."""
        self._stop("signal")

    @overload
    def wait(self, timeout: None = None) -> Result: ...
    @overload
    def wait(self, timeout: float) -> Result | None: ...
    def wait(self, timeout: float | None = None) -> Result | None:
        """Return how the job ended, None when it has not yet; raises when it never began."""
        if not self._done.wait(timeout):
            return None
        if isinstance(self._outcome, BaseException):
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
        self._watch.join()
        with suppress(BrokenPipeError):  # what was not read is of no use now
            self.stdin.close()
        self.stdout.close()

    def _stop(self, reason: Reason) -> None:
        with self._lock:
            if self._stopped is not None:
                return
            self._stopped = reason
        self._command(b"K")

    def _command(self, order: bytes) -> None:
        with self._lock:
            if self._commander is not None:
                with suppress(BrokenPipeError):  # the guard has ended: so has all the rest
                    os.write(self._commander, order)

    def _run(self) -> None:
        """Watch until all has ended; the body of the thread."""
        try:
            tail, said, peak = self._follow()
            self._process.wait()
            self._outcome = self._judge(tail, said, peak)
        except BaseException as broken:  # handed to whoever waits
            self._outcome = broken
        finally:
            with self._lock:
                if self._commander is not None:
                    os.close(self._commander)  # a guard that is still there ends everything
                self._commander = None
            self._process.wait()
            cast(BinaryIO, self._process.stderr).close()
            os.close(self._report)
            self._done.set()

    def _follow(self) -> tuple[Tail, dict[str, Any], int]:
        """Read stderr and bubblewrap's report to their ends, watching time and memory."""
        tail = Tail()
        report = b""
        said: dict[str, Any] = {}
        peak = 0
        look = self._started
        errors = cast(BinaryIO, self._process.stderr).fileno()
        poll = select.poll()
        open_ends = {errors, self._report}
        for end in open_ends:
            poll.register(end, select.POLLIN)
        while open_ends:
            due = min(look, self._deadline) if self._stopped is None else look
            for end, _ in poll.poll(max(0.0, due - time.monotonic()) * 1000):
                data = os.read(end, 1 << 16)
                if not data:
                    poll.unregister(end)
                    open_ends.remove(end)
                elif end == errors:
                    tail.write(data)
                else:
                    *lines, report = (report + data).split(b"\n")
                    for line in lines:
                        said |= json.loads(line)
            if time.monotonic() >= self._deadline:
                self._stop("timeout")
            if time.monotonic() >= look:
                before = time.thread_time()
                if "child-pid" in said:
                    taken = memory.used(said["child-pid"], limit=self._job.memory)
                    peak = max(peak, taken)
                    if self._job.memory is not None and taken > self._job.memory:
                        self._stop("memory")
                look = time.monotonic() + max(INTERVAL, SHARE * (time.thread_time() - before))
        return tail, said, peak

    @property
    def _deadline(self) -> float:
        return self._started + (float("inf") if self._job.timeout is None else self._job.timeout)

    def _judge(self, tail: Tail, said: dict[str, Any], peak: int) -> Result:
        """Return how it ended. Only a program that ran to its own end has an exit code."""
        reason: Reason
        if "exit-code" in said:
            reason, code = ended(said["exit-code"])
        elif self._stopped is not None:
            reason, code = self._stopped, int(signal.SIGKILL)
        elif self._process.returncode < 0 or self._process.returncode > 128:
            reason, code = "signal", int(signal.SIGKILL)  # somebody ended the guard or bubblewrap
        else:
            raise not_started(self._job, tail.text)
        return Result(
            reason=reason,
            code=code,
            stderr_tail=tail.text,
            seconds=time.monotonic() - self._started,
            peak_memory=peak,
        )


def not_started(job: Job, said: str) -> HarnessError:
    """Return why a job did not begin, from what bubblewrap (or the guard) *said*."""
    lines = said.strip().splitlines() or ["it said nothing"]
    why = lines[-1].removeprefix("bwrap: ").removeprefix("guard: ")
    if why.startswith("execvp "):
        return JobFailed(
            f"{job.argv[0]} can't be run in the image: {why.rpartition(': ')[2]}",
            hint="the image lacks this program, or the interpreter that its first line names",
        )
    if why.startswith("Can't chdir"):
        return JobFailed(f"{job.cwd} is no folder of the image", hint="choose another cwd")
    return EngineUnavailable(f"the sandbox could not start: {why}", hint="harness doctor")
