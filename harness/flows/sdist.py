"""Wheels from sources: what their build needs, the build in a sandbox, and the digest to lock.

``locked`` is for whoever writes a lock, ``rebuilt`` for whoever fetches one. Both find the files
they need in the store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import parse_wheel_filename

from harness.content import backend, sdist
from harness.content import wheel as wheels
from harness.content.repack import differences, repack
from harness.content.sdist import Sdist
from harness.content.tree import RULES
from harness.content.union import lay_out
from harness.core.digest import Digest
from harness.core.errors import BuildFailed, HashMismatch, PackageRefused, ResolutionFailed
from harness.engine import hooks
from harness.engine.engine import Engine
from harness.engine.hooks import Place
from harness.image import os_root
from harness.image.key import key
from harness.lock import choose
from harness.lock.from_source import Resolved
from harness.lock.lock import Deb, Lock, Source, Wheel
from harness.lock.pylock_reading import MACHINES
from harness.world import files, machine
from harness.world.store import Store

BUILDING = 1
"""Version of how wheels are built and repacked here; part of the key of every built wheel."""
ROUNDS = 3
"""How often a build may ask for more after it got what it asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """Where wheels are built: *debs* (in the store) hold the interpreter that ships and whatever
    else a build may call, such as a compiler. *seconds* and *memory* (bytes) bound one build."""

    engine: Engine
    store: Store
    debs: tuple[Deb, ...]
    python: str
    architecture: str
    seconds: float = 600.0
    memory: int | None = 4 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A wheel that was built; its blob is in the store."""

    filename: str
    digest: Digest
    size: int


def locked(workshop: Workshop, source: Source, resolved: Resolved) -> Wheel:
    """Return the lock's entry of the wheel that *source* builds, its build requirements locked.

    *resolved* is asked for the declared requirements, and again with those that the build itself
    asks for (``get_requires_for_build_wheel``). Raises PackageRefused, BuildFailed,
    ResolutionFailed, and what *resolved* raises.
    """
    about = read(workshop, source)
    wanted = tuple(sorted(set(about.requires)))
    for _ in range(ROUNDS):
        source = replace(source, requires=resolved(wanted))
        more = tuple(sorted({*wanted, *extra(workshop, source)}))
        if more == wanted:
            found = made(workshop, source)
            return Wheel(
                name=about.name,
                version=about.version,
                filename=found.filename,
                digest=found.digest,
                size=found.size,
                built=source,
            )
        wanted = more
    raise ResolutionFailed(
        f"the build of {source.filename} asks for more each time it gets what it asked for",
        hint="require a version that has a wheel",
    )


def read(workshop: Workshop, source: Source) -> Sdist:
    """Return what *source*, whose blob is in the store, says of itself."""
    return sdist.read(workshop.store.whole(source.digest), source.filename)


def extra(workshop: Workshop, source: Source) -> tuple[str, ...]:
    """Return the requirements that the build asks for beyond those it declares."""
    about = read(workshop, source)
    return hooks.requires(_place(workshop, source), about, _unpacked(workshop, source))


def made(workshop: Workshop, source: Source) -> Made:
    """Build *source* twice and return its wheel, which is in the store then.

    Raises BuildFailed when the two differ: such a wheel can't be locked.
    """
    known = _key(workshop, source)
    if (body := workshop.store.recall("built", known)) and workshop.store.has(body["digest"]):
        return Made(**body)
    with workshop.store.scratch() as folder:
        first, filename = _build(workshop, source, folder / "1")
        second, again = _build(workshop, source, folder / "2")
        if filename != again or files.digest_of(first) != files.digest_of(second):
            named = differences(first, second)
            raise BuildFailed(
                f"{source.filename} builds another wheel each time: "
                + (", ".join(named[:5]) if filename == again else f"{filename}, {again}"),
                hint="it records the time, a random number or an order; require a version that "
                "has a wheel",
            )
        found = _keep(workshop.store, first, filename)
    workshop.store.remember(
        "built", known, {"filename": found.filename, "digest": found.digest, "size": found.size}
    )
    return found


def rebuilt(workshop: Workshop, wheel: Wheel) -> None:
    """Put *wheel*, built from its source, into the store. Raises HashMismatch when other bytes
    come out than the lock names, PackageRefused, BuildFailed."""
    if workshop.store.has(wheel.digest):
        return
    assert wheel.built is not None
    with workshop.store.scratch() as folder:
        path, filename = _build(workshop, wheel.built, folder / "1")
        digest = files.digest_of(path)
        if (filename, digest) != (wheel.filename, wheel.digest):
            raise HashMismatch(
                f"{wheel.built.filename} was built again and gave {filename} with {digest}, "
                f"{path.stat().st_size} bytes; the lock names {wheel.filename} with "
                f"{wheel.digest}, {wheel.size} bytes",
                hint="its source, build requirements and interpreter are those of the lock, so "
                "the build depends on something else: the processor, the date, or another version "
                "of Harness; use a version that has a wheel",
            )
        _keep(workshop.store, path, filename)


def complete(
    lock: Lock, store: Store, engine: Callable[[], Engine], progress: Callable[[str], None]
) -> None:
    """Put the wheels of *lock* that are made from sources into *store*, whose other files are
    there. The *engine* is asked for only when one is missing. Raises as ``rebuilt`` does."""
    missing = [wheel for wheel in lock.built if not store.has(wheel.digest)]
    if not missing:
        return
    _refuse_strangers(lock, missing)
    workshop = Workshop(
        engine=engine(),
        store=store,
        debs=(*lock.debs, *lock.build_debs),
        python=lock.python,
        architecture=lock.architecture,
    )
    for wheel in missing:
        assert wheel.built is not None
        progress(f"building {wheel.built.filename}")
        rebuilt(workshop, wheel)


def _refuse_strangers(lock: Lock, missing: list[Wheel]) -> None:
    """Raise BuildFailed where this machine can't run the interpreter or the wheels of a build."""
    here, there = machine.architecture(), lock.architecture
    for wheel in missing:
        assert wheel.built is not None
        if here != there:
            raise BuildFailed(
                f"{wheel.built.filename} is built where it runs, on {MACHINES[there]}, and this "
                f"machine is {MACHINES[here]}",
                hint="fetch on such a machine, or use a version that has a wheel",
            )
        for need in wheel.built.requires:
            if not _fits(need.filename, lock.python, there):
                raise BuildFailed(
                    f"{wheel.built.filename} was locked on another platform, whose build used "
                    f"{need.filename}; it can't be built on {MACHINES[there]}",
                    hint="use a version that has a wheel",
                )


def _keep(store: Store, path: Path, filename: str) -> Made:
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = store.add_stream(iter(lambda: file.read(1 << 20), b""), name=filename)
    return Made(filename=filename, digest=digest, size=size)


def _build(workshop: Workshop, source: Source, folder: Path) -> tuple[Path, str]:
    about = read(workshop, source)
    folder.mkdir()
    left, packed = folder / "left.whl", folder / "packed.whl"
    place = _place(workshop, source)
    filename = hooks.wheel(place, about, _unpacked(workshop, source), left)
    repack(left, packed, filename=filename, sdist=about, folder=backend.FOLDER)
    if not _fits(filename, workshop.python, workshop.architecture):
        raise PackageRefused(
            f"{filename} was built, which is no wheel for Python {workshop.python} on "
            f"{MACHINES[workshop.architecture]}"
        )
    return packed, filename


def _fits(filename: str, python: str, architecture: str) -> bool:
    """Tell whether a wheel of that name is for *python* on *architecture*."""
    return bool(choose.ranks(python, architecture).keys() & parse_wheel_filename(filename)[3])


def _unpacked(workshop: Workshop, source: Source) -> Path:
    return workshop.store.tree(
        key("sdist", source.digest, source.filename, RULES),
        lambda root: sdist.unpack(workshop.store.whole(source.digest), root, source.filename),
    )


def _place(workshop: Workshop, source: Source) -> Place:
    """Return the sandbox's root: the OS packages, and the wheels of the build as installed."""
    store, python = workshop.store, workshop.python
    system = os_root.interpreter(workshop.debs, python, store).root
    roots = {"the OS packages": system}
    for need in source.requires:
        roots[need.name] = store.tree(
            key("wheel", need.digest, python, RULES),
            lambda root, need=need: wheels.unpack(  # type: ignore[misc]
                store.whole(need.digest), need.name, python, root
            ),
        )
    named = key("workshop", str(system.name), sorted(w.digest for w in source.requires), RULES)
    return Place(
        engine=workshop.engine,
        root=store.tree(
            named,
            lambda root: lay_out(roots, root),
            of=[root.name for root in roots.values()],
        ),
        argv=(f"/usr/bin/python{python}", "-P", "-X", "utf8"),
        seconds=workshop.seconds,
        memory=workshop.memory,
    )


def _key(workshop: Workshop, source: Source) -> str:
    return key(
        "built",
        BUILDING,
        source.filename,
        source.digest,
        sorted(w.digest for w in source.requires),
        sorted(d.digest for d in workshop.debs),
        workshop.python,
        files.digest_of(Path(backend.__file__)),
    )
