"""A job in a container: its streams, its limits, and how it ended.

A thread reads what the program writes; another watches time and memory, asks the daemon how it is,
and removes the container in the end.
"""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, overload

from harness.core.errors import EngineUnavailable, HarnessError, JobFailed
from harness.engine import memory
from harness.engine.cgroup import memory_events, oom_kills
from harness.engine.daemon import Daemon, Refused, Session
from harness.engine.engine import Job, Reason, Result, ended
from harness.engine.sandbox import INTERVAL, SHARE
from harness.engine.streams import Streams

LOOK = 0.5
"""Seconds between two questions to the daemon while the program runs."""
LATE = 1.0
"""Seconds that a daemon may take to learn of an out-of-memory kill, and we to read what is left."""

LEAVING = ("stopping", "removing")
"""States of a container that somebody else ends: it has no exit code yet."""


class Contained:
    """A job in a container. Leaving its context leaves no container, thread or descriptor."""

    def __init__(
        self, job: Job, own: AbstractContextManager[Session], session: Session, made: str
    ) -> None:
        self._job = job
        self._own = own
        self._session = session
        self._container = made
        self._lock = threading.Lock()
        self._stopped: Reason | None = None
        self._alive = True
        self._peak = 0
        self._starved = False
        self._outcome: Result | BaseException | None = None
        self._done = threading.Event()
        self._broken: HarnessError | None = None
        connection = None
        try:
            connection = session.attach(made)
            session.start(made)
        except (Refused, OSError) as refused:
            self._broken = not_started(job, session.daemon, refused)
        self._streams = Streams(connection or nowhere(), job.label)
        self.stdin: BinaryIO = self._streams.stdin
        self.stdout: BinaryIO = self._streams.stdout
        self._started = time.monotonic()
        self._watch = threading.Thread(target=self._run, name=f"watch {job.label}")
        self._watch.start()

    @property
    def container(self) -> str:
        """The container's id."""
        return self._container

    def terminate(self) -> None:
        """Send SIGTERM to the program."""
        self._signal("SIGTERM")

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
        self._streams.close()

    def _stop(self, reason: Reason) -> None:
        with self._lock:
            if self._stopped is not None or not self._alive:
                return
            self._stopped = reason
        self._signal("SIGKILL")

    def _signal(self, name: str) -> None:
        with self._lock:
            if self._alive:
                with suppress(Refused, OSError):  # what follows is told by its state
                    self._session.signal(self._container, name)

    def _run(self) -> None:
        """Watch until it has ended; the body of the thread."""
        try:
            if self._broken is not None:
                self._streams.cut()
                raise self._broken
            state = self._follow()
            self._streams.ended.wait(LATE)
            self._outcome = self._judge(state)
        except (Refused, OSError) as broken:
            self._outcome = unavailable(self._session.daemon, broken)
        except BaseException as broken:  # handed to whoever waits
            self._outcome = broken
        finally:
            with self._lock:
                self._alive = False
            self._streams.cut()
            self._done.set()
            with suppress(Refused, OSError):
                self._session.remove(self._container)
            self._own.__exit__(None, None, None)

    def _follow(self) -> dict[str, Any]:
        """Watch time and memory until the program has ended; return the container's state."""
        deadline = self._started + (
            float("inf") if self._job.timeout is None else self._job.timeout
        )
        state = self._state()
        process = own_process(int(state.get("Pid") or 0))
        events = None if process is None else memory_events(process, self._container)
        asked = look = time.monotonic()
        while state.get("Running") or state.get("Status") in LEAVING:
            now = time.monotonic()
            due = min(look, asked + (INTERVAL if self._streams.ended.is_set() else LOOK))
            if self._stopped is None:
                due = min(due, deadline)
            if not self._streams.ended.is_set():
                self._streams.ended.wait(max(0.0, due - now))
            elif due > now:
                self._done.wait(due - now)
            now = time.monotonic()
            self._starved = self._starved or oom_kills(events) > 0  # soon the group is gone
            if now >= deadline:
                self._stop("timeout")
            if now >= look:
                before = time.thread_time()
                self._measure(process)
                look = time.monotonic() + max(INTERVAL, SHARE * (time.thread_time() - before))
            if self._streams.ended.is_set() or now >= asked + LOOK:
                state = self._state()
                asked = time.monotonic()
                if state.get("OOMKilled"):
                    self._starved = True
                    self._stop("memory")
        return state

    def _measure(self, process: int | None) -> None:
        limit = self._job.memory
        if process is None:
            try:
                taken = self._session.used(self._container)
            except (Refused, OSError):  # it has just ended: Podman says nothing then
                taken = 0
        else:
            taken = memory.used(process, limit=limit)
        self._peak = max(self._peak, taken)
        if limit is not None and (taken > limit or self._starved):
            self._stop("memory")

    def _state(self) -> dict[str, Any]:
        try:
            return dict(self._session.state(self._container))
        except Refused as refused:
            if refused.status != 404:
                raise
            return {"Running": False, "ExitCode": 128 + signal.SIGKILL}  # somebody removed it

    def _judge(self, state: dict[str, Any]) -> Result:
        """Return how it ended. Only a program that ran to its own end has an exit code."""
        status = int(state.get("ExitCode") or 0) & 0xFF
        said = self._streams.tail.text
        if why := never_began(self._job, status, said):
            raise why
        reason, code = ended(status)
        if (reason, code) == ("signal", int(signal.SIGKILL)):
            if self._stopped is None and self._job.memory is not None:
                self._starved = self._starved or self._learn_of_starving(state)
            reason = "memory" if self._starved else self._stopped or "signal"
        if reason == "memory":
            self._peak = max(self._peak, self._job.memory or 0)
        return Result(
            reason=reason,
            code=code,
            stderr_tail=said,
            seconds=time.monotonic() - self._started,
            peak_memory=self._peak,
        )

    def _learn_of_starving(self, state: dict[str, Any]) -> bool:
        """Tell whether the kernel killed it for its memory: the daemon may hear of it late."""
        until = time.monotonic() + LATE
        while not state.get("OOMKilled") and time.monotonic() < until:
            self._done.wait(INTERVAL)
            state = self._state()
        return bool(state.get("OOMKilled"))


def nowhere() -> socket.socket:
    """Return a connection whose other end is closed."""
    one, other = socket.socketpair()
    other.close()
    return one


def own_process(process: int) -> int | None:
    """Return *process* when it is, here, the first one of a container; None when it can't be seen,
    as where the daemon is in another PID namespace or a virtual machine."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    numbers = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    return process if len(numbers) > 1 and numbers[-1] == "1" else None


_CAUSES = {
    "no such file or directory": "No such file or directory",
    "not found": "No such file or directory",
    "permission denied": "Permission denied",
    "exec format error": "Exec format error",
}


def not_started(job: Job, daemon: Daemon, refused: Refused | OSError) -> HarnessError:
    """Return why the daemon did not start the container of *job*."""
    said = str(refused).lower()
    about_program = re.search(
        r"exec: \"|executable file|exec user process|starting container", said
    )
    if about_program and isinstance(refused, Refused):
        for words, cause in _CAUSES.items():
            if words in said:
                return _not_run(job, cause)
    return unavailable(daemon, refused)


def never_began(job: Job, status: int, said: str) -> JobFailed | None:
    """Return the error when what ended was the runtime, at its last step, and not the program."""
    if status in (1, 126, 127, 255) and (found := re.fullmatch(r"exec (\S+): ([\w ]+)\n?", said)):
        cause = _CAUSES.get(found[2].lower())
        if found[1] == job.argv[0] and cause is not None:
            return _not_run(job, cause)
    return None


def _not_run(job: Job, cause: str) -> JobFailed:
    return JobFailed(
        f"{job.argv[0]} can't be run in the image: {cause}",
        hint="the image lacks this program, or the interpreter that its first line names",
    )


def unavailable(daemon: Daemon, why: Exception) -> EngineUnavailable:
    """Return the error of a daemon that does not do what it must."""
    return EngineUnavailable(f"{daemon.words} refuses: {why}", hint="harness doctor")
