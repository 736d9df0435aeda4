"""From an environment's name to its image: specification, lock, files, build."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.content.interpreter import Interpreter
from harness.engine.engine import Engine
from harness.flows import base_image, sdist
from harness.flows.sdist import Workshop
from harness.image import build, on_base, os_root, recipe
from harness.image.build import Built
from harness.image.key import key
from harness.lock import adopt, customized, parent, pylock, releases, resolved
from harness.lock import source as place
from harness.lock.fetch import fetch, fetch_debs
from harness.lock.freedom import Freedom
from harness.lock.from_source import Make, Resolved
from harness.lock.lock import Deb, Lock, Source, Wheel
from harness.lock.on_base import Looked
from harness.lock.pip_tools import RunPython
from harness.lock.resolve import Prepare, resolve
from harness.lock.resolve import Workshop as Where
from harness.spec import parse
from harness.spec.environment import Environment
from harness.spec.project import Project
from harness.world import files, machine, sources
from harness.world.store import Store

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A locked environment and its image; *without* names what it may lack."""

    lock: Lock
    built: Built
    without: tuple[str, ...] = ()


def found(project: Project, reference: str, store: Store) -> Environment:
    """Return the environment that *reference* names for *project*, from its folder or registry.

    Which lock that is, is recorded in the project's environment.lock at its first use, and any
    other is EnvironmentChanged from then on. Raises what ``parse.find`` and ``pylock.read`` raise.
    """
    known = resolved.recorded(project.folder, reference)
    folder = place.folder(project.source, reference, store, known=known)
    environment = parse.find(reference, folder)
    pylock.read_all(environment)
    resolved.hold(
        project.folder,
        place.resolved(environment, project.source, project.folder),
        among=project.wanted,
    )
    return environment


def opened(
    environment: Environment,
    store: Store,
    *,
    engine: Callable[[], Engine],
    workers: int = 0,
    progress: Progress = lambda _: None,
) -> Opened:
    """Return the environment's lock and image, fetching and building what is not here yet.

    Raises LockMissing, LockOutOfDate, ReleaseBroken, and what ``fetched`` and ``build`` raise.
    """
    lock = pylock.read(environment)
    releases.verify(environment.folder, environment.reference, version=environment.version)
    fetched(lock, store, folder=environment.folder, engine=engine, progress=progress)
    made = built(lock, store, workers=workers, progress=progress)
    recipe.keep(lock, store)
    return Opened(lock=lock, built=made, without=environment.without)


def built(
    lock: Lock, store: Store, *, workers: int = 0, progress: Progress = lambda _: None
) -> Built:
    """Return the image of *lock*, whose files are in *store*; raises what ``build.environment`` and
    ``on_base.environment`` do."""
    make = build.environment if lock.base is None else on_base.environment
    return make(lock, store, workers=workers, progress=progress)


def fetched(
    lock: Lock,
    store: Store,
    *,
    engine: Callable[[], Engine],
    folder: Path = Path(),
    progress: Progress = lambda _: None,
) -> None:
    """Put every file of *lock* into *store*: fetched, or built from its source by an *engine*. A
    base image's layout on disk is looked for from *folder*, the environment's.

    Raises what ``fetch`` and ``sdist.complete`` raise.
    """
    if lock.base is not None:
        base_image.fetched(lock.base, lock.architecture, store, folder=folder, progress=progress)
    fetch(lock, store, progress=counted(progress))
    sdist.complete(lock, store, engine, progress)


def locked(
    environment: Environment,
    store: Store,
    *,
    engine: Callable[[], Engine],
    free: Freedom,
    now: datetime,
    progress: Progress = lambda _: None,
    write: bool = True,
    settings: Mapping[str, str] | None = None,
) -> tuple[tuple[Lock, ...], tuple[Lock, ...]]:
    """Resolve *environment*, write its lock (unless *write* is false), and return the locks before
    (if any) and after, one for each platform. An *engine* builds what has no wheel.

    The old lock stays until the new one is whole. A damaged old lock is refused, not replaced, and
    a released one is final: it comes back as it is, and ReleaseFinal or ReleaseBroken is raised
    where it would have to change or has been changed. *settings* are ``[sources]``, those of the
    user unless given. Who else locks or releases *environment* meanwhile waits and finds this lock.
    """
    with one_at_a_time(environment, store, progress) if write else nullcontext():
        return _locked(environment, store, engine, free, now, progress, write, settings)


def _locked(
    environment: Environment,
    store: Store,
    engine: Callable[[], Engine],
    free: Freedom,
    now: datetime,
    progress: Progress,
    write: bool,
    settings: Mapping[str, str] | None,
) -> tuple[tuple[Lock, ...], tuple[Lock, ...]]:
    releases.verify(environment.folder, environment.name)
    if releases.of(environment) is not None:
        wish = "" if free == Freedom() else "its pins don't move any more"
        releases.refuse_change(environment, wish=wish)
        final = pylock.read_all(environment)
        return final, final
    before: tuple[Lock, ...] = ()
    if environment.lock_path.is_file():
        path = environment.lock_path
        before = pylock.loads_all(path.read_text(encoding="utf-8"), where=path.name)
    above = parent.locks(environment, store)
    effective = customized.effective(environment, above)
    program = above[0].base.scheme.program if above and above[0].base else ""
    looked = base_image.looked(effective, store, engine=engine, program=program, progress=progress)
    with ThreadPoolExecutor(max_workers=1) as pool:  # pip takes half a second to say its settings
        asked = pool.submit(sources.python, settings=settings)
        debian_source = None
        if looked is None:
            debian_source = sources.debian(effective.suite, settings=settings)
    python_source = asked.result()

    progress(f"resolving {len(effective.requirements)} requirements with {effective.resolver}")
    after = resolve(
        environment,
        previous=before,
        parent=above,
        free=free,
        preferences=None if before else adopt.preferences(environment.folder),
        prepare=preparing(effective, store, progress, debian_source, looked),
        workshop=building(effective, store, engine, progress, debian_source),
        store=store,
        now=now,
        debian_source=debian_source,
        python_source=python_source,
        looked=looked,
    )
    if write:
        pylock.write(environment.lock_path, *after)
        parent.record(environment, store)
    return before, after


@contextmanager
def one_at_a_time(
    environment: Environment, store: Store, progress: Progress = lambda _: None
) -> Iterator[None]:
    """Let nobody else who has this *store* change *environment*'s lock or releases meanwhile."""
    progress(f"waiting for another who changes {environment.reference}")
    with files.locked(store.root / "locks" / key("folder", str(environment.folder.resolve()))):
        yield


def preparing(
    environment: Environment,
    store: Store,
    progress: Progress,
    source: sources.Debian | None = None,
    looked: Looked | None = None,
) -> Prepare:
    """Return what gives a resolver the interpreter of an effective *environment*: that of the base
    image that was *looked* into, or Debian's."""

    def prepare(debs: tuple[Deb, ...]) -> RunPython:
        if looked is not None:
            return _running(base_image.interpreter(looked, store))
        progress(f"fetching {len(debs)} OS packages")
        if not all(store.has(deb.digest) for deb in debs):
            fetch_debs(debs, store, source=source or sources.debian(environment.suite))
        shipped = os_root.interpreter(debs, environment.python, store)
        return _running(shipped)

    return prepare


def _running(shipped: Interpreter) -> RunPython:
    return lambda arguments, env, cwd, path: shipped.run(
        list(arguments), env=env, cwd=cwd, path=path
    )


def building(
    environment: Environment,
    store: Store,
    engine: Callable[[], Engine],
    progress: Progress,
    source: sources.Debian | None = None,
) -> Where:
    """Return where sources of an effective *environment* are built, by an *engine*."""

    def workshop(debs: tuple[Deb, ...]) -> Make:
        def make(wanted: Source, resolved: Resolved) -> Wheel:
            progress(f"building {wanted.filename}")
            fetch_debs(debs, store, source=source or sources.debian(environment.suite))
            place = Workshop(
                engine=engine(),
                store=store,
                debs=debs,
                python=environment.python,
                architecture=machine.architecture(),
            )
            return sdist.locked(place, wanted, resolved)

        return make

    return workshop


def counted(progress: Progress) -> Callable[[str, int, int], None]:
    """Return *progress* as the downloads report it: a file's name, how many of how many."""
    return lambda name, done, total: progress(f"fetched {done} of {total}: {name}")
