"""Child processes that never outlive us, not even after kill -9 (prctl(2), PR_SET_PDEATHSIG)."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import ParamSpec, TypeVar

from harness.core.errors import ToolMissing

P = ParamSpec("P")
T = TypeVar("T")

_PR_SET_PDEATHSIG = 1
_prctl: Callable[..., int] | None = (
    ctypes.CDLL(None).prctl if sys.platform == "linux" else None
)  # looked up before any fork: dlopen after a fork may deadlock


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent goes; for ``preexec_fn``."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A command that ended; *code* is negative for a signal, as in ``subprocess``."""

    code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False

    @property
    def tail(self) -> str:
        """The last lines of what it said, for an error message."""
        text = (self.stderr or self.stdout).decode("utf-8", "replace").strip()
        return "\n".join(text.splitlines()[-12:])


def start(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start *argv*; raises ToolMissing when there is no such program.

    It dies with us when it is started by the main thread. The kernel ties that to the thread, and
    nothing of ours should run between fork and exec while other threads do.
    """
    alone = threading.current_thread() is threading.main_thread()
    try:
        return subprocess.Popen(
            [str(a) for a in argv],
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=die_with_parent if alone else None,
        )
    except FileNotFoundError as missing:
        raise ToolMissing(f"the program {argv[0]} is not here") from missing


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
    timeout: float | None = None,
) -> Finished:
    """Run *argv* to its end, dying with us as ``start`` says; raises ToolMissing as it does."""
    with start(argv, env=env, cwd=cwd, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            return Finished(code=process.returncode, stdout=out, stderr=err, timed_out=True)
        except BaseException:
            process.kill()
            raise
    return Finished(code=process.returncode, stdout=out, stderr=err)


@contextmanager
def pool(workers: int) -> Iterator[Executor]:
    """Give a pool whose workers die with us. Spawned: nothing of ours leaks into them.

    When its block fails, what has not begun yet is not begun any more.
    """
    import multiprocessing  # where little is to be done, nobody waits for these
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_work,
        initargs=(os.getpid(),),
    ) as executor:
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def inline() -> Iterator[Executor]:
    """Give what does its work at once, in this process."""
    yield _Inline()


class _Inline(Executor):
    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do the work, and return what came of it."""
        done: Future[T] = Future()
        done.set_result(work(*args, **kwargs))
        return done


def _work(parent: int) -> None:
    die_with_parent()
    if os.getppid() != parent:  # it was killed before we could ask, and would be waited for forever
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is told to us: we end the workers
