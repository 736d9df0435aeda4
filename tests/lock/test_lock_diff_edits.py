"""Generated edits of real locks: every one is told, and nothing else. The oracle is the list of
edits; it knows nothing of how locks are compared."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.digest import of_bytes
from harness.lock import diff, diff_settings, pylock
from harness.lock.lock import Deb, Lock, Wheel

LOCKS = sorted(Path(__file__).parents[2].glob("envs/*/pylock.*.toml"))
ROUNDS = 400
EDITS = ("add", "remove", "up", "down", "rebuild", "rename", "needs")


def fresh(draw: random.Random) -> str:
    return "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=9))


def moved(item: Wheel | Deb, version: str, draw: random.Random) -> Wheel | Deb:
    digest = of_bytes(draw.randbytes(8))
    if isinstance(item, Wheel):
        name = item.filename.split("-")
        return replace(
            item, version=version, digest=digest, filename="-".join([name[0], version, *name[2:]])
        )
    path = f"pool/main/x/x/{item.name}_{version.replace(':', '%')}.deb".replace("%", "")
    return replace(item, version=version, digest=digest, filename=path, size=item.size + 1)


def edit(lock: Lock, draw: random.Random) -> tuple[Lock, set[tuple[str, str, str]]]:
    """Return *lock* after some edits, and (room, name, what) of each: one edit a package."""
    rooms: dict[str, dict[str, Wheel | Deb]] = {
        "python": {p.name: p for p in lock.packages},
        "debian": {d.name: d for d in lock.debs},
    }
    told: set[tuple[str, str, str]] = set()
    touched: set[tuple[str, str]] = set()
    for _ in range(draw.choice((1, 1, 2, 3, 8))):
        room = draw.choice(("python", "debian"))
        free = sorted(name for name in rooms[room] if (room, name) not in touched)
        if not free or len(rooms[room]) < 2:  # a small lock, all of it edited
            continue
        name = draw.choice(free)
        item, kind = rooms[room][name], draw.choice(EDITS)
        touched.add((room, name))
        if kind in ("remove", "rename"):
            users = {n for n, one in rooms[room].items() if name in one.dependencies}
            if users:  # a lock names no dependency that it doesn't hold
                continue
            del rooms[room][name]
            told.add((room, name, "removed"))
        if kind in ("add", "rename"):
            new = fresh(draw)
            told.add((room, new, "added"))
            made = moved(item, "1.5" if room == "python" else "1:1.5-1", draw)
            if isinstance(made, Wheel):
                made = replace(made, filename=f"{new}-1.5-py3-none-any.whl")
            rooms[room][new] = replace(made, name=new, dependencies=())
            touched.add((room, new))
        elif kind == "up":
            # an epoch first: zlib1g has one, and 999.1 is lower; tzdata is 2026.6
            higher = draw.choice(
                ("99999.1", "1!0.1") if room == "python" else ("9:999.1", "8:0.1-1")
            )
            rooms[room][name] = moved(item, higher, draw)
            told.add((room, name, "upgrade"))
        elif kind == "down":
            lower = "0.0.dev1" if room == "python" else "0~~1"
            rooms[room][name] = moved(item, lower, draw)
            told.add((room, name, "downgrade"))
        elif kind == "rebuild":
            rooms[room][name] = replace(item, digest=of_bytes(draw.randbytes(8)))
            told.add((room, name, "rebuild"))
        elif kind == "needs":
            other = draw.choice(sorted(set(rooms[room]) - {name}))
            needs = set(item.dependencies) ^ {other}
            touched.add((room, other))
            if (room, other, "added") in told:
                continue
            rooms[room][name] = replace(item, dependencies=tuple(sorted(needs)))
            told.add((room, name, "record"))
    packages = tuple(sorted(rooms["python"].values(), key=lambda p: p.name))
    debs = tuple(sorted(rooms["debian"].values(), key=lambda d: d.name))
    return replace(lock, packages=packages, debs=debs), told  # type: ignore[arg-type]


def side(text: str) -> diff.Side:
    locks = pylock.loads_all(text)
    return diff.side(locks, label="x", settings=diff_settings.of_locks(locks))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.parent.name)
def test_every_edit_is_told_and_nothing_else(path: Path) -> None:
    original = pylock.loads_all(path.read_text(encoding="utf-8"))
    one = original[0]
    before, edits = side(pylock.dumps(one)), 0

    for seed in range(ROUNDS):
        after, expected = edit(one, random.Random(seed))
        found = diff.compare(before, side(pylock.dumps(after)))

        assert expected == {(c.room, c.name, c.kind) for c in found.changes}, seed
        assert bool(expected) == bool(found)
        assert () == found.settings + found.came + found.went
        edits += len(expected)
    assert edits >= 300


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.parent.name)
def test_the_way_back_tells_the_opposite(path: Path) -> None:
    opposite = {"added": "removed", "upgrade": "downgrade"}
    opposite |= {value: key for key, value in opposite.items()}
    one = pylock.loads_all(path.read_text(encoding="utf-8"))[0]
    for seed in range(50):
        other, expected = edit(one, random.Random(seed))
        found = diff.compare(side(pylock.dumps(other)), side(pylock.dumps(one)))

        assert {(r, n, opposite.get(k, k)) for r, n, k in expected} == {
            (c.room, c.name, c.kind) for c in found.changes
        }


def test_a_lock_differs_in_nothing_from_itself() -> None:
    text = LOCKS[0].read_text(encoding="utf-8")

    found = diff.compare(side(text), side(text))

    assert not found
