"""The part of a lock's file that tells of a base image, and of pins that had to move."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.content.scheme import Scheme
from harness.lock.lock import Base, Installed, Move, OsPackage

Take = Callable[..., Any]
"""``Reading.take``: a table's value of a key, checked, or None and a problem."""

AT = "tool.harness.base"
_PATH = re.compile(r"(?!.*(?:^|/)\.\.(?:/|$))[^/\0][^\0]*")
_PLATFORM = re.compile(r"(?:manylinux|musllinux)_\d+_\d+")


def written(base: Base) -> dict[str, Any]:
    """Return *base* as its table."""
    found: dict[str, Any] = {
        "image": base.image,
        "manifest": base.manifest,
        "python": base.python,
        "platform": base.platform,
        "program": base.scheme.program,
        "site": base.scheme.site,
        "scripts": base.scheme.scripts,
        "prefix": base.scheme.prefix,
        "packages": [
            {"name": one.name, "version": one.version, "info": one.info} for one in base.packages
        ],
        "moved": moves(base.moved),
    }
    if base.suite:
        found["suite"] = base.suite
        found["os"] = [
            {
                "name": one.name,
                "version": one.version,
                "source": one.source,
                "source-version": one.source_version,
            }
            for one in base.os
        ]
    return found


def read(table: Any, take: Take) -> Base | None:
    """Return the base of *table*; None when *take* found problems in it."""
    texts = {key: take(table, key, str, AT) for key in ("image", "python")}
    manifest = take(table, "manifest", str, AT, re.compile(r"sha256:[0-9a-f]{64}").fullmatch)
    platform = take(table, "platform", str, AT, _PLATFORM.fullmatch)
    paths = {key: take(table, key, str, AT, _PATH.fullmatch) for key in PATHS}
    packages = _rows(table, "packages", ("name", "version", "info"), take)
    suite, os_packages = "", []
    if isinstance(table, Mapping) and "suite" in table:
        suite = take(table, "suite", str, AT)
        os_packages = _rows(table, "os", ("name", "version", "source", "source-version"), take)
    told = moved(table, AT, take)
    if None in (*texts.values(), manifest, platform, *paths.values(), suite):
        return None
    return Base(
        image=texts["image"],
        manifest=manifest,
        python=texts["python"],
        platform=platform,
        scheme=Scheme(python=".".join(texts["python"].split(".")[:2]), **paths),
        packages=tuple(Installed(name=n, version=v, info=i) for n, v, i in packages),
        moved=told,
        suite=suite,
        os=tuple(
            OsPackage(name=n, version=v, source=s, source_version=sv) for n, v, s, sv in os_packages
        ),
    )


PATHS = ("program", "site", "scripts", "prefix")


def moves(moved: Sequence[Move]) -> list[dict[str, Any]]:
    """Return *moved* as tables."""
    return [
        {"name": m.name, "before": m.before, "after": m.after, "why": list(m.why)} for m in moved
    ]


def moved(table: Any, at: str, take: Take) -> tuple[Move, ...]:
    """Return the moves that *table* tells of."""
    found = []
    for index, move in enumerate(take(table, "moved", list, at) or ()):
        inner = f"{at}.moved[{index}]"
        name, before, after = (take(move, key, str, inner) for key in ("name", "before", "after"))
        why = take(move, "why", list, inner, lambda v: all(isinstance(one, str) for one in v))
        if None not in (name, before, after, why):
            found.append(Move(name=name, before=before, after=after, why=tuple(why)))
    return tuple(found)


def _rows(table: Any, key: str, fields: tuple[str, ...], take: Take) -> list[tuple[str, ...]]:
    found = []
    for index, one in enumerate(take(table, key, list, AT) or ()):
        row = tuple(take(one, field, str, f"{AT}.{key}[{index}]") for field in fields)
        if None not in row:
            found.append(row)
    return found
