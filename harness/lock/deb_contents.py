"""Which Debian package has a shared library: the suite's ``Contents`` index, read as a stream.

One line of it is a path, blanks, and the packages that have the path, each with its section
(Debian repository format, "Contents" indices). The index is fetched once for its digest, which the
signed release vouches for.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from harness.core.errors import ResolutionFailed
from harness.lock import debian
from harness.world.sources import Debian
from harness.world.store import Store

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

_LINE = re.compile(r"(.+?)\s+(\S+)$")
_VERSIONED = re.compile(r"(.+\.so)\.(\d+)(?:\.\d+)*$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """The *package* that has *library* where the dynamic linker looks.

    *library* differs from what was asked for when only another version of it is in the suite; no
    *package* at all when nothing in it has the library.
    """

    library: str
    package: str = ""


def holders(
    libraries: Collection[str],
    *,
    suite: str,
    architecture: str,
    source: Debian,
    store: Store,
    now: datetime,
) -> dict[str, Holder]:
    """Return who has each of *libraries*: ``libgomp.so.1``, or ``libzbar.so`` for any version.

    Raises SignatureInvalid, NetworkUnavailable, SourceMissing, ToolMissing, ResolutionFailed.
    """
    if not libraries:
        return {}
    release = debian.read_release(suite, source=source, now=now, store=store)
    name = f"{debian.COMPONENT}/Contents-{architecture}.gz"
    if name not in release.files:
        raise ResolutionFailed(
            f"{suite} has no index of files for {architecture}",
            hint="use another Debian source: harness doctor",
        )
    digest = debian.index_file(release, name, source=source, store=store)
    with gzip.open(store.whole(digest), "rt", encoding="utf-8", errors="replace") as lines:
        return search(lines, libraries, architecture=architecture)


def search(
    lines: Iterable[str], libraries: Collection[str], *, architecture: str
) -> dict[str, Holder]:
    """Return who has each of *libraries*, going once through the *lines* of an index.

    Only the folders that ld.so(8) searches count. Of several packages, and of several series of a
    library, the one with the shortest name is taken, as ``libavcodec59`` before
    ``libavcodec-extra59``; ``-dev`` packages come last.
    """
    stems = {_stem(library) for library in libraries}
    folders = _folders(architecture)
    seen: dict[str, set[str]] = {}
    for line in lines:
        if ".so" not in line or not line.startswith(("usr/lib", "lib")):
            continue
        match = _LINE.match(line)
        if match is None:
            continue
        folder, _, name = match[1].rpartition("/")
        if folder in folders and not stems.isdisjoint((_stem(name), _series(name))):
            packages = {one.rpartition("/")[2] for one in match[2].split(",")}
            seen.setdefault(name, set()).update(packages)
    return {library: _holder(library, seen) for library in sorted(libraries)}


def _holder(library: str, seen: dict[str, set[str]]) -> Holder:
    if library in seen and _VERSIONED.match(library):
        return Holder(library=library, package=_best(seen[library]))
    sonames = [name for name in seen if _major(name) == _soname(name)]
    others = [name for name in sonames if _stem(name) == _stem(library)]
    if not others and not _VERSIONED.match(library):
        others = [name for name in sonames if _series(name) == _stem(library)]
    if not others:
        return Holder(library=library)
    newest = max(others, key=lambda name: (int(_major(name)), -len(name), name))
    return Holder(library=newest, package=_best(seen[newest]))


def _best(packages: Iterable[str]) -> str:
    return min(packages, key=lambda name: (name.endswith(("-dev", "-dbg")), len(name), name))


def _stem(library: str) -> str:
    """Return ``libzbar.so`` of ``libzbar.so.0``; code spells libraries in any case."""
    match = _VERSIONED.match(library)
    return (match[1] if match else library).lower()


def _series(library: str) -> str:
    """Return ``libenchant.so`` of ``libenchant-2.so.2``: what code calls a library of a series."""
    return re.sub(r"-\d[\w.]*(?=\.so$)", "", _stem(library))


def _major(library: str) -> str:
    match = _VERSIONED.match(library)
    return match[2] if match else "-1"


def _soname(library: str) -> str:
    """Return all numbers that follow ``.so.``: those of a soname are one, as a rule."""
    return library.partition(".so.")[2]


def _folders(architecture: str) -> frozenset[str]:
    triplet = TRIPLETS[architecture]
    wide = ("usr/lib64", "lib64") if architecture == "amd64" else ()
    return frozenset((f"usr/lib/{triplet}", f"lib/{triplet}", "usr/lib", "lib", *wide))
