"""A lock as lines that compare well, one fact a line: what ``git diff`` and ``git log -p`` show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core.digest import hexadecimal
from harness.lock.lock import Base, Deb, Lock, Move, Source, Wheel
from harness.lock.pylock_reading import MACHINES


def lines(locks: Sequence[Lock]) -> Iterator[str]:
    """Yield what the *locks* of one environment say: all of it, so that two that differ never
    read the same. What is the same on every platform is said once."""
    first = locks[0]
    yield f"{first.reference} · Python {first.python} · {first.suite} · layout {first.layout}"
    if first.base is not None:
        yield from _base(first.base)
    if first.parent is not None:
        yield f"from {first.parent.reference} {first.parent.lock}"
        yield from _moved(first.parent.moved)
    yield from (f"asked for {text}" for text in sorted(first.requirements))
    yield from (f"asked for OS package {name}" for name in sorted(first.os))
    yield ""
    yield from _rows(locks, {k.architecture: [_wheel(w) for w in k.packages] for k in locks})
    yield ""
    for lock in locks:
        yield f"Debian index of {lock.released.isoformat()} ({MACHINES[lock.architecture]})"
    yield from _rows(locks, {k.architecture: [_deb(d) for d in k.debs] for k in locks})
    yield ""
    yield f"specification {first.spec}"


def _base(base: Base) -> Iterator[str]:
    yield f"on {base.image} {base.manifest}"
    yield f"  Python {base.python} at /{base.scheme.program}, for {base.platform}"
    for what, place in (("libraries", "site"), ("scripts", "scripts"), ("data", "prefix")):
        yield f"  {what} in /{getattr(base.scheme, place)}"
    yield from (f"  has {one.name} {one.version} {one.info}".rstrip() for one in base.packages)
    yield from _moved(base.moved)
    for one in base.os:
        yield f"  has {base.suite}'s {one.name} {one.version} of {one.source} {one.source_version}"


def _moved(moves: Sequence[Move]) -> Iterator[str]:
    for move in moves:
        yield f"  moved {move.name} {move.before} → {move.after or 'gone'}"
        yield from (f"    because {why}" for why in move.why)


def _rows(locks: Sequence[Lock], rows: dict[str, list[tuple[str, ...]]]) -> Iterator[str]:
    where: dict[tuple[str, ...], list[str]] = {}
    for architecture, blocks in rows.items():
        for block in blocks:
            where.setdefault(block, []).append(MACHINES[architecture])
    for block, machines in sorted(where.items()):
        only = "" if len(machines) == len(locks) else f"  (only {', '.join(machines)})"
        yield f"{block[0]}{only}"
        yield from block[1:]


def _wheel(wheel: Wheel) -> tuple[str, ...]:
    return (
        f"{wheel.name} {wheel.version}",
        *_needs(wheel.dependencies),
        f"  {_file(wheel.filename, wheel)}",
        *(() if wheel.built is None else _built(wheel.built)),
    )


def _built(source: Source) -> Iterator[str]:
    yield f"  built from {_file(source.filename, source)}"
    for need in source.requires:
        yield f"  built with {need.name} {need.version} {_file(need.filename, need)}"


def _deb(deb: Deb) -> tuple[str, ...]:
    source = f"  source {deb.source} {deb.source_version}"
    return (
        f"{deb.name} {deb.version}",
        *_needs(deb.dependencies),
        *(() if (deb.source, deb.source_version) == (deb.name, deb.version) else (source,)),
        f"  {_file(deb.filename, deb)} {deb.architecture}",
    )


def _needs(names: Sequence[str]) -> tuple[str, ...]:
    return (f"  needs {', '.join(sorted(names))}",) if names else ()


def _file(name: str, item: Wheel | Source | Deb) -> str:
    size = "" if item.size is None else f" {item.size} bytes"
    return f"{name}{size} sha256:{hexadecimal(item.digest)}"
