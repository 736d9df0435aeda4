"""A thread that does one thing at a time and is left behind when it doesn't come back."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
Job = tuple[Callable[[], object], "queue.SimpleQueue[tuple[bool, object]]"]


class Overdue(Exception):
    """A job did not end in the seconds that it had; its thread is left to itself."""


class Worker:
    """Runs jobs in one thread of its own, so that a job that never ends stops nobody else.

    A model is loaded and called through the same worker: libraries that tie an object to the
    thread that made it stay content. Python can't end a thread; after ``Overdue`` the thread is
    abandoned (it dies with the process) and the next job gets a new one.
    """

    def __init__(self) -> None:
        """Start nothing yet."""
        self._jobs: queue.SimpleQueue[Job] | None = None

    def run(self, job: Callable[[], T], *, seconds: float) -> T:
        """Return what *job* returns, raise what it raises; Overdue after *seconds*."""
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(
                target=_serve, args=(self._jobs,), name="harness-model", daemon=True
            ).start()
        done: queue.SimpleQueue[tuple[bool, object]] = queue.SimpleQueue()
        here, stdout = os.getcwd(), sys.stdout
        self._jobs.put((job, done))
        try:
            good, result = done.get(timeout=max(seconds, 0.001))
        except queue.Empty:
            self._jobs = None
            os.chdir(here)  # the job was at home in the model's folder, and had stdout turned
            sys.stdout = stdout
            raise Overdue(f"no answer within {seconds:.3g} s") from None
        if good:
            return result  # type: ignore[return-value]
        assert isinstance(result, BaseException)
        raise result


def _serve(jobs: queue.SimpleQueue[Job]) -> None:
    while True:
        job, done = jobs.get()
        try:
            done.put((True, job()))
        except BaseException as error:  # SystemExit too: it travels to the caller
            done.put((False, error))
        del job, done
