"""From an environment's name to its image: specification, lock, files, build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from harness.image import build
from harness.image.build import Built
from harness.lock import pylock
from harness.lock.fetch import fetch, fetch_debs
from harness.lock.lock import Deb, Lock
from harness.lock.pip_tools import RunPython
from harness.lock.resolve import resolve
from harness.spec.environment import Environment
from harness.world import sources
from harness.world.store import Store

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A locked environment and its image."""

    lock: Lock
    built: Built


def opened(
    environment: Environment,
    store: Store,
    *,
    workers: int = 0,
    progress: Progress = lambda _: None,
) -> Opened:
    """Return the environment's lock and image, fetching and building what is not here yet.

    Raises LockMissing, LockOutOfDate, and what ``fetch`` and ``build`` raise.
    """
    lock = pylock.read(environment)
    fetch(lock, store, progress=counted(progress))
    built = build.environment(lock, store, workers=workers, progress=progress)
    return Opened(lock=lock, built=built)


def locked(
    environment: Environment,
    store: Store,
    *,
    upgrade: bool,
    now: datetime,
    progress: Progress = lambda _: None,
) -> tuple[Lock | None, Lock]:
    """Resolve *environment*, write its lock, and return the lock before (if any) and after.

    The old lock stays until the new one is whole.
    """
    before = None
    if environment.lock_path.is_file():
        path = environment.lock_path
        before = pylock.loads(path.read_text(encoding="utf-8"), where=path.name)

    def run_python_for(debs: tuple[Deb, ...]) -> RunPython:
        progress(f"fetching {len(debs)} OS packages")
        fetch_debs(debs, store, source=sources.debian(environment.suite))
        shipped = build.interpreter(debs, environment.python, store)
        progress(f"resolving {len(environment.requirements)} requirements with pip-tools")
        return lambda arguments, env, cwd, path: shipped.run(
            list(arguments), env=env, cwd=cwd, path=path
        )

    after = resolve(
        environment,
        previous=before,
        upgrade=upgrade,
        run_python_for=run_python_for,
        store=store,
        now=now,
    )
    pylock.write(after, environment.lock_path)
    return before, after


def counted(progress: Progress) -> Callable[[str, int, int], None]:
    """Return *progress* as the downloads report it: a file's name, how many of how many."""
    return lambda name, done, total: progress(f"fetched {done} of {total}: {name}")
